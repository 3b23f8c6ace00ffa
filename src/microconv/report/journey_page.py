"""The journey page for marketing, made from `journey.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from microconv.report.journey_charts import Chart, charts_of
from microconv.report.journey_table import Table, table_of
from microconv.report.pages import inline_script, label, render, ticked

TITLES = {
    "impact": "Impact of micro-conversions",
    "bottlenecks": "Bottlenecks",
    "completion": "Completion",
    "benchmarks": "Benchmarks",
    "velocity": "Velocity",
    "paths": "Paths",
    "drop_off": "Drop-off",
    "experiments": "Experiments",
    "audit": "Message sequence audit",
}
"""Section → its title, in the order of the page; any other comes after these."""

LEADS = {
    "impact": "These are associations unless a change was randomised: active prospects buy more.",
    "bottlenecks": "Revenue is the value associated with a completion: at most its effect.",
    "benchmarks": "Rates are shrunk towards those of comparable messages, more so with few "
    "recipients. The target is a high, but not the highest, of comparable rates.",
    "experiments": "Only a randomised test shows what a change causes.",
    "velocity": "Prospects still on their way are counted as censored.",
}


@dataclass(frozen=True)
class Part:
    """One section of the page."""

    name: str
    title: str
    lead: str
    summary: list[Markup]
    missing: list[Markup]
    charts: list[Chart]
    tables: list[Table]


def journey_page(journey: Mapping[str, Any]) -> str:
    """Return the measurement as one HTML page.

    Parameters
    ----------
    journey : mapping
        The content of `journey.json`: `overview`, and section → `summary`, `missing`,
        `tables`.
    """
    sections = {name: part for name, part in journey.items() if _is_section(part)}
    order = [*(n for n in TITLES if n in sections), *(n for n in sections if n not in TITLES)]
    script, digest = inline_script("sort.js")
    return render(
        "journey.html.j2",
        {
            "overview": journey.get("overview"),
            "claims": sections.get("impact", {}).get("tables", {}).get("claims", []),
            "parts": [_part(name, sections[name]) for name in order],
            "script": script,
            "script_digest": digest,
        },
    )


def _is_section(part: Any) -> bool:
    return isinstance(part, Mapping) and {"summary", "missing", "tables"} <= set(part)


def _part(name: str, section: Mapping[str, Any]) -> Part:
    tables = {table: rows for table, rows in section["tables"].items() if rows}
    charts = [Chart(each.title, Markup(each.svg)) for each in charts_of(name, tables)]
    return Part(
        name=name,
        title=TITLES.get(name, label(name).capitalize()),
        lead=LEADS.get(name, ""),
        summary=[ticked(sentence) for sentence in section["summary"]],
        missing=[ticked(sentence) for sentence in section["missing"]],
        charts=charts,
        tables=[
            table_of(table, rows)
            for table, rows in tables.items()
            if table not in ("claims", "looks")
        ],
    )
