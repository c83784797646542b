"""Processes that differ are told in what, by name and host."""

from tpu_orch.pod.agreement import code_version, disagreements, flat, library_versions, require_agreement


def test_leaves_by_their_names() -> None:
    assert flat({"a": {"b": 1, "c": [1, None]}, "d": "x"}) == {"a.b": "1", "a.c": "[1, null]", "d": "x"}


def test_each_difference_is_a_line_with_both_hosts() -> None:
    same = {"code": "ab", "configuration.seed": "0"}
    lines = disagreements([("h0", same), ("h1", same), ("h2", {"code": "cd", "configuration.seed": "0", "extra": "1"})])
    assert lines == [
        "code is ab in process 0 on h0 and cd in process 2 on h2",
        "extra is nothing in process 0 on h0 and 1 in process 2 on h2",
    ]
    assert disagreements([("h0", same), ("h1", dict(same))]) == []


def test_a_long_value_is_cut() -> None:
    (line,) = disagreements([("h0", {"a": "x" * 1000}), ("h1", {"a": "y" * 1000})])
    assert len(line) < 250


def test_alone_everyone_agrees() -> None:
    require_agreement({"anything": {"at": [1, 2]}})
    assert len(code_version()) == 16 and library_versions()["jax"] != "none"
