"""Tasks whose right thing is no call: the answer is in the query, or a value is missing and has to be asked for.

Both come from a draft that would have made a good task, so that nothing but the missing (or given) value tells them
from one that needs calls.
"""

import random
from collections.abc import Sequence

from data_pipeline.recoverable import spellings
from data_pipeline.synthesis.tasks import Draft, answer_of_result
from data_pipeline.synthesis.writers import Writer
from data_pipeline.words import Json, Task


def answered_task(
    draft: Draft, writer: Writer, name: str, tools: Sequence[str], split: str, rng: random.Random
) -> Task | None:
    """The query says the answer; None where the draft has no answer that fits into a sentence."""
    has_answer, answer = answer_of_result(draft.contents[-1])
    if not has_answer or type(answer) not in (str, int, float):
        return None
    query = writer.write_answered(draft.workflow, draft.calls, answer, rng)
    return _uncalled(name, query, tools, split, answer)


def asking_task(
    draft: Draft, writer: Writer, name: str, tools: Sequence[str], split: str, rng: random.Random
) -> Task | None:
    """One required value is left out; the answer is {"ask": argument}. None where every value can be known without
    the query.
    """
    missing = [
        (step, path, value)
        for step, call in enumerate(draft.calls)
        for path, value in writer.literals(step, draft.workflow, call)
        if len(path) == 1 and path[0] in writer.tools[call.name].parameters.get("required", ())
    ]
    rng.shuffle(missing)
    for step, path, value in missing:
        query = writer.write(draft.workflow, draft.calls, rng, without=(step, path))
        if query is not None and not any(form in query.casefold() for form in spellings(value)):
            return _uncalled(name, query, tools, split, {"ask": path[0]})
    return None


def _uncalled(name: str, query: str, tools: Sequence[str], split: str, answer: Json) -> Task:
    return Task(name, query, tuple(tools), (), answer=answer, has_answer=True, suite="synth", split=split)
