"""A rollout in other words: what a policy may write as it likes is another text, what its score hangs on is not.

Rollouts that are repeated to be timed would else be the very same texts again, which those of a real run never are: there
the rollouts of one task share calls and results, not thoughts and spacing.
"""

from data_pipeline.words import JsonObject

_SPACES = str.maketrans("01", " \n")


def reworded(row: JsonObject, turn: int) -> JsonObject:
    """The row of a rollout for its `turn`-th repetition, a text of its own for each; 0: as it is."""
    if not turn:
        return row
    if "generation" in row:
        return {**row, "generation": _reworded_plan(row["generation"], turn)}
    messages = list(row["messages"])
    for place in reversed(range(len(messages))):
        if messages[place]["role"] == "assistant":
            said = messages[place].get("content") or ""
            messages[place] = {**messages[place], "content": f"{said} ({turn})"}
            break
    return {**row, "messages": messages}


def _reworded_plan(text: str, turn: int) -> str:
    """Another thought (another last line where there is none), and other white space before the calls."""
    thought, mark, rest = text.partition("</think>")
    text = f"{thought}({turn}){mark}{rest}" if mark else f"{text}\n({turn})"
    opened = text.find(">", text.find("<tool_call")) if "<tool_call" in text else -1
    return text[: opened + 1] + f"{turn:b}".translate(_SPACES) + text[opened + 1 :] if opened >= 0 else text
