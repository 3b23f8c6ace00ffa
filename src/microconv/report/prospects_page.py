"""The prospect list as a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from itertools import chain, pairwise
from typing import Any

import pandas as pd
from markupsafe import Markup

from microconv.model.training_facts import TrainingFacts
from microconv.ranking.explanations.formatting import FORMATS, days
from microconv.ranking.explanations.reasons import LOWERS, RAISES
from microconv.ranking.list_columns import DETAIL_COLUMNS
from microconv.ranking.next_step import NO_EVIDENCE
from microconv.report.pages import inline_script, label, percent, render
from microconv.report.reliability import summarize_reliability

OPTIONAL = (
    "owner", "account_id", "name", "email", "expected_value", "other_contacts", "selection_reason",
    "change_since_last_list", "next_step_reason",
)  # fmt: skip
"""Columns that a list may lack, or have without any value."""

PAGE_ROWS = 100
"""Rows shown at a time: a browser takes half a minute to lay out 5,000 of them."""

LEFT_OUT = {
    "converted": "already converted",
    "exited": "exited: unsubscribed, bounced or disqualified",
    "inactive": "no recent activity",
    "not_yet_known": "not known yet at that date",
    "merged_away": "merged into another prospect",
    "no_step": "no event of the journey",
    "below_the_limit": "scored, but below the cut of this list",
    "cooling_off": "contacted recently",
    "same_account": "another contact of the account is on the list",
}
"""Reason of the manifest → its label on the page."""


NOTHING = -1
"""Index of a missing text."""


def prospects_page(
    frame: pd.DataFrame,
    manifest: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    *,
    facts: TrainingFacts,
) -> str:
    """Return the prospect list as one HTML page.

    Parameters
    ----------
    frame : DataFrame
        The table of the list.
    manifest : mapping
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
            "reliability": summarize_reliability(evaluation),
            "rows": _rows(frame, list(grades), datetime.fromisoformat(manifest["as_of"])),
            "has": has,
            "choices": _choices(frame),
            "page_rows": PAGE_ROWS,
            "details": _embedded_details(frame),
            "script": script,
            "script_digest": digest,
            "left_out": [
                {"label": _left_out(reason, manifest["counts"].get("exits", {})), "count": count}
                for reason, count in manifest["counts"]["left_out"].items()
                if count
            ],
            "facts": facts,
        },
    )


def _left_out(reason: str, exits: Mapping[str, int]) -> str:
    """Return why prospects are not on the list; of those who exited, by which step."""
    if reason == "exited" and exits:
        counts = (f"{label(step)} {count:,}" for step, count in exits.items())
        return f"exited: {', '.join(counts)}"
    full = reason.removesuffix("_at_capacity")
    return LEFT_OUT[reason] if full == reason else f"capacity of the {label(full)} is used up"


def _version(version: str | None) -> str:
    return "" if version is None else f"version {version}, "


def _grades(frame: pd.DataFrame, thresholds: Mapping[str, float]) -> list[dict[str, Any]]:
    grades = []
    above = 1.0
    for name, least in thresholds.items():
        range_ = f"{name} from {percent(least)}" if least else f"{name} below {percent(above)}"
        grades.append({"name": name, "count": int((frame["grade"] == name).sum()), "range": range_})
        above = least
    return grades


def _rows(frame: pd.DataFrame, grades: list[str], as_of: datetime) -> list[dict[str, Any]]:
    highest = float(frame["probability"].max()) if len(frame) else 1.0
    rows = []
    absent: dict[str, Any] = dict.fromkeys(OPTIONAL)
    frame = frame.drop(
        columns=DETAIL_COLUMNS.names, errors="ignore"
    )  # they are elsewhere on the page
    for row in frame.astype(object).where(frame.notna(), None).to_dict("records"):
        reasons = [row[name] for name in frame.columns if name.startswith("reason_")]
        rows.append(
            {
                **absent,
                **{str(name): value for name, value in row.items()},
                "width": round(100 * row["probability"] / (highest or 1.0), 1),
                "grade_place": grades.index(row["grade"]) if row["grade"] in grades else 0,
                "reasons": [_reason(text) for text in reasons if text],
                "stage": _label(row["stage"]),
                "next_step": _label(row["next_step"]),
                "evidence": _evidence(row.get("next_step_reason")),
                "last_activity": _ago(row["last_activity"], as_of),
            }
        )
    return rows


