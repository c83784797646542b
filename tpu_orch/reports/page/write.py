"""`report_html`: run folders in, the page out. `write_report` puts it into a file."""

from collections.abc import Sequence
from pathlib import Path

from data_pipeline.errors import InputError
from data_pipeline.jsontext import without_surrogates
from tpu_orch.reports.page.charts import Facts, charts
from tpu_orch.reports.page.compared import comparison
from tpu_orch.reports.page.faults import count_faults
from tpu_orch.reports.page.gather import Record, gather
from tpu_orch.reports.page.html import RunPage, page
from tpu_orch.reports.page.overview import overview
from tpu_orch.reports.page.rollouts import browser_data
from tpu_orch.reports.page.sample import Limits
from tpu_orch.runs.files import write_whole

LARGEST = 5_000_000
"""Bytes of a page, for as long as fewer rollouts can make it smaller."""
FEWEST = Limits(1, 1, 1, 1)


def write_report(folders: Sequence[Path], out: Path) -> int:
    """Writes the report of one or more runs into one file; returns its bytes.

    Raises:
      InputError: a folder is no run.
    """
    content = report_html(folders).encode()
    write_whole(out, content)
    return len(content)


def report_html(folders: Sequence[Path], version: str | None = None, largest: int = LARGEST) -> str:
    """The page of one or more runs.

    Args:
      folders: of the runs.
      version: of their state, where the page is served and shall look for a newer one.
      largest: bytes; fewer rollouts are shown until the page has no more.
    Raises:
      InputError: a folder is no run, or no folder is given.
    """
    if not folders:
        raise InputError("give at least one run folder")
    records = named_apart([gather(folder) for folder in folders], folders)
    facts = [facts_of(record) for record in records]
    drawn = [charts(one, f"run{place}") for place, one in enumerate(facts)]
    compared = (
        comparison([(record.name, one) for record, one in zip(records, facts, strict=True)]) if len(records) > 1 else []
    )
    limits = Limits()
    while True:
        runs = [
            RunPage(overview(record), figures, record.config, record.notes, browser_data(record, limits))
            for record, figures in zip(records, drawn, strict=True)
        ]
        made = page(runs, compared, version)
        if len(made.encode()) <= largest or limits == FEWEST:
            return made
        limits = limits.less()


def named_apart(records: Sequence[Record], folders: Sequence[Path]) -> list[Record]:
    """The records; where two folders have the same name, each is called by its path."""
    names = [record.name for record in records]
    return [
        record._replace(name=without_surrogates(str(folder))) if names.count(record.name) > 1 else record
        for record, folder in zip(records, folders, strict=True)
    ]


def facts_of(record: Record) -> Facts:
    """What a run's figures are made of."""
    faults = {
        name: count_faults([one.rollout for one in kept], record.tasks, record.tools)
        for name, kept in record.kept.items()
        if name.startswith("eval-")
    }
    return Facts(record.config, record.metrics, record.summary, record.evaluations, faults)
