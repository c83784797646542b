"""The frame of experiments: what is run, what is kept of it, and that an interruption changes nothing. The trainer is a stand-in
that leaves a run folder of replayed rollouts; `test_experiment_run` has the real one.
"""

import json
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import tyro
from tiny_experiment import tiny

from data_pipeline.backends import PythonBackend
from data_pipeline.environment import Environment, replay
from data_pipeline.errors import InputError, WorkFailed
from data_pipeline.formats import write_tasks, write_tools
from data_pipeline.formats.rollouts import rollout_to_row
from data_pipeline.formats.rows import write_rows
from data_pipeline.sandbox import make_world
from data_pipeline.sandbox.routes import relations_with, route_tasks
from data_pipeline.words import Task
from tpu_orch.cli.experiment import Args, words_of
from tpu_orch.cli.main import main
from tpu_orch.config import RunConfig, to_json
from tpu_orch.experiments import running, sharing
from tpu_orch.experiments.designs.catalogue import EXPERIMENTS
from tpu_orch.experiments.frame import Arm, chosen, with_changes
from tpu_orch.experiments.outcome.page import write_outcome
from tpu_orch.experiments.results import RESULTS, TIMES, read_results
from tpu_orch.experiments.sharing import Work, share
from tpu_orch.experiments.side_by_side import side_by_side
from tpu_orch.runs.locks import claimed

WORLD = make_world(0, relations=relations_with(8))
ENVIRONMENT = Environment(WORLD.tools, PythonBackend(WORLD.functions))
TASKS = route_tasks(WORLD, "test", (1, 4), 4)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An experiment's folder; what experiments share lies beside it."""
    return tmp_path / "tiny"


class StandIn:
    """Leaves a finished run behind: under `tier` the first three of four tasks of each depth are solved, else the first two."""

    def __init__(self, die_at: int = 0, pause: float = 0.0) -> None:
        self.configs: list[RunConfig] = []
        self.die_at, self.pause = die_at, pause

    def __call__(self, config: RunConfig) -> dict:
        self.configs.append(config)
        if len(self.configs) == self.die_at:
            raise KeyboardInterrupt
        time.sleep(self.pause)
        folder = config.out
        (folder / "rollouts").mkdir(parents=True, exist_ok=True)
        (folder / "checkpoints").mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps(to_json(config)))
        write_tools(folder / "tools.json", WORLD.tools)
        write_tasks(folder / "tasks.jsonl", TASKS)
        solved = 3 if config.reward == "tier" else 2
        solved += config.trainer.learning_rate == 4e-3 and config.reward == "outcome"
        stages = ["before", "after"] if config.trainer.steps else ["before", *["after_sft"] * bool(config.warmup.steps)]
        for stage in stages:
            rows = [rollout_to_row(replayed(task, n % 4 < solved)) for n, task in enumerate(TASKS)]
            write_rows(folder / "rollouts" / f"eval-{stage}.jsonl", rows)
        sampled = {"sampled": 100 * config.trainer.group}
        row = {"step": config.trainer.steps, "phase": "rl", "tokens": sampled, "informative_groups": 0.5}
        (folder / "metrics.jsonl").write_text(json.dumps(row) + "\n" if config.trainer.steps else "")
        seconds = {"setup": 1.0, "sft": 8.0, "rl": 20.0 + len(self.configs), "eval": 1.0, "total": 30.0}
        summary = {"seconds": seconds, "eval": {}, "machine": "a stand-in"}
        (folder / "summary.json").write_text(json.dumps(summary))
        return summary


def replayed(task: Task, whole: bool):
    """The reference, or its first call alone."""
    return replay(task if whole else task._replace(reference=task.reference[:1], answer="nothing"), ENVIRONMENT)


def timeless(path: Path) -> list[dict]:
    return [{name: value for name, value in row.items() if name != TIMES} for row in read_results(path / RESULTS)]


def experiment():
    return tiny()._replace(arms=[*tiny().arms, Arm("sft", "as long", as_long_as="tier")])


