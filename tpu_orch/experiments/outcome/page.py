"""The report of an experiment: one HTML file that opens offline, its tables as Markdown, and a picture of what came of it."""

from collections.abc import Sequence
from html import escape
from io import StringIO
from pathlib import Path

from rich.table import Table

from data_pipeline.words import JsonObject
from tpu_orch.experiments.frame import Experiment
from tpu_orch.experiments.outcome.figures import figures
from tpu_orch.experiments.outcome.forest import forests, picture
from tpu_orch.experiments.outcome.heat import heat_maps, heat_picture
from tpu_orch.experiments.outcome.observed import observed, over_updates, samples
from tpu_orch.experiments.outcome.tables import Titled, tables
from tpu_orch.experiments.tuning import read_tries
from tpu_orch.reports.page.html import asset, figure, table
from tpu_orch.reports.page.palette import themes
from tpu_orch.reports.terminal import terminal
from tpu_orch.runs.files import write_whole

TABLES, PAGE, PICTURE = "tables.md", "report.html", "summary.svg"


def write_outcome(experiment: Experiment, rows: Sequence[JsonObject], out: Path) -> str:
    """Writes them into the experiment's folder and returns the tables for a terminal."""
    found = [*tables(experiment, rows, read_tries(out)), *observed(experiment, rows)]
    write_whole(out / TABLES, "\n".join(map(as_markdown, found)).encode())
    write_whole(out / PAGE, html(experiment, rows, found).encode())
    if drawing := picture(experiment, rows) or heat_picture(experiment, rows):
        write_whole(out / PICTURE, drawing.encode())
    return "\n".join(map(as_text, found))


def as_markdown(one: Titled) -> str:
    """A table for pages of text."""
    head = one.numbers.head
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *one.numbers.rows]
    drawn = "".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |\n" for line in lines)
    return f"### {one.title}\n\n{drawn}\n{one.caption}\n"


def as_text(one: Titled) -> str:
    """A table for a terminal."""
    drawn = Table(title=one.title, title_justify="left", caption=one.caption, caption_justify="left")
    for place, name in enumerate(one.numbers.head):
        drawn.add_column(name, justify="right" if place else "left")
    for row in one.numbers.rows:
        drawn.add_row(*row)
    stream = StringIO()
    terminal(file=stream, width=150).print(drawn)
    return stream.getvalue()


def html(experiment: Experiment, rows: Sequence[JsonObject], found: Sequence[Titled]) -> str:
    """The page: what was to be decided, what came of it at a glance, tables, how it developed."""
    first, more = (
        "".join(map(figure, charts))
        for charts in (
            [*forests(experiment, rows), *heat_maps(experiment, rows), *over_updates(experiment, rows)],
            figures(experiment, rows),
        )
    )
    sections = "".join(
        f'<section><h2>{escape(one.title)}</h2><p class="lead">{escape(one.caption)}</p>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(one.title)}">{table(one.numbers)}</div></section>'
        for one in found
    )
    styles = (
        themes(":root")
        + asset("page.css")
        + ".save{display:none}.scroll{max-height:none}details+section{margin-top:1rem}"
        + "main{max-width:1200px;margin:0 auto;padding:1.2rem}"
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">"
        f"<title>{escape(experiment.name)}: tpu-orch experiment</title><style>{styles}</style></head><body><main>"
        f'<p class="eyebrow">experiment</p><h1>{escape(experiment.name)}</h1>'
        f"<p>{escape(_made_by(rows))}</p>"
        f"<details><summary>What is asked, and how it is decided</summary><pre>{escape(experiment.says)}</pre></details>"
        f'<section><div class="grid">{first}</div></section>{sections}'
        f'<section><h2>Figures</h2><div class="grid">{more}</div></section>{samples(experiment, rows)}</main></body></html>\n'
    )


def _made_by(rows: Sequence[JsonObject]) -> str:
    """Seeds, updates, machine and code of the rows."""

    def each(name: str) -> str:
        return ", ".join(dict.fromkeys(str(row[name]) for row in rows if row.get(name) not in (None, 0)))

    seeds = ", ".join(map(str, sorted({row["seed"] for row in rows})))
    return (
        f"{len(rows)} rows; seeds {seeds}; updates of an arm {each('updates')}; machine {each('machine')}; digest of the code "
        f"{each('code')}."
    )
