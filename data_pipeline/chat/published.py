"""Our own way to write conversations as a Jinja template: what an exported policy takes along, for servers to render.

It is data here: nothing of ours renders it. A test holds that Jinja makes of it what `qwen.chatml` writes.
"""

import json

from data_pipeline.chat.offers import FULL_AFTER, FULL_BEFORE, Schemas

_OFFER = """\
{%- if tools %}
    {%- if given %}{{ "\\n\\n" }}{% endif %}
    {{- BEFORE }}
    {%- for tool in tools %}{{ "\\n" + (tool | tojson) }}{% endfor %}
    {{- AFTER }}
{%- endif %}
"""
_NO_OFFER = "{%- set tools = none %}\n"
_START = """\
{%- set given = messages[0].content if messages and messages[0].role == "system" else "" %}
{%- if given or tools %}
    {{- "<|im_start|>system\\n" + given }}
"""
_REST = """\
    {{- "<|im_end|>\\n" }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == "user" or (message.role == "system" and not loop.first) %}
        {{- "<|im_start|>" + message.role + "\\n" + message.content + "<|im_end|>\\n" }}
    {%- elif message.role == "assistant" %}
        {%- set words = message.content or "" %}
        {{- "<|im_start|>assistant\\n" + words }}
        {%- for made in message.tool_calls or [] %}
            {%- set call = made.function or made %}
            {%- if words or not loop.first %}{{ "\\n" }}{% endif %}
            {{- "<tool_call>\\n" + ({"name": call.name, "arguments": call.arguments} | tojson) + "\\n</tool_call>" }}
        {%- endfor %}
        {{- "<|im_end|>\\n" }}
    {%- elif message.role == "tool" %}
        {%- if loop.first or loop.previtem.role != "tool" %}{{ "<|im_start|>user" }}{% endif %}
        {{- "\\n<tool_response>\\n" + message.content + "\\n</tool_response>" }}
        {%- if loop.last or loop.nextitem.role != "tool" %}{{ "<|im_end|>\\n" }}{% endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ "<|im_start|>assistant\\n" }}{% endif %}
"""


def chatml_template(schemas: Schemas) -> str:
    """The template of a policy whose prompts offered the tools so.

    Full schemas are written as they were in training. With any other offer a list of tools is passed over: what such a prompt
    says of them is part of the system message.
    """
    offer = _OFFER.replace("BEFORE", json.dumps(FULL_BEFORE)).replace("AFTER", json.dumps(FULL_AFTER))
    return _START + offer + _REST if schemas == "full" else _NO_OFFER + _START + _REST
