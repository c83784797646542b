"""Each silent killer is said once, when it begins, and again only after it was gone."""

import pytest

from tpu_orch.runs.health import Health, examine

WELL = {
    "informative_groups": 0.5,
    "stops": {"answer": 9, "max_tokens": 1},
    "results": {"ok": 19, "miss": 1},
    "entropy": 0.4,
    "mismatch": 1e-5,
    "clip_share": 0.01,
    "grad_norm": 1.0,
}


def said(*rows: dict) -> list[list[str]]:
    health, lines = Health(), []
    for row in rows:
        health, new = examine(health, {**WELL, **row})
        lines.append(new)
    return lines


def test_a_healthy_run_is_silent() -> None:
    assert said(*[{}] * 9) == [[]] * 9
    assert examine(Health(), {"loss": 1.0, "phase": "warmup"})[1] == []


@pytest.mark.parametrize(
    ("ill", "words"),
    [
        ({"stops": {"answer": 4, "max_turns": 3, "context_full": 3}}, "60% of the rollouts end at a budget"),
        ({"entropy": 0.03}, "entropy fell to 0.030 nats a token from 0.400"),
        ({"mismatch": 0.02}, "disagree by 0.02 nats"),
        ({"clip_share": 0.4}, "the clip stops 40% of the tokens"),
        ({"grad_norm": 25.0}, "gradient norm 25 is far above its mean 1"),
    ],
)
def test_what_begins_to_ail_is_said_once(ill: dict, words: str) -> None:
    lines = said({}, {}, {}, ill, ill, {}, {}, {})
    assert [len(new) for new in lines] == [0, 0, 0, 1, 0, 0, 0, 0] and words in lines[3][0]
    assert "\n" not in lines[3][0]


def test_a_signal_must_be_missing_for_some_steps() -> None:
    none = {"informative_groups": 0.0}
    assert [len(new) for new in said(none, none, {}, none, none, none, none, {}, none, none, none)] == [
        *(0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1)
    ]


def test_steps_that_looked_at_no_rollout_say_nothing_of_tokens() -> None:
    silent = {"informative_groups": 0.0, "entropy": None, "mismatch": None, "clip_share": None, "grad_norm": 0.0}
    lines = said(silent, silent, {}, silent, silent, {}, {"entropy": 0.03})
    assert [len(new) for new in lines] == [0, 0, 0, 0, 0, 0, 1] and "fell to 0.030 nats a token from 0.400" in lines[6][
        0
    ]
    assert said({}, *[silent] * 2, *[{}, silent] * 40, {"grad_norm": 5.0})[-1] == []


def test_misses_that_were_there_from_the_start_are_no_rise() -> None:
    poor = {"results": {"ok": 5, "miss": 5}}
    assert said(poor, poor, poor) == [[], [], []]


def test_misses_have_risen_when_the_mean_of_some_steps_has() -> None:
    many = {"results": {"ok": 7, "miss": 3}}
    lines = said(*[{}] * 8, *[many] * 8, *[{}] * 8)
    assert [number for number, new in enumerate(lines) if new] == [11]
    assert "18% of the tool results are misses of the store (5% at first)" in lines[11][0]
    assert said(*[{}, many] * 20) == [[]] * 40, "a step now and then is no rise"