def _choices(frame: pd.DataFrame) -> dict[str, list[str]]:
    """Return the values that can be filtered by, in alphabetical order."""
    columns = [name for name in ("owner", "stage") if name in frame]
    found = {name: {str(value) for value in frame[name].dropna()} for name in columns}
    if "stage" in found:
        found["stage"] = {str(_label(stage)) for stage in found["stage"]}
    return {name: sorted(values) for name, values in found.items()}


def _reason(text: str) -> dict[str, Any]:
    words = text.removeprefix(RAISES).removeprefix(LOWERS)
    return {"raises": text.startswith(RAISES), "text": words}


def _label(name: str | None) -> str | None:
    return None if name is None else label(name)


def _evidence(reason: str | None) -> str | None:
    """Return the measured evidence; that there is none is not repeated on every row."""
    return None if reason == NO_EVIDENCE else reason


def _ago(instant: pd.Timestamp | None, as_of: datetime) -> str | None:
    if instant is None:
        return None
    return FORMATS["ago"]((as_of - instant).total_seconds() / 86_400)


class _Index:
    """Every value once, with its position."""

    def __init__(self) -> None:
        self.positions: dict[Any, int] = {}

    def __call__(self, value: Any) -> int:
        """Return the position of a value, after adding it if it is new."""
        return NOTHING if value is None else self.positions.setdefault(value, len(self.positions))


def _embedded_details(frame: pd.DataFrame) -> Markup | None:
    r"""Return the details of a list as compact JSON, in which no HTML can be hidden.

    Twenty steps and thirty reasons of 5,000 prospects are a quarter of a million lines, so the
    page carries numbers, and every text once; a row is laid out when it is opened.

    Parameters
    ----------
    frame : DataFrame
        The list as read from its file.

    Returns
    -------
    Markup or None
        ``{"words": [text, …], "vias": [[message, campaign], …], "rows": [row, …]}``, row for
        row with the list:

        - reasons: word and weight on the logit scale, alternating
        - weight of all other reasons
        - steps, alternating: minutes since 1970 (UTC), for further ones minutes before the
          previous one; text; via; percent probability of a bot
        - number of earlier steps, and of exposures
        - text of the reason for the next step

        A text or via is its position, :data:`NOTHING` if there is none. None if the list has
        no details.
    """
    if not set(DETAIL_COLUMNS.names) <= set(frame.columns):
        return None
    words, vias = _Index(), _Index()
    columns = [
        *DETAIL_COLUMNS.names,
        *(["next_step_reason"] if "next_step_reason" in frame else []),
    ]
    records = frame[columns].to_dict("records")
    rows = [_detail_row({str(k): v for k, v in row.items()}, words, vias) for row in records]
    pairs = [[words(message), words(campaign)] for message, campaign in vias.positions]
    content = {"words": list(words.positions), "vias": pairs, "rows": rows}
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":  # inside <script> these are markup, or end a line
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _detail_row(row: dict[str, Any], words: _Index, vias: _Index) -> list[Any]:
    why = row.get("next_step_reason")
    reasons = [(words(reason["text"]), round(reason["log_odds"], 3)) for reason in row["reasons"]]
    minutes = [int(step["time"].timestamp() // 60) for step in row["recent_steps"]]
    offsets = [*minutes[:1], *(previous - this for previous, this in pairwise(minutes))]
    steps = [
        (
            minute,
            words(label(step["step"])),
            _via(step, vias),
            _bot_percent(step["human_probability"]),
        )
        for minute, step in zip(offsets, row["recent_steps"], strict=True)
    ]
    return [
        list(chain.from_iterable(reasons)),
        round(row["other_reasons_log_odds"], 3),
        list(chain.from_iterable(steps)),
        int(row["earlier_steps"]),
        int(row["exposures"]),
        words(why if isinstance(why, str) else None),
    ]


def _via(step: dict[str, Any], vias: _Index) -> int:
    via = step["message"], step["campaign"]
    return vias(None if via == (None, None) else via)


def _bot_percent(human_probability: float) -> int:
    return round(100 * (1 - human_probability))
