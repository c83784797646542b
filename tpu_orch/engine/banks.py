"""A lane whose rows share prompts: each is read once and lies there once, for a fixed number of rows beside each other.

A bank is those rows and their prompt. Only rollouts of its prompt enter a bank; it changes its prompt when all of its rows are
free. So a rollout's numbers depend on the size of a bank, which is an option, and never on who else is in it.
"""

from collections.abc import Sequence

import numpy as np

from tpu_orch.engine.lanes import Beginning, FeedShape, Lane, Read, same
from tpu_orch.engine.running import Running


class SharingLane(Lane):
    """The host's side of such a lane.

    Args:
      sharing: rows of a bank; divides `rows`.
      read_chunk: tokens of a prompt that are read in one call.
    """

    def __init__(self, rows: int, shapes: Sequence[FeedShape], sharing: int, read_chunk: int) -> None:
        super().__init__(rows, shapes)
        self.sharing, self.read_chunk = sharing, read_chunk
        self.prompts: list[np.ndarray | None] = [None] * (rows // sharing)
        self.read_until = np.zeros(rows // sharing, np.int32)
        self.unread: list[int] = []

    def row_for(self, prompt: np.ndarray) -> int | None:
        """A free row of the prompt's own bank, else the first of a bank that nobody is in."""
        for row in self.free:
            if same(self.prompts[row // self.sharing], prompt):
                return row
        taken = {row // self.sharing for row, _ in self.live}
        return next((bank * self.sharing for bank in range(len(self.prompts)) if bank not in taken), None)

    def admit(self, row: int, running: Running) -> None:
        super().admit(row, running)
        bank, prompt = row // self.sharing, running.pending
        if not same(self.prompts[bank], prompt):
            self.prompts[bank], self.read_until[bank] = prompt, 0
            self.unread.append(bank)

    def filled(self, row: int) -> int:
        return int(self.lengths[row] - self.read_until[row // self.sharing])

    def cache_tokens(self, capacity: int) -> int:
        return super().cache_tokens(capacity) + (len(self.prompts) * capacity if self.slots is not None else 0)

    def forget(self) -> None:
        super().forget()
        self.prompts, self.unread = [None] * len(self.prompts), []

    def _begin(self, begins: Sequence[int]) -> Beginning:
        """Unread prompts are read; new rows begin after theirs."""
        reads = [piece for bank in dict.fromkeys(self.unread) for piece in self._reads(bank)]
        self.unread = []
        fresh = np.zeros(len(self.rows), bool)
        for row in begins:
            running = self.rows[row]
            assert running is not None
            fresh[row], self.lengths[row] = True, running.pending.size
            running.take(running.pending.size)
        return Beginning(reads=tuple(reads), fresh=fresh if begins else None)

    def _reads(self, bank: int) -> Sequence[Read]:
        """Chunks of one bank's prompt."""
        prompt = self.prompts[bank]
        assert prompt is not None
        reads = []
        for start in range(0, prompt.size, self.read_chunk):
            piece = prompt[start : start + self.read_chunk]
            ids = np.zeros((1, self.read_chunk), np.int32)
            ids[0, : piece.size] = piece
            counts, place = np.array([piece.size], np.int32), np.array([bank], np.int32)
            reads.append(Read(self.read_until.copy(), ids, counts, place))
            self.read_until[bank] += piece.size
        return reads
