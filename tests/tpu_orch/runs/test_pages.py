"""A program begins again with large pages exactly where it can get them and nobody has said otherwise."""

import pytest

from tpu_orch.runs.pages import tunables

MADVISE, GLIBC = "always [madvise] never", "glibc 2.36"
ON = "glibc.malloc.hugetlb=1"


def test_what_else_was_set_stays() -> None:
    assert tunables({}, GLIBC, MADVISE) == ON
    assert tunables({"GLIBC_TUNABLES": "glibc.malloc.check=1"}, GLIBC, MADVISE) == f"glibc.malloc.check=1:{ON}"


@pytest.mark.parametrize(
    ("told", "libc", "enabled"),
    [
        (ON, GLIBC, MADVISE),  # it has begun again
        ("glibc.malloc.hugetlb=0", GLIBC, MADVISE),
        ("", "glibc 2.34", MADVISE),
        ("", "", MADVISE),  # musl, macOS
        ("", GLIBC, "[always] madvise never"),
        ("", GLIBC, "always madvise [never]"),
        ("", GLIBC, ""),
    ],
)
def test_others_begin_once(told: str, libc: str, enabled: str) -> None:
    assert tunables({"GLIBC_TUNABLES": told}, libc, enabled) is None
