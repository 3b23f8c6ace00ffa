"""report: pages for those who call, who must believe the model, who shape the journey."""

from __future__ import annotations

from pathlib import Path

from microconv.report.write import Findings, write_journey_page, write_pages
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
    journey: Path,
    page: Path,
    model_page: Path,
    journey_page: Path,
) -> str:
    """Write the pages."""
    findings = Findings(prospects, manifest, evaluation, plots, model)
    said = write_pages(findings, page=page, model_page_at=model_page)
    write_journey_page(journey, page=journey_page)
    pages = f"the model in {model_page}, the journey in {journey_page}"
    return f"list {said['list_id']} in {page}, {pages}"


if __name__ == "__main__":
    run(report)
