"""A task: a query, the tools offered, and one reference that answers it."""

from typing import Literal, NamedTuple

from data_pipeline.words.json import Json, JsonObject


class Binding(NamedTuple):
    """An argument of a reference step that came from an earlier result."""

    argument: str
    step: int
    path: str
    """Path inside the result's content, such as `data.hotels[0].id`; released data may leave out the leading `data`."""
    exact: bool = True
    """False where the released data disagrees with its own record (39.8502 beside 39.8502006530762)."""


class ReferenceStep(NamedTuple):
    name: str
    arguments: JsonObject
    depends_on: tuple[int, ...] = ()
    bindings: tuple[Binding, ...] = ()
    recorded: bool = True
    """False where the store that came with the task cannot answer this call."""


class Task(NamedTuple):
    id: str
    query: str
    tools: tuple[str, ...]
    """Names of the tools offered to the policy."""
    reference: tuple[ReferenceStep, ...]
    mode: Literal["multi_turn", "plan"] = "multi_turn"
    answer: Json = None
    """The expected answer; see `has_answer`, since null may be an answer."""
    has_answer: bool = False
    """`tier` and `outcome` refuse a task without one. True also for a task whose right thing is no call at all."""
    returns: Literal["last", "all"] = "last"
    context: JsonObject | None = None
    """Hidden input that belongs to every lookup key (a user's location or clock)."""
    calls: int = 0
    """Calls of the reference if known, else the number of calls the task is said to need."""
    chain_depth: int = 0
    workflow: tuple[str, ...] = ()
    suite: str = ""
    split: str = ""
    released: JsonObject | None = None
    """The call tree as a release has it; only `*-released` rewards and bridges read it."""


def asked_for(task: Task) -> Json:
    """The argument that the right thing is to ask for, where a value is missing from the query; None for other tasks."""
    asks = not task.reference and type(task.answer) is dict and set(task.answer) == {"ask"}
    return task.answer["ask"] if asks else None
