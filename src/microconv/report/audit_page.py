"""The audit page: predictions of past lists against outcomes, and whether to retrain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from microconv.ranking.explanations.formatting import one_line
from microconv.report.charts import observed_chart
from microconv.report.pages import render

MAX_UNREADABLE = 20
"""Lists that could not be read are named up to so many."""


def audit_page(findings: Mapping[str, Any]) -> str:
    """Write an audit as one HTML page.

    Parameters
    ----------
    findings : mapping
        The content of `audit.json`.
    """
    grades, lists = findings["by_grade"], findings["by_list"]
    return render(
        "audit.html.j2",
        {
            **findings,
            "unreadable": {
                one_line(place): one_line(why)
                for place, why in list(findings["unreadable"].items())[:MAX_UNREADABLE]
            },
            "unreadable_count": len(findings["unreadable"]),
            "grades_chart": _chart(grades, "grade") if grades else None,
            "lists_chart": _chart(lists, "as_of") if len(lists) > 1 else None,
        },
    )


def _chart(entries: list[dict[str, Any]], by: str) -> Markup:
    table = pd.DataFrame(entries)
    if by == "as_of":
        table[by] = table[by].str[:10]
    return Markup(observed_chart(table, by=by, name=f"observed_{by}"))
