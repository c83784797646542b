"""ToolOrchestrationReward (arXiv 2603.24709): its samples, from which it trains and evaluates, and its response cache.

    sample  {"query", "workflow_id", "workflow_pattern", "steps": [{"ground_truth": {"function", "arguments"},
             "candidate_tools", "depends_on", "execution_result": {"success", "arguments", "execution_result"}}]}
    cache   {tool: [{"arguments", "response"}, ...]}

An argument that came from an earlier step may stand as {"symbolic_ref", "actual_value", "from_field"}; samples without
that say only which steps a step depends on, and the value is looked for in their results.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data_pipeline.formats.errors import FormatError
from data_pipeline.formats.responses import Recorded
from data_pipeline.formats.rows import Fields
from data_pipeline.paths import PathError, find_bound, parse_path, path_text
from data_pipeline.sandbox.tasks import chain_depth
from data_pipeline.schemas.normal import same
from data_pipeline.words.json import Json, JsonObject
from data_pipeline.words.tasks import Binding, ReferenceStep, Task
from data_pipeline.workflows.values import Searchable


def is_samples(document: Any) -> bool:
    return type(document) is list and bool(document) and all(type(one) is dict and "steps" in one for one in document)


def is_cache(document: Any) -> bool:
    return type(document) is dict


def cache_records(cache: JsonObject, path: str | Path) -> Iterator[Recorded]:
    """The records of a cache. Raises `FormatError`.

    Later entries of the same call overrule earlier ones there: build the store with conflicts "last".
    """
    for tool, entries in cache.items():
        if type(entries) is not list:
            raise FormatError("expected a map of tools to lists of entries", path, field=tool[:80])
        for place, entry in enumerate(entries):
            if type(entry) is not dict or type(entry.get("arguments")) is not dict or "response" not in entry:
                raise FormatError('expected {"arguments": {...}, "response": ...}', path, field=f"{tool}[{place}]")
            content = entry["response"]
            source = f"{Path(path).name}:{tool}[{place}]"
            yield Recorded(tool, entry["arguments"], content, not refuses(content), None, source)


def refuses(content: Json) -> bool:
    """Whether an answer is an error of the tool's own, as this API tells them."""
    return type(content) is dict and ("error" in content or content.get("status") is False)


def sample_records(samples: list[Json], path: str | Path) -> Iterator[Recorded]:
    """What the samples' steps were answered when they were made. Raises `FormatError`."""
    for number, sample in enumerate(samples):
        for place, step in enumerate(_steps(sample, path, number)):
            result = _result(step)
            if result is not None:
                name, arguments = _call(step)
                source = f"{Path(path).name}:[{number}].steps[{place}]"
                yield Recorded(name, arguments, result[0], not refuses(result[0]), None, source)


def sample_tasks(samples: list[Json], path: str | Path) -> list[Task]:
    """A task of each sample; files whose name begins with eval are the split of that name. Raises `FormatError`."""
    split = "eval" if Path(path).stem.startswith("eval") else "train"
    seen: dict[str, int] = {}
    tasks = []
    for number, sample in enumerate(samples):
        fields = Fields(sample, str(path), None, f"[{number}].")
        steps = _steps(sample, path, number)
        workflow = fields.take("workflow_id", str, "sample")
        place = seen.setdefault(workflow, 0)
        seen[workflow] += 1
        reference = tuple(_reference_step(steps, at) for at in range(len(steps)))
        offered = sorted({name for step in steps for name in step.strings("candidate_tools", ())})
        tasks.append(
            Task(
                id=f"{workflow}#{place}",
                query=fields.take("query", str),
                tools=tuple(offered) or tuple(dict.fromkeys(step.name for step in reference)),
                reference=reference,
                calls=len(reference),
                chain_depth=chain_depth(reference),
                workflow=tuple(step.name for step in reference),
                suite="booking",
                split=split,
            )
        )
    return tasks


def _steps(sample: Json, path: str | Path, number: int) -> list[Fields]:
    return Fields(sample, str(path), None, f"[{number}].").objects("steps")


def _call(step: Fields) -> tuple[str, JsonObject]:
    """(tool, arguments with their values)."""
    truth = Fields(step.take("ground_truth", dict), step.path, None, f"{step.prefix}ground_truth.")
    arguments = truth.take("arguments", dict)
    return truth.take("function", str), {name: _value(given) for name, given in arguments.items()}


def _value(given: Json) -> Json:
    return given["actual_value"] if type(given) is dict and "actual_value" in given else given


def _result(step: Fields) -> tuple[Json] | None:
    """The recorded answer of a step, in a tuple; None where there is none. BFCL's executor wraps answers once or twice."""
    wrapped = step.values.get("execution_result")
    if type(wrapped) is not dict or "execution_result" not in wrapped or wrapped.get("success") is False:
        return None
    inner = wrapped["execution_result"]
    return (inner["execution_result"] if type(inner) is dict and "execution_result" in inner else inner,)


def _reference_step(steps: list[Fields], at: int) -> ReferenceStep:
    step = steps[at]
    parents = step.take("depends_on", list, [])
    for parent in parents:
        if type(parent) is not int or not 0 <= parent < at:
            raise step.error(f"expected indices of steps before step {at}, found {parent!r:.40}", "depends_on")
    name, arguments = _call(step)
    raw = step.values["ground_truth"]["arguments"]
    found = [_binding(argument, raw[argument], arguments[argument], parents, steps) for argument in arguments]
    bindings = tuple(binding for binding in found if binding is not None)
    return ReferenceStep(name, arguments, tuple(parents), bindings, _result(step) is not None)


def _binding(argument: str, raw: Json, value: Json, parents: list[int], steps: list[Fields]) -> Binding | None:
    """Where an argument came from: as the sample says, else the first place in a parent's result that has its value."""
    for parent in parents:
        result = _result(steps[parent])
        content = None if result is None else result[0]
        inner = content["data"] if type(content) is dict and "data" in content else content
        try:
            if type(raw) is dict and type(raw.get("from_field")) is str:
                paths = [parse_path(raw["from_field"])]
            else:
                paths = Searchable(inner).find(value)[:1]
            for path in paths:
                return Binding(argument, parent, path_text(path), same(find_bound(content, path), value))
        except PathError:
            continue
    return None
