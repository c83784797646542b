"""The report of runs: one HTML file that opens offline, and the same page served while a run goes on.

gather (files) -> series, faults, rollouts (pure) -> charts (SVG) -> html; `write_report` is the whole of it.
"""

from tpu_orch.reports.page.write import report_html, write_report

__all__ = ["report_html", "write_report"]
