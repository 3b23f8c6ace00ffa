"""The page of the audit says what its figures say, and what lies on disk cannot run on it."""

from __future__ import annotations

import re

import pytest

from microconv.report.audit_page import audit_page

HELD = {
    "rows": 100, "prospects": 90, "conversions": 12, "expected": 10.0, "predicted_rate": 0.1,
    "observed_rate": 0.12, "low": 0.07, "high": 0.2, "ratio": 1.2,
    "ratio_low": 0.7, "ratio_high": 2.0,
    "within_interval": True,
}  # fmt: skip


@pytest.fixture
def findings():
    """Return an audit with everything in it."""
    slope = {"value": 0.9, "low": 0.7, "high": 1.1}
    return {
        "format": 1,
        "observed_until": "2024-06-03T00:00:00Z",
        "confidence": 0.95,
        "lists": 2,
        "unreadable": {"<script>alert(1)</script>": "damaged"},
        "open_until": {"20240520-x": "2024-06-19T00:00:00Z"},
        "trained_later": ["20240301-x"],
        "without_outcome": {"no_longer_in_the_log": 3, "merged_since": 0},
        "overall": HELD,
        "by_grade": [{"grade": "A", **HELD}, {"grade": "B", **HELD, "within_interval": False}],
        "by_decile": [{"decile": 1, "from": 0.1, "to": 0.4, **HELD}],
        "by_list": [
            {"list_id": f"2024040{k}-x", "as_of": f"2024-04-0{k}T00:00:00Z", "capacity": 50,
             "precision": 0.2, "predicted_precision": 0.18, "value": 1234.0, **HELD}
            for k in (1, 8)
        ],
        "exploration": {"rows": 10, "conversions": 1, "represents": 900.0, "predicted_rate": 0.02,
                        "observed_rate": 0.03, "low": 0.01, "high": 0.3, "ranked": 0.12,
                        "ratio": {"value": 4.0, "low": 0.6, "high": 25.0}},
        "calibration": {"slope": slope, "intercept": slope, "calibration_in_the_large": slope,
                        "ece": 0.01, "ece_chance_limit": 0.02},
        "drift": {"training": {"as_of": "2024-03-01T00:00:00Z", "prospects": 500},
                  "current": {"as_of": "2024-05-20T00:00:00Z", "prospects": 600}, "columns": 300,
                  "drifted_columns": 4, "largest": {"count.pricing.30d": 0.31},
                  "base_rate": {"training": 0.02, "current": 0.021, "rows": 900, "psi": 0.0001}},
        "retrain": {"answer": "no", "reasons": ["Predicted 10.0%; 12.0% converted."]},
    }  # fmt: skip


def test_the_page_says_what_was_found(findings):
    """Answer, promises, what was left out: all on the page."""
    page = audit_page(findings)
    for said in (
        "Train a new model now? No.",
        "Could not be read: 1 list",
        "trained on later outcomes: 1 list",
        "3 rows have no outcome: no longer in the log",
        "<strong>higher than predicted</strong>",
        "drawn at random from the 900 below the cut",
        "4.0 times as often",
        "count.pricing.30d",
        "1,234",
    ):
        assert said in page, said


def test_nothing_on_the_page_runs_or_is_fetched(findings):
    """A folder may be called anything."""
    page = audit_page(findings)
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="?https?:', page)
    assert "default-src 'none'" in page


def test_an_audit_before_any_window_has_closed_is_a_page_too(findings):
    """The first audit is made in the first week."""
    nothing = dict.fromkeys(("overall", "exploration", "calibration", "drift"))
    empty = {name: [] for name in ("by_grade", "by_decile", "by_list")}
    answer = {"answer": "unknown", "reasons": ["No list's outcome window has closed yet."]}
    page = audit_page(findings | nothing | empty | {"retrain": answer})
    assert "Train a new model now? Unknown." in page
    assert "outcome window is still open: 1 list, the last until 19 Jun 2024" in page
