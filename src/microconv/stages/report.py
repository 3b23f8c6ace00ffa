"""report: one page for those who call, one for those who must believe the model."""

from __future__ import annotations

from pathlib import Path

from microconv.report.write import Findings, write_pages
from microconv.settings import Settings
from microconv.stages.shell import run


def report(
    settings: Settings,
    *,
    prospects: Path,
    manifest: Path,
    evaluation: Path,
    plots: Path,
    model: Path,
    page: Path,
    model_page: Path,
) -> str:
    """Write the pages."""
    findings = Findings(prospects, manifest, evaluation, plots, model)
    said = write_pages(findings, page=page, model_page_at=model_page)
    return f"list {said['list_id']} in {page}, the model in {model_page}"


if __name__ == "__main__":
    run(report)
