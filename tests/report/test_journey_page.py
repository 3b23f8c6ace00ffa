"""The journey page: what it shows, what it says, and what it cannot do."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from microconv.report.journey_page import journey_page
from microconv.report.journey_table import MAX_ROWS, table_of, written

NASTY = '</script><img src=x onerror="alert(1)">'


def section(summary=(), missing=(), **tables):
    """Make a section of journey.json."""
    return {"summary": list(summary), "missing": list(missing), "tables": tables}


def steps(count, **more):
    """Make a table of completion with so many steps."""
    return [
        {
            "step": f"step_{k:04d}", "prospects": 1000, "completed": 1000 - k % 900,
            "completed_rate": 1 - k % 900 / 1000, "completed_low": 0.05, "completed_high": 0.99,
            **more,
        }
        for k in range(count)
    ]  # fmt: skip


JOURNEY = {
    "overview": {
        "start": "2024-01-01T00:00:00+00:00", "observed_until": "2024-09-27T00:00:00+00:00",
        "events": 409735, "prospects": 7999, "at_risk": 7959, "converted": 541, "stages": ["a"],
    },
    "completion": section(["The most completed step is `step_0000`."], steps=steps(3)),
    "impact": section(
        claims=[
            {
                "sequence": "a > b", "answer": "cannot tell", "interpretation": "association",
                "sentence": "Cannot tell: the interval holds 1.",
                "claim_from": 2.0, "claim_to": 3.0,
            }
        ],
        steps=[
            {
                "sequence": "a", "rate_ratio": 1.5, "rate_ratio_low": 0.9,
                "rate_ratio_high": 2.5, "q_value": 0.2,
            },
            dict.fromkeys(("rate_ratio", "rate_ratio_low", "rate_ratio_high", "q_value"))
            | {"sequence": "b"},
        ],
    ),
    "experiments": section(
        looks=[
            {
                "experiment": "cta", "arm": "B", "reference": "A", "low": -1 / k, "high": 1 / k,
                "at": f"2024-01-{k:02d}T00:00:00+00:00", "difference": None if k == 1 else 0.02,
            }
            for k in range(1, 20)
        ],
        comparisons=[
            {
                "experiment": "cta", "arm": "B", "reference": "A", "difference": 0.023,
                "difference_low": 0.008, "difference_high": 0.038, "anytime_low": -0.01,
                "anytime_high": 0.05, "p_value": 0.0002,
            }
        ],
    ),
    "audit": section(missing=["There is no table of messages."]),
}  # fmt: skip


@pytest.fixture(scope="module")
def page():
    """Write the page once."""
    return journey_page(JOURNEY)


def text_of(page):
    """Strip the page of its markup."""
    return html.unescape(re.sub(r"<[^>]+>", " ", page))


def test_figures_stand_with_their_intervals(page):
    """A figure without its interval is believed too readily."""
    text = text_of(page)
    assert re.search(r"1\.50\s+0\.90 to 2\.50", text)
    assert re.search(r"2\.3%\s+0\.8% to 3\.8%", text)
    assert "-1.0% to 5.0%" in text
    assert "< 0.001" in text


def test_the_verdict_stands_first_and_is_called_an_association(page):
    """Nobody was randomised; the box says so."""
    assert page.index("Cannot tell: the interval holds 1.") < page.index("<nav")
    assert 'class="note verdict cannot-tell"' in page
    assert "This is an association: prospects chose the order themselves." in page


def test_every_section_is_in_the_contents_and_says_what_is_missing(page):
    """A section without data is there and says what to bring."""
    links = re.findall(r'<a href="#(\w+)">', page)
    assert links == ["impact", "completion", "experiments", "audit"]
    assert all(f'<section id="{name}">' in page for name in links)
    assert "There is no table of messages." in page


def test_over_every_picture_stands_a_sentence(page):
    """Who does not read charts reads that."""
    figures = re.findall(r"<figure.*?</figure>", page, flags=re.S)
    assert len(figures) == 4
    for figure in figures:
        caption = re.search(r"<figcaption>(.*?)</figcaption>.*<svg", figure, flags=re.S)
        assert caption is not None
        assert caption[1].endswith(".")


def test_the_page_asks_nobody_for_anything(page):
    """It is mailed, and opened where there is no network."""
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", page))
    assert all(address.startswith("http://www.w3.org/") for address in addresses)
    assert not re.search(r"<(link|iframe|img|object|embed)\b|@import|url\((?!#)", page)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-")


def test_the_policy_lets_its_own_script_run_and_no_other(page):
    """The digest is of the very text between the tags."""
    import base64
    import hashlib

    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.S)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in page


def test_what_things_are_called_can_do_nothing():
    """Steps, sentences and cells come from files that anybody may have written."""
    rows = [{**row, "step": NASTY + row["step"]} for row in steps(2)]
    journey = {"completion": section([NASTY], [NASTY], steps=rows)}
    assert NASTY not in journey_page(journey)
    assert journey_page(journey).count("<script>") == 1
    assert "<img" not in journey_page(journey)


def test_a_thousand_steps_stay_below_15_megabytes():
    """And the page says how many rows it leaves to journey.json."""
    names = ("steps", "campaigns", "positions", "segments", "months")
    journey = {
        name: section(**{table: steps(1000) for table in names})
        for name in ("completion", "velocity", "paths", "drop_off", "impact", "benchmarks")
    }
    page = journey_page(journey)
    assert len(page.encode()) < 15e6
    assert f"1,000 rows, the first {MAX_ROWS} are shown" in page


def test_an_empty_measurement_is_a_page():
    """Nothing found, nothing missing: no error either."""
    assert "Customer journey" in journey_page({})
    assert "No bottleneck" in journey_page({"bottlenecks": section(["No bottleneck stands out."])})


def test_numbers_sort_as_numbers_and_gaps_go_last():
    """A column of shares sorted as text would put 9% above 31%."""
    rows = [{"step": "a", "rate": 0.09}, {"step": "b", "rate": None}, {"step": "c", "rate": 0.31}]
    table = table_of("steps", rows)
    assert [row[1].key for row in table.rows] == ["0.09", "", "0.31"]
    assert [row[1].text for row in table.rows] == ["9.0%", "–", "31%"]
    assert table.rows[0][1].number
    assert not table.rows[0][0].number


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("lost_revenue", 1234.5, "1,234"), ("median_days", 9.58, "9.6"), ("harmed", True, "yes"),
        ("order_ratio", 2.9479, "2.95"), ("sends", 4585, "4,585"), ("path", ["a", "b"], "a › b"),
        ("difference", -0.0123, "-1.2%"), ("revenue_difference", 47.8, "48"),
    ],
)  # fmt: skip
def test_a_figure_is_written_as_its_column_is_read(column, value, text):
    """Shares in percent, money without cents, ratios with two decimals."""
    assert written(column, value) == text


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_a_click_on_a_head_sorts_the_table(tmp_path):
    """In a browser; the policy is taken out so that the test may click."""
    page = journey_page({"completion": section(steps=steps(5))})
    click = "document.querySelectorAll('th button')[2].click();"
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    file = tmp_path / "page.html"
    clicked = page.replace("</body>", f"<script>{click * 2}</script></body>")
    file.write_text(clicked, encoding="utf-8")
    command = [
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
        f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", file.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    body = done.stdout[done.stdout.index("<tbody>") :]
    assert re.findall(r">(step_\d{4})<", body) == [f"step_{k:04d}" for k in (4, 3, 2, 1, 0)]
    assert 'aria-sort="ascending"' in done.stdout


def test_every_figure_of_the_page_is_in_the_measurement(page):
    """What the cells are sorted by are the very numbers of journey.json."""
    numbers = {
        f"{float(n):.12g}" for n in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", json.dumps(JOURNEY))
    }
    cells = re.findall(r'<td class="number" data-key="([^"]+)"', page)
    assert cells
    assert {f"{float(key):.12g}" for key in cells} <= numbers
    assert Path("journey.json").name in page
