"""Alias records, for released tasks whose bindings disagree with their own records.

A reference passes 39.8502 where the result that it was taken from says 39.8502006530762, and only the first is
recorded. A policy that copies what it read is right, so the same response is recorded under the copied value too.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import product

from data_pipeline.formats.responses import Recorded
from data_pipeline.paths import PathError, find_bound, parse_path
from data_pipeline.store.keys import record_key
from data_pipeline.store.memory import MemoryStore
from data_pipeline.store.rules import Conflicts
from data_pipeline.words.calls import ToolCall
from data_pipeline.words.json import Json, JsonObject
from data_pipeline.words.tasks import ReferenceStep, Task
from data_pipeline.words.tools import Tool

MOST = 6
"""Disagreeing arguments of one call up to which every mixture of written and copied values gets an alias."""


def alias_records(
    tasks: Iterable[Task], records: Iterable[Recorded], tools: Mapping[str, Tool], conflicts: Conflicts = "first"
) -> list[Recorded]:
    """The records to add to `records`; never one for a call that is recorded already. In the order of the tasks.

    conflicts: which of two records of one call counts. Of two tasks that would give one call different aliases, the first
    wins. Raises `StoreError` for conflicting records under "refuse".
    """
    store = MemoryStore(records, tools, conflicts)
    aliases: dict[bytes, Recorded] = {}
    for task in tasks:
        for step in task.reference:
            for alias in _aliases(task, step, store):
                known = store.get(ToolCall(alias.name, alias.arguments), task.context)
                if known is None:
                    key = record_key(alias.name, alias.arguments, alias.context, tools.get(alias.name))
                    aliases.setdefault(key, alias)
    return list(aliases.values())


def _aliases(task: Task, step: ReferenceStep, store: MemoryStore) -> Iterator[Recorded]:
    """One step's record under every mixture of the values as written and as its parents' results have them."""
    record = store.get(ToolCall(step.name, step.arguments), task.context)
    copied = _copied_values(task, step, store)
    if record is None or not copied:
        return
    mixtures = product((False, True), repeat=len(copied)) if len(copied) <= MOST else [(True,) * len(copied)]
    for chosen in mixtures:
        replaced = {name: value for take, (name, value) in zip(chosen, copied.items(), strict=True) if take}
        if replaced:
            source = f"alias of {record.source}" if record.source else "alias"
            yield record._replace(arguments={**step.arguments, **replaced}, source=source)


def _copied_values(task: Task, step: ReferenceStep, store: MemoryStore) -> JsonObject:
    """For each argument with an inexact binding, what its parent's recorded result says at the bound path."""
    found: dict[str, Json] = {}
    for binding in step.bindings:
        parent = task.reference[binding.step]
        record = None if binding.exact else store.get(ToolCall(parent.name, parent.arguments), task.context)
        if record is None or binding.argument not in step.arguments:
            continue
        try:
            found[binding.argument] = find_bound(record.content, parse_path(binding.path))
        except PathError:
            continue
    return found
