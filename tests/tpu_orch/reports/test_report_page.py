"""The page as a file: whole, self-contained, safe whatever models and tools wrote, and honest about what is missing."""

import base64
import hashlib
import io
import json
import os
import re
import shutil
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from made_runs import make_run

from data_pipeline.errors import InputError
from tpu_orch.cli.main import entry, main
from tpu_orch.reports.page import report_html
from tpu_orch.reports.page.serve import version_of

HOSTILE = (
    "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">\u2028\u2029]]><!--"
)


class Page(HTMLParser):
    """What a reader of the markup sees."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, str] = {}
        self.text: list[str] = []
        self._script: str | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._script = dict(attrs).get("id") or tag

    def handle_endtag(self, tag: str) -> None:
        self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is not None:
            self.raw[self._script] = self.raw.get(self._script, "") + data
        else:
            self.text.append(data)

    @property
    def data(self) -> dict:
        return json.loads(self.raw["data"])

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def text(made_run: Path) -> str:
    return report_html([made_run])


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def spoil(run: Path) -> None:
    """Puts hostile text wherever a model or a tool may write."""
    tasks = [json.loads(line) for line in (run / "tasks.jsonl").read_text().splitlines()]
    for task in tasks:
        task["query"] = HOSTILE + task["query"]
    (run / "tasks.jsonl").write_text("".join(json.dumps(task) + "\n" for task in tasks))
    for path in (run / "rollouts").glob("*.jsonl"):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for row in rows:
            row["why"] = [HOSTILE]
            for message in row["messages"]:
                if message["role"] == "tool":
                    message["content"] = json.dumps({"text": HOSTILE})
            row["messages"][-1]["content"] = HOSTILE
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = json.loads((run / "config.json").read_text())
    config["preset"] = config["reward"] = HOSTILE
    (run / "config.json").write_text(json.dumps(config))


def test_the_page_needs_nothing_from_outside(page: Page, text: str) -> None:
    assert text.startswith("<!doctype html>") and len(text.encode()) < 5_000_000
    for tag, attributes in page.tags:
        for name in ("src", "href", "action", "poster", "data"):
            value = attributes.get(name)
            assert value is None or value.startswith("#"), (tag, name, value)
    assert not re.search(r"@import|url\((?!#)", page.raw["style"])
    assert "://" not in page.raw["script"].replace("http://www.w3.org/2000/svg", "")


def test_only_our_script_may_run(page: Page) -> None:
    policy = next(one["content"] for one in page.all("meta") if one.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(page.raw["script"].encode()).digest()).decode()
    assert policy is not None and f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy and "connect-src" not in policy
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert [one.get("type") for one in page.all("script")] == ["application/json", None]


def test_figures_have_words_and_numbers(page: Page) -> None:
    pictures = page.all("svg")
    assert len(pictures) == 16, "eight figures, each for wide and for narrow places"
    assert all(one.get("role") == "img" and len(one.get("aria-label") or "") > 20 for one in pictures)
    saves = [one for one in page.all("button") if one.get("class") == "save"]
    assert len(saves) == 8 and all(one.get("aria-label") for one in saves)
    for title in (
        "Accuracy by number of calls",
        "Reward and its components",
        "What the tools answered",
        "Throughput by phase",
    ):
        assert title in page.words
    assert len(page.all("table")) >= 8


def test_the_skeleton_is_accessible(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    targets = {one["href"][1:] for one in page.all("a") if one.get("href")}  # type: ignore[index]
    assert targets <= set(ids)
    named = {attributes["aria-labelledby"] for _, attributes in page.tags if attributes.get("aria-labelledby")}
    assert named <= set(ids)
    headings = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1 and headings.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))
    assert [one.get("lang") for one in page.all("html")] == ["en"]
    assert {"header", "nav", "main", "footer"} <= {tag for tag, _ in page.tags}


def test_the_browser_has_calls_beside_their_reference(page: Page) -> None:
    run = page.data["runs"][0]
    assert [group["key"] for group in run["groups"]] == [
        *("eval-before", "eval-after_sft"),
        *("step-000005", "step-000006", "step-000007"),
        "eval-after",
    ]
    right = wrong = 0
    for group in run["groups"]:
        for rollout in group["rollouts"]:
            task = run["tasks"][rollout["task"]]
            for call in rollout["calls"]:
                if call["fault"] == "right":
                    step = task["steps"][call["step"]]
                    assert call["result"] == step["result"] and call["name"] == step["name"]
                    right += 1
                else:
                    assert call["why"] or call["reward_why"]
                    wrong += 1
            tokens = rollout["tokens"]
            assert sum(tokens["stretches"]) == len(tokens["ids"])
            assert sum(tokens["stretches"][1::2]) == len(tokens["logprobs"]) > 0
            assert {str(one) for one in tokens["ids"]} <= run["vocabulary"].keys()
    assert right > 10 and wrong > 10


def test_the_resolved_configuration_stands_there(page: Page) -> None:
    assert "trainer.learning-rate" in page.words and "0.0005" in page.words and "engine.max-new-tokens" in page.words


def test_the_same_run_gives_the_same_bytes(made_run: Path, text: str) -> None:
    assert report_html([made_run]) == text


def test_hostile_text_stays_text(made_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "hostile"
    shutil.copytree(made_run, run)
    spoil(run)
    text = report_html([run])
    page = Page(text)
    assert "onerror" not in {name for _, attributes in page.tags for name in attributes}
    assert not page.all("img") and len(page.all("script")) == 2
    assert "\u2028" not in page.raw["data"] and "<" not in page.raw["data"]
    data = page.data["runs"][0]
    assert all(task["query"].startswith(HOSTILE) for task in data["tasks"].values())
    told = json.dumps(
        [call["result"] for group in data["groups"] for one in group["rollouts"] for call in one["calls"]]
    )
    assert json.dumps(json.dumps({"text": HOSTILE}, ensure_ascii=False))[1:-1] in json.dumps(json.loads(told))
    assert HOSTILE.split("\u2028")[0] in page.words.replace("&lt;", "<") or "taken" in page.words


def test_a_run_that_is_not_over_gives_what_is_there(made_run: Path, tmp_path: Path) -> None:
    """Cut off in the first steps of reinforcement learning, in the middle of a line."""
    run = tmp_path / "cut"
    shutil.copytree(made_run, run)
    (run / "summary.json").unlink()
    (run / "rollouts" / "eval-after.jsonl").unlink()
    rows = (made_run / "metrics.jsonl").read_bytes()
    (run / "metrics.jsonl").write_bytes(rows[: rows.rindex(b'{"step"') + 30])
    page = Page(report_html([run]))
    assert "not finished: step 6 of 7" in page.words
    whole = json.loads((made_run / "summary.json").read_text())["eval"]["after_sft"]["accuracy"]
    assert f"{whole:.1%}" in page.words, "accuracy is worked out from the rollouts that were kept"


def test_a_run_that_has_just_begun_says_what_is_missing(made_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "begun"
    run.mkdir()
    shutil.copy(made_run / "config.json", run)
    page = Page(report_html([run]))
    assert not page.all("svg")
    for words in (
        "not finished: step 0 of 7",
        "No evaluation is over yet.",
        "No step yet.",
        "metrics.jsonl is not there",
    ):
        assert words in page.words
    assert page.data["runs"][0]["groups"] == []


def test_older_runs_without_tasks_still_show_their_rollouts(made_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "older"
    shutil.copytree(made_run, run)
    for name in ("tasks.jsonl", "tools.json", "store.sqlite", "tokenizer.model"):
        (run / name).unlink()
    page = Page(report_html([run]))
    assert "tasks.jsonl is not there" in page.words
    calls = [call for group in page.data["runs"][0]["groups"] for one in group["rollouts"] for call in one["calls"]]
    assert calls and {call["fault"] for call in calls} <= {"unknown", "malformed"}


def test_a_broken_file_is_named_and_the_rest_is_shown(made_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "broken"
    shutil.copytree(made_run, run)
    (run / "rollouts" / "eval-before.jsonl").write_text('{"task_id": 7}\n')
    (run / "tokenizer.model").write_bytes(b"nothing")
    page = Page(report_html([run]))
    assert "eval-before.jsonl cannot be read" in page.words and "tokenizer.model cannot be read" in page.words
    assert "eval-before" not in [group["key"] for group in page.data["runs"][0]["groups"]]


def test_a_last_step_without_a_reward_says_none(made_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "nan"
    run.mkdir()
    shutil.copy(made_run / "config.json", run)
    rows = [{"step": step, "phase": "rl", "reward": value} for step, value in ((1, 0.25), (2, None))]
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert "reward, last step none 0.250 in the first" in Page(report_html([run])).words


def test_a_folder_whose_name_is_no_utf8(made_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [tmp_path / parent / os.fsdecode(b"caf\xe9") for parent in ("a", "b")]
    for run in runs:
        run.mkdir(parents=True)
        for name in ("config.json", "store.sqlite", "tools.json", "metrics.jsonl"):
            shutil.copy(made_run / name, run)
    (runs[0] / "tasks.jsonl").write_text("nonsense\n")
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setattr(sys, "argv", ["tpu-orch", "report", str(runs[0])])
    assert entry() == 0
    stdout.flush()
    assert b"caf\\udce9" in stdout.buffer.getvalue()
    page = Page((runs[0] / "report.html").read_text(encoding="utf-8"))
    assert "run caf\ufffd" in page.words and "caf\ufffd/tasks.jsonl" in page.words
    assert "a/caf\ufffd" in Page(report_html(runs)).words, "in legends too"
    assert version_of(runs) != version_of(runs[:1])


def test_two_runs_stand_side_by_side(made_run: Path, tmp_path: Path) -> None:
    other = make_run(tmp_path / "second", seed=1, depths=(1, 2), per_depth=1, steps=2, learning_rate=1e-3)
    page = Page(report_html([made_run, other]))
    assert "2 runs side by side" in page.words and "Compared" in page.words
    assert len(page.all("svg")) == 2 * 16 + 2 * 2
    assert [run["name"] for run in page.data["runs"]] == ["first", "second"]
    differing = [attributes for attributes in page.all("tr") if attributes.get("class") == "differs"]
    assert len(differing) == 4  # out, seed, trainer.steps, trainer.learning-rate
    ids = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))


def test_a_page_that_grows_too_large_shows_fewer_rollouts(made_run: Path, text: str) -> None:
    bound = len(text.encode()) * 3 // 4
    smaller = report_html([made_run], largest=bound)
    assert len(smaller.encode()) < len(text.encode())
    shown = Page(smaller).data["runs"][0]
    assert shown["shown"] < shown["kept"] and f"{shown['shown']} of the {shown['kept']} rollouts" in Page(smaller).words


def test_the_command(made_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "report.html"
    assert main(["report", str(made_run), "--out", str(out)]) == 0
    assert str(out) in capsys.readouterr().out and out.stat().st_size > 10_000
    assert main(["report", str(tmp_path / "nowhere")]) == 2
    assert main(["report", str(tmp_path)]) == 2
    assert main(["report", str(made_run), str(made_run)]) == 2
    assert main(["report", str(made_run), "--watch", "--out", str(out)]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_no_run_at_all_is_refused() -> None:
    with pytest.raises(InputError):
        report_html([])
