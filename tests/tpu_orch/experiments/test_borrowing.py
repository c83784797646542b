"""What another experiment has run is not run again, and nothing is taken over that depends on something else."""

import json
from pathlib import Path

import pytest

from data_pipeline.errors import InputError
from tpu_orch.cli.main import main
from tpu_orch.experiments.borrowing import borrowed, settings
from tpu_orch.experiments.designs.ablation import ablation
from tpu_orch.experiments.designs.catalogue import experiment_of
from tpu_orch.experiments.designs.credit import credit
from tpu_orch.experiments.designs.depth import depth
from tpu_orch.experiments.designs.drift import drift
from tpu_orch.experiments.frame import Experiment, with_changes
from tpu_orch.experiments.plan import Trial, start_config
from tpu_orch.experiments.results import RESULTS, write_results
from tpu_orch.experiments.tuning import TUNING, named_tuned, tunable, with_rates

PER_DEPTH = 600


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """OUT with a `depth` whose arms are all done for seeds 0 and 1."""
    mine = tmp_path / "depth"
    mine.mkdir()
    (mine / "config.json").write_text(json.dumps(settings(depth(), PER_DEPTH, tune=False)))
    names = [arm.name for arm in depth().arms]
    rows = [
        {"seed": seed, "arm": name, "tests": {}, "experiment": "depth", "machine": "M", "seconds": {"rl": 9.0}}
        for seed in (0, 1)
        for name in names
    ]
    write_results(mine / RESULTS, rows, names)
    return tmp_path


def taken(experiment: Experiment, out: Path, per_depth: int = PER_DEPTH, seed: int = 0) -> set[str]:
    """Arms of the experiment that need not be run."""
    trials = [Trial(seed, arm) for arm in experiment.arms]
    found = borrowed(experiment, [depth(), experiment], out / experiment.name, trials, per_depth)
    return {row["arm"] for row in found}


def test_equal_arms_are_taken_over(folder: Path) -> None:
    assert taken(ablation(), folder) == {"tier", "graduated", "binary", "format-answer", "start"}
    asked = [Trial(1, ablation().arm("format-answer"))]
    (row,) = borrowed(ablation(), [depth()], folder / "ablation", asked, PER_DEPTH)
    assert (row["seed"], row["experiment"], row["taken_from"]) == (1, "ablation", "depth")


def test_with_chosen_rates_the_arms_whose_rate_is_the_usual_one_are_taken_over(folder: Path) -> None:
    usual = depth().common.trainer.learning_rate
    chosen = {"tier": usual, "toolrl": 2 * usual, "sft": 2 * usual}  # no tries of sft: it makes no updates
    tried = [{"arm": name, "learning_rate": rate, "chosen": name != "sft"} for name, rate in chosen.items()]
    everything = {arm.name for arm in depth().arms}
    assert taken(named_tuned(with_rates(depth(), tried)), folder) == everything - {"toolrl"}


def test_a_dry_run_counts_what_is_still_to_be_run_with_chosen_rates(folder: Path, capsys) -> None:
    words = ["experiment", "depth", "--tune", "--seeds", "2", "--dry-run", "--out", str(folder)]
    arms = tunable(depth())
    assert main(words) == 0
    assert_all(capsys.readouterr().out, f"learning rates: {3 * len(arms)}", "run: 24 of 24", "depth-tuned")
    usual = depth().common.trainer.learning_rate
    rows = [{"arm": arm.name, "learning_rate": usual * (1 + (arm.name == "toolrl")), "chosen": True} for arm in arms]
    (folder / "depth-tuned").mkdir()
    (folder / "depth-tuned" / TUNING).write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(words) == 0
    assert_all(capsys.readouterr().out, "learning rates: 0", "run: 2 of 24")


def assert_all(said: str, *parts: str) -> None:
    for part in parts:
        assert part in said


def test_rows_name_their_experiment_with_chosen_rates_too() -> None:
    assert experiment_of("depth") == depth()
    assert experiment_of("depth-tuned") == named_tuned(depth())
    with pytest.raises(InputError, match="unknown experiment 'nothing'"):
        experiment_of("nothing-tuned")


def test_an_arm_that_trains_as_long_as_another_is_taken_over_with_that_other_alone(folder: Path) -> None:
    experiment, out = named_tuned(depth()), folder / "depth-tuned"
    asked = [Trial(0, depth().arm("sft"))]
    assert not borrowed(experiment, [depth()], out, asked, PER_DEPTH)  # tier may yet take other seconds here
    (own,) = borrowed(experiment, [depth()], out, [Trial(0, depth().arm("tier"))], PER_DEPTH)
    for seconds, count in ((9.0, 1), (9.5, 0)):
        out.mkdir(exist_ok=True)
        write_results(out / RESULTS, [{**own, "seconds": {"rl": seconds}}], ["tier"])
        assert len(borrowed(experiment, [depth()], out, asked, PER_DEPTH)) == count


def test_what_else_is_seen_of_an_arm_counts(folder: Path) -> None:
    more = ablation()._replace(look_at_start=credit().look_at_start)  # measures more of the start than `depth` does
    assert taken(more, folder) == {"tier", "graduated", "binary", "format-answer"}


def test_the_moment_of_take_off_is_read_anew(folder: Path) -> None:
    heights = {0: 0.0, 10: 0.6, 20: 1.0}
    curve = [{"updates": at, "sampled": 9 * at, "answer": dict.fromkeys("456", high)} for at, high in heights.items()]
    row = {"seed": 5, "arm": "tier", "tests": {}, "experiment": "depth", "curve": curve, "reached": {"updates": 8.0}}
    write_results(folder / "depth" / RESULTS, [row], ["tier"])
    later = ablation()._replace(threshold=0.8)
    (mine,) = borrowed(later, [depth()], folder / "ablation", [Trial(5, later.arm("tier"))], PER_DEPTH)
    assert mine["reached"]["updates"] == pytest.approx(15)  # .8, not depth's .5


@pytest.mark.parametrize(
    "case",
    [
        lambda folder: taken(drift(), folder),  # another world
        lambda folder: taken(ablation(), folder, per_depth=100),
        lambda folder: taken(ablation(), folder, seed=2),
        lambda folder: taken(ablation(), folder / "elsewhere"),
        lambda folder: taken(changed({"trainer.prompts": 47}), folder),
        lambda folder: taken(ablation()._replace(starts=later()), folder),
        lambda folder: taken(depth(), folder),  # its own rows are no others'
    ],
)
def test_nothing_else_is(folder: Path, case) -> None:
    assert case(folder) == set()


def test_rows_of_older_settings_are_left(folder: Path) -> None:
    stored = settings(depth(), PER_DEPTH, tune=False)
    stored["common"]["trainer"]["prompts"] = 47
    (folder / "depth" / "config.json").write_text(json.dumps(stored))
    assert taken(ablation(), folder) == set()


def changed(change: dict) -> Experiment:
    return ablation()._replace(common=with_changes(ablation().common, change))


def later() -> dict:
    return {name: with_changes(one, {"warmup.steps": 501}) for name, one in ablation().starts.items()}


def test_experiments_share_starts(tmp_path: Path) -> None:
    of_depth = start_config(depth(), tmp_path / "depth", 3, "start")
    assert start_config(ablation(), tmp_path / "ablation", 3, "start") == of_depth
    folders = {start_config(ablation(), tmp_path / "ablation", 3, name).out for name in ablation().starts}
    assert len(folders) == len(ablation().starts)
    assert start_config(depth(), tmp_path / "depth", 4, "start").out.parent == of_depth.out.parent
