"""The page: its parts put together.

Every text from outside is escaped here; rollouts travel as JSON, and the script puts them into the page as text.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import NamedTuple

from data_pipeline.words import Json, JsonObject
from tpu_orch.reports.page.drawing import Chart, Numbers
from tpu_orch.reports.page.overview import Overview, flat
from tpu_orch.reports.page.palette import themes
from tpu_orch.reports.page.sample import spread

ROWS = 1000
"""Of a table, at most."""
ASSETS = files("tpu_orch.reports.page") / "assets"
SCRIPTS = ("dom.js", "export.js", "graph.js", "tokens.js", "calls.js", "browser.js", "watch.js")
GROUPS = (
    ("learning", "Learning", ("accuracy", "reward", "depths", "loss")),
    ("tools", "Tools", ("results", "faults")),
    ("time", "Time", ("speed", "seconds")),
)


class RunPage(NamedTuple):
    """One run, ready for the page."""

    overview: Overview
    charts: Sequence[Chart]
    config: JsonObject
    notes: Sequence[str]
    rollouts: JsonObject
    """`rollouts.browser_data`."""


def page(runs: Sequence[RunPage], compared: Sequence[Chart], version: str | None = None) -> str:
    """The whole file.

    Args:
      runs: at least one; two or more stand side by side.
      compared: figures with all runs on the same axes.
      version: of the state of the runs, where the page is served and shall look for a newer one.
    """
    script = "(() => {\n'use strict';\n" + "\n".join(asset(name) for name in SCRIPTS) + "\n})();"
    parts = {
        "policy": escape(_policy(script, served=version is not None)),
        "title": escape(" and ".join(run.overview.title for run in runs) + ": tpu-orch report"),
        "styles": themes(":root") + asset("page.css") + asset("browser.css"),
        "watch": "" if version is None else f' data-version="{escape(version)}"',
        "header": _header(runs),
        "sections": _sections(compared),
        "main": _main(runs, compared),
        "sampling": escape(_sampling(runs)),
        "configuration": _configuration(runs),
        "footer": "Made by <code>tpu-orch report</code>. The file needs no network and sends nothing anywhere.",
        "data": script_json({"runs": [run.rollouts for run in runs]}),
        "script": script,
    }
    # one pass, so that what is put in is never looked at again
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], asset("page.html"))


def asset(name: str) -> str:
    """A file of the package."""
    return (ASSETS / name).read_text(encoding="utf-8")


def script_json(value: Json) -> str:
    """JSON that can stand in a script element: no character of it ends the element or the line."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _policy(script: str, *, served: bool) -> str:
    """Nothing is loaded from anywhere, and no script runs but ours."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    sources = {
        "default-src": "'none'",
        "script-src": f"'sha256-{digest}'",
        "style-src": "'unsafe-inline'",
        "img-src": "data: blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
        **({"connect-src": "'self'"} if served else {}),
    }
    return "; ".join(f"{name} {value}" for name, value in sources.items())


def _header(runs: Sequence[RunPage]) -> str:
    if len(runs) == 1:
        return _head(runs[0], "h1")
    return (
        f'<h1>{len(runs)} runs side by side</h1><div class="runs">'
        + "".join(f'<section class="card">{_head(run, "h2")}</section>' for run in runs)
        + "</div>"
    )


def _head(run: RunPage, heading: str) -> str:
    seen = run.overview
    kind, mark = ("done", "✓") if seen.finished else ("open", "…")
    badge = f'<span class="badge {kind}">{mark} {escape(seen.state)}</span>'
    tiles = "".join(
        f'<div class="tile{" first" if place == 0 else ""}"><dt>{escape(tile.name)}</dt>'
        f"<dd>{escape(tile.value)}<small>{escape(tile.detail)}</small></dd></div>"
        for place, tile in enumerate(seen.tiles)
    )
    return (
        f'<p class="eyebrow">{escape(seen.subtitle)}</p><{heading}>{escape(seen.title)} {badge}</{heading}>'
        + (f'<dl class="tiles">{tiles}</dl>' if tiles else "")
        + _listed("worth", "Worth a look", seen.warnings)
        + _listed("note", "What is not here", run.notes)
    )


def _listed(kind: str, title: str, lines: Sequence[str]) -> str:
    if not lines:
        return ""
    return (
        f'<div class="{kind}"><strong>{title}</strong><ul>'
        + "".join(f"<li>{escape(line)}</li>" for line in lines)
        + "</ul></div>"
    )


def _sections(compared: Sequence[Chart]) -> str:
    named = [("compared", "Compared")] if compared else []
    named += [(key, title) for key, title, _ in GROUPS]
    named += [("rollouts", "Rollouts"), ("configuration", "Configuration")]
    return "".join(f'<li><a href="#{key}">{title}</a></li>' for key, title in named)


def _main(runs: Sequence[RunPage], compared: Sequence[Chart]) -> str:
    made = []
    if compared:
        cards = "".join(figure(chart) for chart in compared)
        made.append(_section("compared", "Compared", f'<div class="grid">{cards}</div>'))
    for key, title, names in GROUPS:
        inside = _side_by_side(runs, names) if len(runs) > 1 else _grid(runs[0], names)
        made.append(_section(key, title, inside))
    return "".join(made)


def _section(key: str, title: str, inside: str) -> str:
    return f'<section id="{key}" aria-labelledby="{key}-title"><h2 id="{key}-title">{title}</h2>{inside}</section>'


def _grid(run: RunPage, names: Sequence[str]) -> str:
    cards = [figure(chart) for chart in run.charts if _kind(chart) in names]
    return f'<div class="grid">{"".join(cards)}</div>'


def _side_by_side(runs: Sequence[RunPage], names: Sequence[str]) -> str:
    """A row for each figure, a column for each run."""
    made = []
    for name in names:
        found = [(run, chart) for run in runs for chart in run.charts if _kind(chart) == name]
        cards = "".join(figure(chart, run.rollouts["name"]) for run, chart in found)
        made.append(f'<h3 class="across">{escape(found[0][1].title)}</h3><div class="runs">{cards}</div>')
    return "".join(made)


def _kind(chart: Chart) -> str:
    return chart.key.rpartition("-")[2]


def figure(chart: Chart, run: str | None = None) -> str:
    """A card with the figure, its caption and its numbers; `run` names it where several stand side by side."""
    heading = escape(run if run is not None else chart.title)
    saved = escape(f"{chart.title}, {run}" if run is not None else chart.title)
    head = f'<figure class="card"><div class="head"><h3>{heading}</h3>'
    if not chart.wide:
        return f'{head}</div><p class="empty">{escape(chart.caption)}</p></figure>'
    key = escape(chart.key)
    return (
        f'{head}<button type="button" class="save" data-name="{key}" data-title="{saved}" aria-label="Save {saved} as PNG">'
        f'Save as PNG</button></div><div class="wide">{chart.wide}</div><div class="narrow">{chart.narrow}</div>'
        f"<figcaption>{escape(chart.caption)}</figcaption><details><summary>The numbers</summary>"
        f'<div class="scroll" tabindex="0" role="region" aria-label="Numbers of {saved}">{table(chart.numbers)}</div>'
        "</details></figure>"
    )


def table(numbers: Numbers) -> str:
    """At most `ROWS` of its rows, spread evenly, and says so."""
    every, shown = len(numbers.rows), spread(numbers.rows, ROWS)
    told = f" ({len(shown):,} of {every:,} rows)" if len(shown) < every else ""
    names = [f"{name}{told if place == 0 else ''}" for place, name in enumerate(numbers.head)]
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    rows = "".join(
        "<tr>"
        + f'<th scope="row">{escape(first)}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in shown
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _sampling(runs: Sequence[RunPage]) -> str:
    shown = sum(run.rollouts["shown"] for run in runs)
    kept = sum(run.rollouts["kept"] for run in runs)
    if shown == kept:
        return f"All {kept} rollouts that were kept." if kept else ""
    return (
        f"{shown} of the {kept} rollouts that were kept, so that the page stays light: of each evaluation the first tasks of "
        "each depth (the same at every stage), of reinforcement learning steps spread evenly. The choice does not look at how "
        "well they went; the others are in the run's folder."
    )


def _configuration(runs: Sequence[RunPage]) -> str:
    """Every resolved field, by section; where several runs differ, the row says so."""
    fields = [flat(run.config) for run in runs]
    sections: dict[str, list[str]] = {}
    for name in dict.fromkeys(name for one in fields for name in one):
        head, _, rest = name.rpartition(".")
        sections.setdefault(head, []).append(rest)
    tables = "".join(_config_table(section, names, fields, runs) for section, names in sections.items())
    lead = '<p class="lead">As the run resolved it; each field can be set on the command line by its path.</p>'
    return _section("configuration", "Configuration", lead + f'<div class="configuration">{tables}</div>')


def _config_table(
    section: str, names: Sequence[str], fields: Sequence[Mapping[str, str]], runs: Sequence[RunPage]
) -> str:
    rows = []
    for name in names:
        path = f"{section}.{name}" if section else name
        values = [one.get(path, "") for one in fields]
        differs = ' class="differs"' if len(set(values)) > 1 else ""
        cells = "".join(f'<td class="mono">{escape(value)}</td>' for value in values)
        rows.append(f'<tr{differs}><th scope="row">{escape(path)}</th>{cells}</tr>')
    head = ""
    if len(runs) > 1:
        columns = "".join(f'<th scope="col">{escape(run.rollouts["name"])}</th>' for run in runs)
        head = f'<thead><tr><th scope="col">field</th>{columns}</tr></thead>'
    return f"<table><caption>{escape(section or 'run')}</caption>{head}<tbody>{''.join(rows)}</tbody></table>"