def test_every_arm_of_every_seed_gets_a_row_and_nothing_is_run_twice(monkeypatch, out) -> None:
    stand_in = StandIn()
    monkeypatch.setattr(running, "train", stand_in)
    rows = running.run_experiment(experiment(), out, range(2), 4)
    assert [(row["seed"], row["arm"]) for row in rows] == [(s, a) for s in (0, 1) for a in ("tier", "outcome", "sft")]
    assert rows[0]["tests"]["test"]["4"]["answer"] == 0.75 and rows[1]["tests"]["test"]["4"]["answer"] == 0.5
    assert rows[0]["sampled"] == 200 and rows[0]["updates"] == 2
    runs = 2 * (1 + 3 * 2)  # a start, and each arm with its test
    assert len(stand_in.configs) == runs
    written = (out / RESULTS).read_bytes()
    assert running.run_experiment(experiment(), out, range(2), 4) == rows
    (out / RESULTS).unlink()
    running.run_experiment(experiment(), out, range(2), 4)
    assert len(stand_in.configs) == runs
    assert timeless(out) == [{k: v for k, v in json.loads(line).items() if k != TIMES} for line in written.splitlines()]


def test_arms_of_a_seed_share_start_and_seed_and_differ_in_what_they_say_alone(monkeypatch, out) -> None:
    stand_in = StandIn()
    monkeypatch.setattr(running, "train", stand_in)
    running.run_experiment(experiment(), out, range(1), 4)
    by_name = {config.out.name: config for config in stand_in.configs if config.out.name != "test"}
    tier, outcome, sft = (by_name[f"arm-{name}"] for name in ("tier", "outcome", "sft"))
    assert tier.weights == outcome.weights == sft.weights == stand_in.configs[0].out
    assert tier.weights.is_relative_to(out.parent / "starts")
    assert to_json(with_changes(outcome, {"reward": "tier", "out": tier.out})) == to_json(tier)
    assert sft.trainer.steps == 0 and sft.warmup.steps == round(22.0 / (8.0 / 2))  # tier was the second run: 22 s of it
    tests = [config for config in stand_in.configs if config.out.name == "test"]
    assert all(one.world.evaluated == "test" and one.eval.per_depth == 4 and not one.trainer.steps for one in tests)


@pytest.mark.parametrize("moment", [1, 3, 7])
def test_an_interruption_changes_no_row(monkeypatch, tmp_path, moment: int) -> None:
    whole, cut = tmp_path / "whole" / "tiny", tmp_path / "cut" / "tiny"
    monkeypatch.setattr(running, "train", StandIn())
    running.run_experiment(tiny(), whole, range(2), 4)
    monkeypatch.setattr(running, "train", StandIn(moment))
    with pytest.raises(KeyboardInterrupt):
        running.run_experiment(tiny(), cut, range(2), 4)
    second = StandIn()
    monkeypatch.setattr(running, "train", second)
    running.run_experiment(tiny(), cut, range(2), 4)
    assert len(second.configs) == 10 - (moment - 1)
    assert timeless(cut) == timeless(whole)


