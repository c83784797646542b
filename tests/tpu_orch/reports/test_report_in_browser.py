"""The page in a real browser: every part works by mouse and keyboard, at both widths, in both themes, without a complaint."""

import json
import shutil
import struct
import threading
import time
from pathlib import Path

import pytest
from conftest import Chromium
from test_report_page import spoil

from tpu_orch.reports.page import write_report
from tpu_orch.reports.page.serve import make_server


@pytest.fixture(scope="module")
def address(made_run: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("page") / "report.html"
    write_report([made_run], out)
    return out.as_uri()


def pick(chromium: Chromium, name: str, value: str) -> None:
    chromium.run(
        f"(() => {{ const one = document.getElementById('pick-{name}'); one.value = {json.dumps(value)};"
        " one.dispatchEvent(new Event('change')); })()"
    )


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_overflows_and_nothing_complains(chromium: Chromium, address: str, width: int, dark: bool) -> None:
    chromium.open(address, width, dark=dark)
    for group in range(6):
        pick(chromium, "group", str(group))
        assert chromium.run("document.documentElement.scrollWidth") <= width
    assert chromium.complaints == [] and chromium.requests == [address]
    shown = chromium.run(
        "[...document.querySelectorAll('.card > .wide, .card > .narrow')].filter(e => e.clientWidth).length"
    )
    assert shown == 8, "of each figure the drawing for this width, and only that"
    ground = chromium.run("getComputedStyle(document.body).backgroundColor")
    assert (sum(int(part) for part in ground[4:-1].split(",")) < 150) == dark
    assert chromium.picture().startswith(b"\x89PNG")


def test_a_rollout_is_shown_beside_its_reference(chromium: Chromium, address: str) -> None:
    chromium.open(address)
    data = json.loads(chromium.run("document.getElementById('data').textContent"))["runs"][0]
    for place, group in enumerate(data["groups"]):
        pick(chromium, "group", str(place))
        for task in {one["task"] for one in group["rollouts"]}:
            pick(chromium, "task", task)
            members = [one for one in group["rollouts"] if one["task"] == task]
            steps = data["tasks"][task]["steps"]
            assert chromium.run("document.querySelector('.query').textContent") == data["tasks"][task]["query"]
            assert chromium.run("document.querySelectorAll('#graph rect').length") == len(steps)
            assert chromium.run("document.querySelectorAll('#calls .side[data-fault]').length") == len(
                members[0]["calls"]
            )
            faults = chromium.run(
                "[...document.querySelectorAll('#calls .side[data-fault]')].map(e => e.dataset.fault)"
            )
            assert faults == [call["fault"] for call in members[0]["calls"]]
            shown = chromium.run("[...document.querySelectorAll('#calls .side.reference[id]')].map(e => e.id).sort()")
            assert shown == [f"step-{n}" for n in range(len(steps))], "every step of the reference stands there once"
            sampled = chromium.run("document.querySelectorAll('#tokens span.s:not(.tag)').length")
            assert sampled == len(members[0]["tokens"]["logprobs"])
    assert chromium.complaints == []


def test_the_choice_survives_a_reload(chromium: Chromium, address: str) -> None:
    chromium.open(address)
    pick(chromium, "group", "2")
    chosen = chromium.run("document.getElementById('rollout').textContent")
    where = chromium.run("location.href")
    chromium.open("about:blank")
    chromium.open(where)
    assert chromium.run("document.getElementById('pick-group').value") == "2"
    assert chromium.run("document.getElementById('rollout').textContent") == chosen
    chromium.open(f"{address}#rollout=%7B%22run%22:%22__proto__%22,%22group%22:-3%7D")
    assert chromium.run("document.querySelector('.query') !== null") and chromium.complaints == []


def test_by_keyboard(chromium: Chromium, address: str) -> None:
    """The skip link comes first; pages turn, a graph's node leads to its step, tokens are walked, with keys alone."""
    chromium.open(address)
    chromium.press("Tab")
    assert chromium.run("document.activeElement.className") == "skip"
    chromium.press("Enter", "\r")
    assert chromium.run("document.activeElement.id") == "content"
    pick(chromium, "group", "0")
    before = chromium.run("document.getElementById('says').textContent")
    chromium.run("document.getElementById('pick-rollout').closest('form').querySelector('#later').focus()")
    chromium.press("Enter", "\r")
    assert chromium.run("document.getElementById('says').textContent") != before
    pick(chromium, "group", "5")
    chromium.run("document.querySelector('#graph a').focus()")
    chromium.press("Enter", "\r")
    assert chromium.run("document.activeElement.id") == "step-0"
    chromium.run("document.querySelector('.tokens').focus()")
    for key in ("ArrowRight", "ArrowRight", "End"):
        chromium.press(key)
    told = chromium.run("document.querySelector('.tokens + output').textContent")
    assert "sampled, log-prob -" in told
    assert chromium.run("document.querySelectorAll('.tokens .now').length") == 1
    seen = chromium.run(
        "[...document.querySelectorAll('a[href],button,select,summary,[tabindex=\"0\"]')].filter(e => e.getClientRects().length)"
        ".every(e => (e.textContent.trim() || e.getAttribute('aria-label') || e.closest('label')?.textContent || '').length)"
    )
    assert seen, "everything that takes the focus has a name"


def test_figures_are_saved_as_png(chromium: Chromium, address: str, tmp_path: Path) -> None:
    chromium.open(address)
    chromium.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    names = chromium.run("[...document.querySelectorAll('button.save')].map(one => one.dataset.name)")
    assert len(names) == 9 and len(set(names)) == 9, "eight figures and the graph"
    for place in range(len(names)):
        chromium.run(f"document.querySelectorAll('button.save')[{place}].click()")
        found = awaited(tmp_path / f"{names[place]}.png")
        width, height = struct.unpack(">II", found[16:24])
        assert found.startswith(b"\x89PNG") and width >= 300 and height >= 100
        assert len(found) > 2500, "an empty picture would be smaller"
    assert chromium.complaints == []


def awaited(path: Path) -> bytes:
    """A file that the browser is about to write."""
    for _ in range(600):
        if path.exists() and path.read_bytes().endswith(b"IEND\xaeB`\x82"):
            return path.read_bytes()
        time.sleep(0.05)
    raise AssertionError(f"{path.name} was not written")


def test_hostile_text_does_nothing(chromium: Chromium, made_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(made_run, run)
    spoil(run)
    write_report([run], tmp_path / "report.html")
    chromium.open((tmp_path / "report.html").as_uri())
    for group in range(6):
        pick(chromium, "group", str(group))
    assert chromium.run("document.title").endswith("tpu-orch report")
    assert chromium.run("document.querySelectorAll('img').length") == 0
    assert "<img src=x onerror" in chromium.run("document.querySelector('.query').textContent")
    assert chromium.complaints == []


def test_a_watched_run_shows_what_is_new(chromium: Chromium, made_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(made_run, run)
    (run / "summary.json").unlink()
    rows = (run / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    (run / "metrics.jsonl").write_bytes(b"".join(rows[:5]))
    with make_server([run], 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            chromium.open(f"http://127.0.0.1:{server.server_port}/")
            assert "step 5 of 7" in chromium.run("document.querySelector('.badge').textContent")
            (run / "metrics.jsonl").write_bytes(b"".join(rows[:6]))
            chromium.events.clear()
            chromium.wait("Page.loadEventFired")
            assert "step 6 of 7" in chromium.run("document.querySelector('.badge').textContent")
        finally:
            chromium.open("about:blank")
            server.shutdown()
            thread.join()
