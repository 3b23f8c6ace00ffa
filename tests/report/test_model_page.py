"""The model card."""

from __future__ import annotations

import copy
import xml.etree.ElementTree as ElementTree

import pandas as pd
import pytest

from microconv.report.charts import folds_chart, gain_chart, reliability_chart
from microconv.report.model_page import model_page
from worlds.reports import FACTS, MODEL_SCOPE, evaluation


@pytest.fixture(scope="module")
def html() -> str:
    """Write the page once."""
    found = evaluation()
    return model_page(found.report, found.plots, facts=FACTS, scope=MODEL_SCOPE, status="preview")


def test_every_model_stands_beside_its_baselines(html: str) -> None:
    """Figures are those of the evaluation, ours first, each with its interval."""
    pooled = evaluation().report["models"]["ensemble"]["pooled"]
    assert html.index("this model") < html.index("most recently active first")
    auc = pooled["auc"]
    assert f">{auc['value']:.3f}<" in html
    assert f"{auc['low']:.3f} to {auc['high']:.3f}" in html
    assert f"{pooled['calibration']['ece']:.4f}" in html


def test_the_verdict_the_folds_and_what_was_left_out_are_told(html: str) -> None:
    """Good or bad: the page says what the evaluation says."""
    report = evaluation().report
    assert report["verdict"]["summary"][:40] in html
    for piece in ("2024-03-04", "1 Jan 2024 to 15 Jan 2024", "4 Mar 2024", "1,234 rows"):
        assert piece in html, piece
    assert "Baseline opens was left out: the journey has no step that opens" in html


def test_the_charts_are_drawings_inside_the_page(html: str) -> None:
    """Three pictures, no script, no request; ids of one drawing are not another's."""
    assert html.count("<svg") == 3
    assert "<script" not in html
    assert 'href="http' not in html
    assert "url(http" not in html
    drawings = [part.split("</svg>")[0] for part in html.split("<svg")[1:]]
    ids = [set(part.split('id="')[1:]) for part in drawings]
    names = [{piece.split('"')[0] for piece in found} for found in ids]
    assert not names[0] & names[1]
    assert not names[1] & names[2]


def test_a_chart_shows_the_numbers_it_is_given() -> None:
    """A point at (10%, 20%) of a square chart from 0 to 21% lies where arithmetic puts it."""
    bins = pd.DataFrame(
        {"model": ["ensemble"] * 2, "bin": [0, 1], "rows": [9, 9], "predicted": [0.0, 0.1],
         "observed": [0.0, 0.2]}
    )  # fmt: skip
    drawing = ElementTree.fromstring(reliability_chart(bins, candidate="ensemble"))
    circles = [
        e.get("transform", "") for e in drawing.iter() if e.get("aria-roledescription") == "circle"
    ]
    width, height = 360, 270
    x, y = width * 0.1 / 0.21, height * (1 - 0.2 / 0.21)
    places = [
        tuple(float(n) for n in t.removeprefix("translate(").removesuffix(")").split(","))
        for t in circles
    ]
    assert any(abs(a - x) < 0.01 and abs(b - y) < 0.01 for a, b in places), places


def test_charts_survive_what_little_there_may_be() -> None:
    """One fold, one model, no interval, a fold without a figure: a drawing all the same."""
    folds = pd.DataFrame(
        {"fold": ["a", "b"], "model": ["ensemble"] * 2, "auc": [0.7, None], "low": [None, None],
         "high": [None, None]}
    ).astype({"auc": float, "low": float, "high": float})  # fmt: skip
    assert "<svg" in folds_chart(folds, candidate="ensemble", best=None)
    gain = pd.DataFrame(
        {"model": ["ensemble"] * 2, "share_of_rows": [0.0, 1.0], "share_of_conversions": [0.0, 1.0]}
    )
    assert "<svg" in gain_chart(gain, candidate="ensemble", best=None)
    assert "<svg" in gain_chart(gain[:0], candidate="ensemble", best=None)


def test_the_same_numbers_make_the_same_page(html: str) -> None:
    """A second run of the pipeline must find nothing changed."""
    found = evaluation()
    assert (
        model_page(found.report, found.plots, facts=FACTS, scope=MODEL_SCOPE, status="preview")
        == html
    )


