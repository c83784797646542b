"""Run by test_import_memory.py in a process of its own: how much of the host's memory reading a published folder takes.

Prints the bytes of the parameters, and of anonymous memory at its highest beyond what was there before.
"""

import re
import sys
import threading
from pathlib import Path

import jax

from models.hf.configs import read_config
from models.hf.load import load_params


def anonymous() -> int:
    """Bytes of this process that are no file's."""
    found = re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def watch(stop: threading.Event, seen: list[int]) -> None:
    while not stop.wait(0.002):
        seen.append(anonymous())


def main(folder: Path, warm: Path) -> None:
    config, _ = read_config(folder)
    load_params(warm, read_config(warm)[0])  # what JAX itself takes
    before, stop, seen = anonymous(), threading.Event(), [anonymous()]
    thread = threading.Thread(target=watch, args=(stop, seen))
    thread.start()
    params = jax.block_until_ready(load_params(folder, config))
    stop.set()
    thread.join()
    print(sum(leaf.nbytes for leaf in jax.tree.leaves(params)), max(seen) - before)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
