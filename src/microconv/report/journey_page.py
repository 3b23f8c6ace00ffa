"""The journey as a page: what marketing reads, made of nothing but `journey.json`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from microconv.report.journey_pictures import Picture, pictures_of
from microconv.report.journey_table import Table, table_of
from microconv.report.pages import inline_script, render

TITLES = {
    "impact": "What small steps are worth",
    "bottlenecks": "Bottlenecks",
    "completion": "Completion",
    "benchmarks": "Against what can be expected",
    "velocity": "Speed",
    "paths": "Paths",
    "drop_off": "Where prospects stop",
    "experiments": "Tests",
    "audit": "The sequence of messages",
}
"""Section → its title, in the order of the page; any other comes after these."""

LEADS = {
    "impact": "Unless a change was randomised these are associations: who does more buys more.",
    "bottlenecks": "Revenue is what goes with a completion, so at most what one more would bring.",
    "benchmarks": "Actual rates are drawn to what comparable messages lead one to expect, the more "
    "so the fewer were asked. The target is a high, but not the highest, of comparable rates.",
    "experiments": "Only a test in which arms were drawn at random says what a change causes.",
    "velocity": "Prospects who are still on their way count as such, not as if they were fast.",
}


@dataclass(frozen=True)
class Part:
    """One section of the page."""

    name: str
    title: str
    lead: str
    summary: list[Markup]
    missing: list[Markup]
    pictures: list[Picture]
    tables: list[Table]


def journey_page(journey: Mapping[str, Any]) -> str:
    """Write the measurement as one HTML page that needs nothing else.

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
    pictures = [Picture(each.says, Markup(each.drawing)) for each in pictures_of(name, tables)]
    return Part(
        name=name,
        title=TITLES.get(name, name.replace("_", " ").capitalize()),
        lead=LEADS.get(name, ""),
        summary=[_marked(sentence) for sentence in section["summary"]],
        missing=[_marked(sentence) for sentence in section["missing"]],
        pictures=pictures,
        tables=[
            table_of(table, rows)
            for table, rows in tables.items()
            if table not in ("claims", "looks")
        ],
    )


def _marked(sentence: str) -> Markup:
    """Escape a sentence, and set off the names in it that stand between back ticks."""
    return Markup(re.sub("`([^`]*)`", r"<code>\1</code>", str(escape(sentence))))