def test_figures_that_do_not_exist_are_dashes() -> None:
    """A fold without conversions has no AUC, and the page no `None`."""
    report = copy.deepcopy(evaluation().report)
    gone = {"value": None, "reason": "nobody converted"}
    report["models"]["ensemble"]["folds"]["2024-03-04"]["auc"] = gone
    report["models"]["recency"]["pooled"]["lift"] = gone
    html = model_page(report, evaluation().plots, facts=FACTS, scope=MODEL_SCOPE, status="preview")
    assert "None" not in html
    assert ">–<" in html


def test_the_card_names_alarms_with_what_they_mean_and_nothing_in_them_is_markup() -> None:
    """Column names come from exports: they are shown, and do nothing."""
    found = evaluation()
    alarm = {
        "check": "pure_values",
        "status": "failed",
        "columns": ["<script>alert(1)</script>"],
        "observed": "88% of `<script>alert(1)</script>` settle it.",
        "meaning": "Somebody knew.",
        "remedy": "Ask them when.",
        "figures": {},
    }
    report = {**found.report, "leakage_checks": [alarm]}
    page = model_page(report, found.plots, facts=FACTS, scope=MODEL_SCOPE, status="preview")
    for piece in ("Failed:", "88% of <code>&lt;script&gt;", "Somebody knew. Ask them when."):
        assert piece in page
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "Do not rely on its figures while a leakage check fails" in page


def test_the_card_says_what_is_asked_of_whom_and_what_is_not_known(html: str) -> None:
    """Intended use and limits come from the model's own settings."""
    assert "reaches deal won within 30 days of a date" in html
    assert "active in the last 60 days" in html
    assert "321 columns of the families counts, recency" in html
    assert "Reasons are associations" in html
    assert "not checked" in html  # these predictions come without diagnostics


def test_probes_stand_on_the_card_with_their_intervals() -> None:
    """What order, volume and a random split are worth, beside each other."""
    found = evaluation()
    probes = {
        "all": {"value": 0.71, "low": 0.69, "high": 0.73},
        "attributes": {"value": None, "reason": "there are no such columns"},
        "shuffled_labels": {"value": 0.501, "low": 0.48, "high": 0.52},
    }
    report = {**found.report, "leakage_diagnostics": {"probes": probes}}
    page = model_page(report, found.plots, facts=FACTS, scope=MODEL_SCOPE, status="preview")
    assert "0.690 to 0.730" in page
    assert "shuffled labels" in page
    assert "attributes only" not in page


def segment(name: str, **more: object) -> dict[str, object]:
    """Make a segment of the evaluation: 400 rows of which 30 converted."""
    interval = {"value": 0.91, "low": 0.52, "high": 1.31}
    entry = {
        "by": "source",
        "segment": name,
        "rows": 400,
        "prospects": 300,
        "conversions": 30,
        "predicted_rate": 0.052,
        "observed_rate": 0.075,
        "calibration": {
            "slope": interval,
            "intercept": interval,
            "calibration_in_the_large": interval,
            "ece": 0.0231,
            "ece_chance_limit": 0.0202,
            "ece_chance_limit_by_prospect": 0.0207,
        },
        "p_value": 0.001,
        "miscalibrated": True,
    }
    return entry | more


def test_segments_stand_on_the_card_and_those_with_too_few_say_so() -> None:
    """Promise beside outcome; a name from data is text; no figure where there are too few."""
    found = evaluation()
    few = {"by": "stage", "segment": "<b>decision", "rows": 40, "prospects": 40, "conversions": 3,
           "predicted_rate": 0.05, "observed_rate": 0.075,
           "reason": "3 of 40 rows converted; too few to test"}  # fmt: skip
    right = segment("partner_list", miscalibrated=False, predicted_rate=0.0749)
    report = found.report | {"segments": [few, segment("webinar"), right]}
    html = model_page(report, found.plots, facts=FACTS, scope=MODEL_SCOPE, status="preview")
    table = html.split("Calibration by segment")[1].split("</table>")[0]
    assert "1 segment is miscalibrated by more than chance explains" in table
    assert "&lt;b&gt;decision" in table
    assert "<b>" not in table
    assert "too few: 3 of 40 rows converted" in table
    for cell in ("5.2%", "7.5%", "0.91", "0.52 to 1.31", "0.0231", "0.0207"):
        assert cell in table, cell
    assert table.count("<strong>too low</strong> overall") == 1
    assert table.count("within chance") == 1
    assert "partner list" in table
