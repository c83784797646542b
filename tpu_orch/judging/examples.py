"""A few rows of each suite, made up here: what `bench judge` measures on, and what a newcomer may look at for the form."""

import json

from data_pipeline.words import JsonObject

_FUNCTION = {
    "name": "weather.get",
    "description": "The weather of a place.",
    "parameters": {
        "type": "dict",
        "properties": {
            "place": {"type": "string"},
            "days": {"type": "integer"},
            "limits": {"type": "array", "items": {"type": "float"}},
            "options": {"type": "dict"},
        },
        "required": ["place"],
    },
}


def _answer(place: str, days: int) -> JsonObject:
    accepted = {
        "place": [place, f"{place}, IT"],
        "days": [days],
        "limits": [[0.5, 2.0], ""],
        "options": ["", {"u": ["C"]}],
    }
    return {"weather.get": accepted}


def _call(place: str, days: int) -> JsonObject:
    return {"weather.get": {"place": place, "days": days, "limits": [0.5, 2.0], "options": {"u": "c"}}}


_PLACES = [("Rome", 1), ("Milan", 2), ("Turin", 3)]

_BFCL_AST: list[JsonObject] = [
    {
        "category": category,
        "functions": [_FUNCTION],
        "model_output": [_call(*place) for place in order[:wanted]],
        "possible_answer": [_answer(*place) for place in _PLACES[:wanted]],
    }
    for category, wanted in (("simple_python", 1), ("multiple", 1), ("parallel", 3))
    for order in (_PLACES, _PLACES[::-1])
]

_TURNS = [
    ["cd(folder='docs')", "touch(file_name='plan.txt')"],
    ["echo(content='first\\nsecond', file_name='plan.txt')"],
    ["wc(file_name='plan.txt', mode='w')", "create_ticket(title='plan', priority=2)"],
]
_BFCL_MULTI_TURN: list[JsonObject] = [
    {
        "id": "example_1",
        "involved_classes": ["GorillaFileSystem", "TicketAPI"],
        "initial_config": {
            "GorillaFileSystem": {
                "root": {"home": {"type": "directory", "contents": {"docs": {"type": "directory", "contents": {}}}}}
            },
            "TicketAPI": {"current_user": "ann"},
        },
        "turns": [{"calls": [{"call": call} for call in turn]} for turn in _TURNS],
        "checker_cases": [
            {"model_turns": [[turn] for turn in _TURNS]},
            {"model_turns": [[[call] for call in turn] for turn in _TURNS]},
            {"model_turns": [[turn] for turn in _TURNS[:2]] + [[["ls()"]]]},
        ],
    }
]

_CHAIN = [
    {"name": "add", "label": "$var_1", "arguments": {"arg_0": 4, "arg_1": 2}},
    {"name": "divide", "label": "$var_2", "arguments": {"arg_0": "$var_1.result$", "arg_1": 4}},
    {"name": "power", "label": "$var_3", "arguments": {"arg_0": "$var_2.result$", "arg_1": 2}},
]
_NESTFUL: list[JsonObject] = [
    {"case": place, "gold": _CHAIN, "generated_text": text, "win_scored": True}
    for place, text in enumerate((json.dumps(_CHAIN), json.dumps(_CHAIN[:2]), "none of these tools"))
]

_HOTELS = {"name": "Search_Hotels", "arguments": {"dest_id": 7, "search_type": "CITY"}}
_DATES = {"arrival_date": "2024-11-01", "departure_date": "2024-11-03"}
_GOLDEN = {**_HOTELS, "arguments": {**_HOTELS["arguments"], **_DATES}}  # type: ignore[dict-item]
_CFB: list[JsonObject] = [{"golden": _GOLDEN, "predict": made} for made in (_GOLDEN, _HOTELS)]

_GOLD = (
    '<think>so</think>\n<tool_call>\n{"name": "weather.get", "parameters": {"place": "Rome", "days": 2}}\n</tool_call>'
)
_TOOLRL: list[JsonObject] = [
    {"ground_truth": _GOLD, "completion": text, "env": {}, "step": 0}
    for text in (_GOLD, _GOLD.replace("2}", "3}"), "<think>so</think>")
]

EXAMPLES: dict[str, list[JsonObject]] = {
    "bfcl-ast": _BFCL_AST,
    "bfcl-multi-turn": _BFCL_MULTI_TURN,
    "nestful": _NESTFUL,
    "nestful-corpus": [{"set": 0, "cases": [dict(row) for row in _NESTFUL] * 4, "win_scored": True}],
    "cfb": _CFB,
    "toolrl": _TOOLRL,
    "bfcl-leaderboard": [{"model": "m", "categories": {"simple_python": 90.0, "live_simple": 80.0}}],
}
