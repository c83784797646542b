"""What happens when two records answer the same call differently."""

from typing import Literal, TypeAlias

from data_pipeline.formats.responses import Recorded
from data_pipeline.jsontext import write_json
from data_pipeline.schemas.normal import same
from data_pipeline.store.protocol import StoreError

Conflicts: TypeAlias = Literal["refuse", "first", "last"]


def agree(a: Recorded, b: Recorded) -> bool:
    """Whether two records of one call say the same: the same content, type by type, and the same status."""
    return a.ok == b.ok and same(a.content, b.content)


def settle(first: Recorded, second: Recorded, rule: Conflicts) -> Recorded:
    """The record that stays, of two for the same call; the first where they agree. Raises `StoreError`."""
    if agree(first, second) or rule == "first":
        return first
    if rule == "last":
        return second
    arguments = write_json(second.arguments).decode("utf-8")
    raise StoreError(
        f"two records of {second.name} with arguments {arguments:.200} answer differently "
        f"({first.source or 'an earlier record'} and {second.source or 'a later one'}); "
        "choose --conflicts first or last, or mend the records"
    )
