from __future__ import annotations

import copy
import xml.etree.ElementTree as ElementTree

import pandas as pd
import pytest

from microconv.report.charts import folds_chart, gain_chart, reliability_chart
from microconv.report.model_page import model_page
from report_world import FACTS, evaluation


@pytest.fixture(scope="module")
def html() -> str:
    """Write the page once."""
    found = evaluation()
    return model_page(found.report, found.plots, facts=FACTS, status="preview")


def test_every_model_stands_beside_its_baselines(html: str) -> None:
    """Figures are those of the evaluation, ours first, each with its interval."""
    pooled = evaluation().report["models"]["blend"]["pooled"]
    assert html.index("this model") < html.index("most recently active first")
    auc = pooled["auc"]
    assert f">{auc['value']:.3f}<" in html
    assert f"{auc['low']:.3f} to {auc['high']:.3f}" in html
    assert f"{pooled['calibration']['ece']:.4f}" in html


def test_the_verdict_the_folds_and_what_was_left_out_are_told(html: str) -> None:
    """Good or bad: the page says what the evaluation says."""
    report = evaluation().report
    assert report["verdict"]["says"][:40] in html
    for piece in ("2024-03-04", "1 Jan 2024 to 15 Jan 2024", "4 Mar 2024", "1,234 questions"):
        assert piece in html, piece
    assert "The model opens was left out: the journey has no step that opens" in html


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
    """A point at (10 %, 20 %) of a square chart from 0 to 21 % lies where arithmetic puts it."""
    bins = pd.DataFrame(
        {"model": ["blend"] * 2, "bin": [0, 1], "rows": [9, 9], "predicted": [0.0, 0.1],
         "observed": [0.0, 0.2]}
    )  # fmt: skip
    drawing = ElementTree.fromstring(reliability_chart(bins, candidate="blend"))
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
        {"fold": ["a", "b"], "model": ["blend"] * 2, "auc": [0.7, None], "low": [None, None],
         "high": [None, None]}
    ).astype({"auc": float, "low": float, "high": float})  # fmt: skip
    assert "<svg" in folds_chart(folds, candidate="blend", best=None)
    gain = pd.DataFrame({"model": ["blend"] * 2, "called": [0.0, 1.0], "met": [0.0, 1.0]})
    assert "<svg" in gain_chart(gain, candidate="blend", best=None)
    assert "<svg" in gain_chart(gain[:0], candidate="blend", best=None)


def test_the_same_numbers_make_the_same_page(html: str) -> None:
    """A second run of the pipeline must find nothing changed."""
    found = evaluation()
    assert model_page(found.report, found.plots, facts=FACTS, status="preview") == html


def test_figures_that_do_not_exist_are_dashes() -> None:
    """A fold without conversions has no AUC, and the page no `None`."""
    report = copy.deepcopy(evaluation().report)
    gone = {"value": None, "reason": "nobody converted"}
    report["models"]["blend"]["folds"]["2024-03-04"]["auc"] = gone
    report["models"]["recency"]["pooled"]["lift"] = gone
    html = model_page(report, evaluation().plots, facts=FACTS, status="preview")
    assert "None" not in html
    assert ">–<" in html
