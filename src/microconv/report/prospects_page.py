"""The list as a page: what a sales lead opens on Monday morning."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from microconv.model.training_facts import TrainingFacts
from microconv.ranking.explanations.formatting import FORMATS, days
from microconv.ranking.explanations.reasons import LOWERS, RAISES
from microconv.ranking.list_columns import DETAIL_COLUMNS
from microconv.ranking.next_step import NO_EVIDENCE
from microconv.report.pages import inline_script, percent, render
from microconv.report.reliability_text import summarize_reliability
from microconv.report.row_details import embedded_details

OPTIONAL = (
    "owner", "account_id", "name", "email", "expected_value", "other_contacts", "selection_reason",
    "change_since_last_list", "next_step_reason",
)  # fmt: skip
"""Columns that a list may lack, or have without a single value."""

AT_ONCE = 100
"""Rows that are laid out at a time: a browser takes half a minute to lay out 5,000 of these."""

LEFT_OUT = {
    "converted": "already converted",
    "exited": "left: unsubscribed, bounced, disqualified or the like",
    "inactive": "nothing happened lately",
    "not_yet_known": "not yet known at that time",
    "merged_away": "the same person under another id",
    "no_step": "nothing but events outside the journey, or none at all",
    "below_the_limit": "scored, but further down than this list goes",
    "cooling_off": "spoken to lately",
    "same_account": "somebody else of the account is on the list",
}
"""Reason of the manifest → how it reads."""


def prospects_page(
    frame: pd.DataFrame,
    manifest: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    *,
    facts: TrainingFacts,
) -> str:
    """Write the ranked list as one HTML page.

    Parameters
    ----------
    frame : DataFrame
        The table `ranked`.
    manifest : mapping
        What vouches for it.
    evaluation : mapping
        The content of `evaluation.json`.
    facts : TrainingFacts
        Of the model.
    """
    has = {name: name in frame and bool(frame[name].notna().any()) for name in OPTIONAL}
    script, digest = inline_script("sort.js", "filter.js", "open.js")
    value = float(frame["expected_value"].sum()) if has["expected_value"] else None
    grades = manifest["grades"] or {}
    return render(
        "prospects.html.j2",
        {
            **{name: manifest[name] for name in ("status", "as_of", "valid_until", "list_id")},
            "notes": manifest["notes"],
            "counts": manifest["counts"],
            "horizon": days(manifest["horizon_days"]),
            "model_version": _version(manifest["model"]["version"]),
            "model_md5": manifest["model"]["md5"],
            "log_md5": manifest["log"]["md5"],
            "expected": float(frame["probability"].sum()),
            "expected_value": value,
            "grades": _grades(frame, grades),
            "trust": summarize_reliability(evaluation),
            "rows": _rows(frame, list(grades), datetime.fromisoformat(manifest["as_of"])),
            "has": has,
            "choices": _choices(frame),
            "at_once": AT_ONCE,
            "details": embedded_details(frame),
            "script": script,
            "script_digest": digest,
            "left_out": [
                {"says": _left_out(reason, manifest["counts"].get("exits", {})), "count": count}
                for reason, count in manifest["counts"]["left_out"].items()
                if count
            ],
            "facts": facts,
        },
    )


def _left_out(reason: str, exits: Mapping[str, int]) -> str:
    """Say why somebody is not on the list; of those who left, by what."""
    if reason == "exited" and exits:
        counts = (f"{step.replace('_', ' ')} {count:,}" for step, count in exits.items())
        return f"left: {', '.join(counts)}"
    full = reason.removesuffix("_at_capacity")
    return LEFT_OUT[reason] if full == reason else f"the {full} has no place left"


def _version(version: str | None) -> str:
    return "" if version is None else f"version {version}, "


def _grades(frame: pd.DataFrame, thresholds: Mapping[str, float]) -> list[dict[str, Any]]:
    grades = []
    above = 1.0
    for name, least in thresholds.items():
        says = f"{name} from {percent(least)}" if least else f"{name} below {percent(above)}"
        grades.append({"name": name, "count": int((frame["grade"] == name).sum()), "says": says})
        above = least
    return grades


def _rows(frame: pd.DataFrame, grades: list[str], as_of: datetime) -> list[dict[str, Any]]:
    highest = float(frame["probability"].max()) if len(frame) else 1.0
    rows = []
    absent: dict[str, Any] = dict.fromkeys(OPTIONAL)
    frame = frame.drop(
        columns=DETAIL_COLUMNS.names, errors="ignore"
    )  # they stand elsewhere on the page
    for row in frame.astype(object).where(frame.notna(), None).to_dict("records"):
        reasons = [row[name] for name in frame.columns if name.startswith("reason_")]
        rows.append(
            {
                **absent,
                **{str(name): value for name, value in row.items()},
                "width": round(100 * row["probability"] / (highest or 1.0), 1),
                "grade_place": grades.index(row["grade"]) if row["grade"] in grades else 0,
                "reasons": [_reason(text) for text in reasons if text],
                "stage": _words(row["stage"]),
                "next_step": _words(row["next_step"]),
                "evidence": _evidence(row.get("next_step_reason")),
                "last_activity": _ago(row["last_activity"], as_of),
            }
        )
    return rows


def _choices(frame: pd.DataFrame) -> dict[str, list[str]]:
    """List what can be filtered by: the values there are, in the order of the alphabet."""
    columns = [name for name in ("owner", "stage") if name in frame]
    found = {name: {str(value) for value in frame[name].dropna()} for name in columns}
    if "stage" in found:
        found["stage"] = {str(_words(stage)) for stage in found["stage"]}
    return {name: sorted(values) for name, values in found.items()}


def _reason(text: str) -> dict[str, Any]:
    words = text.removeprefix(RAISES).removeprefix(LOWERS)
    return {"speaks_for": text.startswith(RAISES), "text": words}


def _words(name: str | None) -> str | None:
    return None if name is None else name.replace("_", " ")


def _evidence(because: str | None) -> str | None:
    """Repeat what was measured; that nothing was goes without saying on every row."""
    return None if because == NO_EVIDENCE else because


def _ago(instant: pd.Timestamp | None, as_of: datetime) -> str | None:
    if instant is None:
        return None
    return FORMATS["ago"]((as_of - instant).total_seconds() / 86_400)
