"""A backend that knows only some of what another does, as a store that was recorded along some calls and no others."""

import hashlib
from collections.abc import Iterable

from data_pipeline.backends.protocol import Backend, not_recorded
from data_pipeline.jsontext import write_json_sorted
from data_pipeline.words import JsonObject, ToolCall, ToolResult


class PartlyRecorded:
    """Answers a share of all calls, chosen by a digest of the call, and those that are always recorded; the others are misses.

    Args:
      whole: what answers.
      share: of the calls, 0 to 1.
      always: calls that are answered whatever the share, such as those of references.
    """

    def __init__(self, whole: Backend, share: float, always: Iterable[ToolCall] = ()) -> None:
        self.checked = whole.checked
        self._whole, self._share = whole, share
        self._always = {_digest(call) for call in always}

    def answer(self, call: ToolCall, context: JsonObject | None) -> ToolResult:
        digest = _digest(call)
        if digest in self._always or int.from_bytes(digest[:7], "big") < self._share * 2**56:
            return self._whole.answer(call, context)
        return not_recorded(call.name)


def _digest(call: ToolCall) -> bytes:
    return hashlib.blake2b(write_json_sorted([call.name, call.arguments]), digest_size=16).digest()
