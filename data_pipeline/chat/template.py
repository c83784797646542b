"""The scaffolding strings of the chat, ChatML with Hermes tool calls, as Qwen's models were trained on.

    <|im_start|>system
    ...<|im_end|>
    <|im_start|>user
    Which seller lists the cheapest lamp?<|im_end|>
    <|im_start|>assistant
    <tool_call>
    {"name": "cheapest", "arguments": {"product": "C3T5"}}
    </tool_call><|im_end|>
    <|im_start|>user
    <tool_response>
    {"listing": "K7W2"}
    </tool_response><|im_end|>
    <|im_start|>assistant
    <answer>"K7W2"</answer><|im_end|>

The strings that stand between two stretches of data are whole pieces of our own SentencePiece vocabularies
(`SCAFFOLDING`), so that a turn costs few tokens; released vocabularies spell the same text with their own marks.
"""

START, END = "<|im_start|>", "<|im_end|>"
CALL_END = "</tool_call>"

FOREIGN = (START, "<tool_response>", "</tool_response>")  # never inside what an assistant writes

SYSTEM_OPEN = "<|im_start|>system\n"
USER_OPEN = "<|im_start|>user\n"
MESSAGE_END = END + "\n"
ASSISTANT_OPEN = "<|im_start|>assistant\n"
QUERY_END = MESSAGE_END + ASSISTANT_OPEN

RESULTS_OPEN = "\n" + USER_OPEN + "<tool_response>\n"  # after a turn that closed itself
CLOSED_RESULTS_OPEN = END + RESULTS_OPEN  # after a turn that paused at its call
RESULTS_BETWEEN = "\n</tool_response>\n<tool_response>\n"
RESULTS_END = "\n</tool_response>" + QUERY_END

# What the assistant itself writes around names and values.
CALL_OPEN = '<tool_call>\n{"name": "'
CALL_ENDS = ('"}}\n</tool_call>', "}}\n</tool_call>", "\n</tool_call>")
ANSWER_OPENS = ('<answer>"', "<answer>")
ANSWER_ENDS = ('"</answer>' + END, "</answer>" + END)

# Strings around marks: pieces in trusted text only.
SCAFFOLDING: tuple[str, ...] = (
    SYSTEM_OPEN,
    USER_OPEN,
    MESSAGE_END,
    ASSISTANT_OPEN,
    QUERY_END,
    RESULTS_OPEN,
    CLOSED_RESULTS_OPEN,
    RESULTS_BETWEEN,
    RESULTS_END,
    CALL_OPEN,
    *CALL_ENDS,
    *ANSWER_OPENS,
    *ANSWER_ENDS,
)

# Strings of JSON without marks: pieces in every text.
JSON_PIECES: tuple[str, ...] = (
    '", "arguments": {',
    '", "arguments": {"',
    '": "',
    '": ',
    '", "',
    ', "',
    '{"',
    '"}',
    '[{"',
    '"}]',
    '"}, {"',
    '": ["',
    '"], "',
    '"]}',
)