def test_two_at_once_share_the_work_and_leave_the_rows_of_one(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(running, "train", StandIn())
    running.run_experiment(experiment(), tmp_path / "one" / "tiny", range(3), 4, tune=True)
    monkeypatch.setattr(sharing, "PAUSE", 0.01)
    stand_in = StandIn(pause=0.02)
    monkeypatch.setattr(running, "train", stand_in)
    with ThreadPoolExecutor(2) as pool:
        found = [
            pool.submit(running.run_experiment, experiment(), tmp_path / "two" / "tiny", range(3), 4, True)
            for _ in range(2)
        ]
        rows = [each.result() for each in found]
    made = [config.out for config in stand_in.configs]
    assert len(made) == len(set(made)) and rows[0] == rows[1]
    assert [
        (row["seed"], row["arm"], row["learning_rate"], row["tests"]) for row in timeless(tmp_path / "two" / "tiny")
    ] == [(row["seed"], row["arm"], row["learning_rate"], row["tests"]) for row in timeless(tmp_path / "one" / "tiny")]


def test_what_somebody_else_holds_is_left_to_them(monkeypatch, tmp_path) -> None:
    done: list[str] = []
    monkeypatch.setattr(sharing, "PAUSE", 0.01)

    def work(name: str, needs: str = "") -> Work:
        return Work(
            tmp_path / f"{name}.lock",
            lambda: not needs or needs in done,
            lambda: name in done,
            lambda: done.append(name),
        )

    with ThreadPoolExecutor(1) as pool, claimed(tmp_path / "held.lock") as mine:
        assert mine
        shared = pool.submit(share, [work("held"), work("after", needs="held"), work("free")])
        while not done:
            time.sleep(0.005)
        assert done == ["free"]
        done.append("held")  # its holder has done it
        shared.result(timeout=30)
    assert done == ["free", "held", "after"]
    done.clear()
    share([work("waits", needs="first"), work("first"), work("later")])
    assert done == ["first", "waits", "later"]  # in their order as far as they can be: seed by seed


def test_several_processes_are_given_the_same_words_and_lines_say_whose_they_are(tmp_path, capfd) -> None:
    args = Args("depth", arms=("tier", "toolrl"), seeds=2, tune=True, dry_run=True, out=tmp_path)
    assert tyro.cli(Args, args=words_of(args)) == args
    assert side_by_side(["experiment", *words_of(args)], 1)
    with pytest.raises(WorkFailed, match="1 of 1 processes failed"):
        side_by_side(["experiment", "nobody"], 1)
    assert re.search("^1[|] .*nobody", capfd.readouterr().err, re.MULTILINE)
    with pytest.raises(InputError, match="--jobs 999999"):
        side_by_side(["experiment", "depth"], 999999)


def test_what_the_processes_of_an_experiment_left_undone_is_not_done_by_the_one_that_began_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tpu_orch.cli.experiment.side_by_side", lambda words, count: True)
    monkeypatch.setattr(running, "train", lambda config: pytest.fail("it trains"))
    assert main(["experiment", "depth", "--seeds", "1", "--jobs", "2", "--out", str(tmp_path)]) == 0
    assert "stopped; the same command goes on" in capsys.readouterr().err


def test_learning_rates_are_chosen_with_the_same_budget_on_a_seed_of_their_own(monkeypatch, out) -> None:
    stand_in = StandIn()
    monkeypatch.setattr(running, "train", stand_in)
    rows = running.run_experiment(experiment(), out, range(1), 4, tune=True)
    assert {row["arm"]: row["learning_rate"] for row in rows} == {
        "tier": 2e-3,
        "outcome": 4e-3,
        "sft": experiment().common.warmup.learning_rate,
    }
    tried = [config for config in stand_in.configs if "tuning" in str(config.out)]
    assert [one.trainer.learning_rate for one in tried] == [1e-3, 2e-3, 4e-3] * 2
    assert {one.seed for one in tried} == {1000} and {one.trainer.steps for one in tried} == {1}
    assert {one.world.evaluated for one in tried} == {"dev"}
    assert rows[1]["tests"]["test"]["4"]["answer"] == 0.75
    kept = [json.loads(line) for line in (out / "tuning.jsonl").read_text().splitlines()]
    assert [(row["arm"], row["learning_rate"]) for row in kept if row["chosen"]] == [("tier", 2e-3), ("outcome", 4e-3)]
    shown = write_outcome(experiment(), rows, out)
    table = shown[shown.index("Learning rates") :]
    assert all(f"{row['deep']:.3f}" in table for row in kept) and "0.004" in table
    shutil.rmtree(out / "tuning")
    made = len(stand_in.configs)
    assert running.run_experiment(experiment(), out, range(1), 4, tune=True) == rows  # from what was kept
    assert len(stand_in.configs) == made
    (out / "tuning.jsonl").write_text("{")
    with pytest.raises(InputError, match=r"tuning.jsonl: not JSON"):
        write_outcome(experiment(), rows, out)


def test_seeds_and_arms_may_be_added_but_not_other_settings(monkeypatch, out, capsys) -> None:
    monkeypatch.setattr(running, "train", StandIn())
    running.run_experiment(chosen(tiny(), ["outcome"], None), out, range(1), 4)
    rows = running.run_experiment(tiny(), out, range(2), 4)
    assert [(row["seed"], row["arm"]) for row in rows] == [(s, a) for s in (0, 1) for a in ("tier", "outcome")]
    far = re.findall(r"; (\d of \d done.*)", capsys.readouterr().err)
    left = ", about 1 min left"
    assert far == ["1 of 1 done", f"2 of 4 done{left}", f"3 of 4 done{left}", "4 of 4 done"]
    with pytest.raises(InputError, match=r"common.trainer.steps was 2 and is 1"):
        running.run_experiment(chosen(tiny(), [], 1), out, range(1), 4)


def test_rows_alone_are_gone_on_from(monkeypatch, out) -> None:
    """As when a folder comes from elsewhere, without its runs."""
    monkeypatch.setattr(running, "train", StandIn())
    rows = running.run_experiment(experiment(), out, range(1), 4)
    shutil.rmtree(out / "seed-0")
    second = StandIn()
    monkeypatch.setattr(running, "train", second)
    assert running.run_experiment(experiment(), out, range(2), 4)[: len(rows)] == rows
    assert {config.seed for config in second.configs} == {1}


def test_a_folder_of_an_older_version_is_gone_on_with(monkeypatch, out) -> None:
    monkeypatch.setattr(running, "train", StandIn())
    rows = running.run_experiment(experiment(), out, range(1), 4)
    path = out / "config.json"
    whole = json.loads(path.read_text())
    assert whole["common"]["world"].pop("form") == "turns"
    path.write_text(json.dumps(whole))
    assert running.run_experiment(experiment(), out, range(1), 4) == rows


def test_a_stop_is_no_failure_and_a_broken_row_is_named(monkeypatch, out) -> None:
    monkeypatch.setattr(running, "train", lambda config: None)
    assert running.run_experiment(tiny(), out, range(1), 4) is None
    (out / RESULTS).write_text('{"seed": 0}\n')
    with pytest.raises(InputError, match=r"results.jsonl:1"):
        running.run_experiment(tiny(), out, range(1), 4)


def test_the_report_says_what_came_of_it_and_loads_nothing(monkeypatch, out) -> None:
    monkeypatch.setattr(running, "train", StandIn())
    rows = running.run_experiment(tiny(), out, range(2), 4)
    text = write_outcome(tiny(), rows, out)
    assert "tier - outcome" in text and "not decided: 2 of 5 seeds" in text and "0.250 (0.250 to 0.250)" in text
    assert "| tier - outcome | 2 | 0.250 (0.250 to 0.250) |" in (out / "tables.md").read_text()
    page = (out / "report.html").read_text()
    assert "machine a stand-in" in page
    assert "<svg" in page and "src=" not in page and "default-src 'none'" in page and len(page) < 2_000_000


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_dry_run_lists_arms_seeds_and_time(name, capsys, tmp_path) -> None:
    assert main(["experiment", name, "--seeds", "2", "--dry-run", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    found = EXPERIMENTS[name]()
    assert all(f"  {arm.name}" in said for arm in found.arms) and "seeds: 0, 1" in said and "Decision rule" in said
    assert f"still to be run: {2 * len(found.arms)} of {2 * len(found.arms)}" in said and " minutes in all" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_arm_is_a_configuration_whose_contrasts_exist(name) -> None:
    found = EXPERIMENTS[name]()
    names = [arm.name for arm in found.arms]
    assert len(set(names)) == len(names)
    assert all({one.first, one.second} <= set(names) for one in found.contrasts)
    for arm in found.arms:
        with_changes(found.common, arm.change)
        assert arm.start in found.starts
        assert not arm.as_long_as or names.index(arm.as_long_as) < names.index(arm.name)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nothing"], "unknown experiment"),
        (["depth", "--arms", "nobody"], "no arm 'nobody'"),
        (["depth", "--arms", "sft"], "as long as arm tier"),
        (["depth", "--seeds", "0"], "at least 1"),
        (["depth", "--steps", "0"], "at least 1"),
    ],
)
def test_wrong_usage_is_said_in_a_line(words, says, capsys, tmp_path) -> None:
    assert main(["experiment", *words, "--out", str(tmp_path)]) == 2
    assert says in capsys.readouterr().err
