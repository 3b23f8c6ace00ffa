"""The page of the prospect list."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from microconv.ranking.next_step import NO_EVIDENCE
from microconv.report.prospects_page import prospects_page
from worlds.reports import FACTS, HOSTILE, evaluation, list_of, manifest_of, told, with_details


class Page(HTMLParser):
    """What a browser would make of a page: its tags, its text and its addresses."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect a tag and its attributes."""
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        """Collect text."""
        if self.tags[-1:] not in (["style"], ["script"]):
            self.texts.append(data)


def write(frame: pd.DataFrame, skill: float = 2.0, **changes: object) -> str:
    """Write the page of a list."""
    report = evaluation(skill).report
    return prospects_page(frame, manifest_of(frame, **changes), report, facts=FACTS)


def test_a_row_says_who_how_likely_why_and_what_next() -> None:
    """Ada by hand: 30%, worth 120, one reason that raises, one that lowers, a next step."""
    text = Page(write(list_of("Ada Example"))).text
    for piece in (
        "Ada Example", "p0", "Olga Example", "30%", "120",
        "raises: visited pricing 2 days ago", "lowers: quiet for 21 days",
        "consideration", "2 days ago", "case study",
    ):  # fmt: skip
        assert " ".join(piece.split()) in text, piece


def test_a_row_shows_change_evidence_and_exploration() -> None:
    """Every column of the list that a salesperson needs is on the page."""
    frame = list_of("Ada", "Bob").assign(
        change_since_last_list=["+12: pricing visit", "new: nothing done yet"],
        next_step_reason=["associated with 2.1 times the rate <b>", NO_EVIDENCE],
        selection_reason=["rank", "exploration"],
    )
    page = write(frame)
    text = Page(page).text
    for piece in (
        "+12: pricing visit",
        "new: nothing done yet",
        "2.1 times the rate <b>",
        "exploration",
    ):
        assert piece in text, piece
    assert NO_EVIDENCE not in text
    assert "<b>" not in page


def test_the_facts_of_the_list_are_on_the_page() -> None:
    """As of when, valid until when, who is missing, and what it was made from."""
    text = Page(write(list_of("Ada", "Bob"), notes=["The last event is old."])).text
    for piece in (
        "3 Jun 2024", "10 Jun 2024", "2 on this list, of 10 scored", "about 0.4",
        "The last event is old.",
        "already converted 5", "below the cut of this list 7", "20240603-abcdef12",
        "1" * 32, "1,234 rows of 567 prospects, 29 Jan 2024 to 22 Apr 2024",
        "A from 20%, B below 20%", "PREVIEW",
    ):  # fmt: skip
        assert piece in text, piece
    assert "exited:" not in text  # nobody exited


def test_a_preview_is_stamped_and_a_champion_is_not() -> None:
    """Nobody may call by a model that nobody promoted without having been told."""
    frame = list_of("Ada")
    assert "has not been promoted" in write(frame)
    champion = write(frame, status="champion", model={"version": "3", "md5": "0" * 32})
    assert "has not been promoted" not in champion
    assert "version 3" in Page(champion).text


def test_a_list_that_ranks_by_nothing_says_so_at_the_top() -> None:
    """In a world without effects the reader is warned before the first row."""
    html = write(list_of("Ada"), skill=0.0)
    assert "note alarm" in html
    warning = evaluation(0.0).report["verdict"]["summary"].split(" (")[0]
    assert html.index(warning) < html.index("<tbody>")


def embedded(html: str) -> dict[str, Any]:
    """Read what the page carries for its opened rows."""
    found = re.search(r'<script type="application/json" id="details-data">(.*?)</script>', html)
    assert found is not None
    return json.loads(found[1])


def test_an_opened_row_has_every_reason_step_and_the_evidence_at_hand() -> None:
    """By hand: 3 June less two days and an hour is 31 May 23:00, minute 28,619,940 since 1970."""
    frame = list_of("Ada", next_step_reason=["associated with 2.1 times the rate"])
    page = write(with_details(frame))
    content = embedded(page)
    words = content["words"]
    reasons, others, steps, earlier, exposures, because = content["rows"][0]
    assert [words[place] for place in reasons[::2]] == ["visited pricing 2 days ago"] * 2
    assert reasons[1::2] == [0.7, -0.68]
    assert (others, earlier, exposures) == (-0.1, 3, 7)
    assert steps[::4] == [28_619_940, 1_440]  # the second a day before the first
    assert [words[place] for place in steps[1::4]] == ["pricing visit"] * 2
    message, campaign = content["vias"][steps[2]]
    assert (words[message], words[campaign]) == ("A checklist", "nurture")
    assert steps[3::4] == [75, 0]
    assert words[because] == "associated with 2.1 times the rate"
    assert Page(page).tags.count("button") == Page(write(frame)).tags.count("button") + 1


def test_a_list_without_details_has_nothing_to_open() -> None:
    """Lists that an earlier version wrote, and long ones, are pages as before."""
    page = write(list_of("Ada"))
    assert "details-data" not in Page(page).text
    assert 'id="details-data"' not in page
    assert "aria-expanded=" not in page.split("<tbody>")[1].split("</tbody>")[0]


def test_what_is_missing_in_the_details_is_no_word() -> None:
    """A step on the web came through no message; nobody reads `None` or `nan`."""
    row = told()
    row["recent_steps"][0] |= {"message": None, "campaign": None}
    row["recent_steps"][1] |= {"campaign": None}
    content = embedded(write(with_details(list_of("Ada", next_step_reason=[None]), [row])))
    assert content["rows"][0][2][2::4] == [-1, 0]
    assert content["vias"] == [[content["words"].index("A checklist"), -1]]
    assert content["rows"][0][-1] == -1
    assert not {"None", "nan", "NaT"} & set(content["words"])


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_in_the_details_are_data(text: str) -> None:
    """Inside a script no angle bracket may stand: a browser would end the script there."""
    page = write(with_details(list_of("Ada"), [told(text)]))
    raw = page.split('id="details-data">')[1].split("</script>")[0]
    assert not set("<>&\u2028\u2029") & set(raw)
    assert text.replace("_", " ") in embedded(page)["words"]
    assert Page(page).tags.count("script") == 2  # the data and ours


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_are_shown_and_do_nothing(text: str) -> None:
    """In every column that comes from outside: shown as they are, never a tag or an attribute."""
    harmless = Page(write(list_of("Ada")))
    words = {
        name: [text]
        for name in ("name", "prospect_id", "owner", "email", "account_id", "stage", "next_step")
    }
    frame = list_of("Ada", reason_1=[f"↑ source: {text}"], **words)
    attacked = Page(write(frame, notes=[text]))
    assert attacked.tags.count("script") == 1  # ours
    assert set(attacked.tags) == set(harmless.tags)
    assert {name for name, _ in attacked.attributes} == {name for name, _ in harmless.attributes}
    shown = " ".join(text.replace("\x00", "\ufffd").split())
    assert attacked.text.replace("\x00", "\ufffd").count(shown) >= len(words)


def test_the_page_asks_nobody_for_anything() -> None:
    """It is opened from a mail, on a train: one file, no request, no script but ours."""
    html = write(list_of("Ada"))
    page = Page(html)
    assert not {"link", "img", "iframe", "object"} & set(page.tags)
    script = html.split("<script>")[1].split("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert not [value for name, value in page.attributes if name in ("src", "href")]
    assert "url(" not in html
    assert "@import" not in html
    policy = dict(page.attributes)["content"]
    policies = [value or "" for _, value in page.attributes if "default-src" in (value or "")]
    assert policies == [
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    ], policy


def test_a_list_without_owners_values_or_grades_has_no_empty_columns() -> None:
    """Exports differ: a column that nobody filled in is not shown."""
    bare = list_of("Ada").drop(columns=["owner"]).assign(expected_value=float("nan"), grade=None)
    text = Page(write(bare, grades=None)).text
    assert "Owner" not in text
    assert "Expected value" not in text.replace("Expected value probability", "")
    assert "Grade" not in text


def test_missing_cells_read_as_missing() -> None:
    """No `None`, no `nan`, no `NaT` on the page."""
    frame = list_of("Ada", "Bob")
    for name in ("owner", "name", "reason_1", "reason_2", "stage", "next_step", "last_activity"):
        frame.loc[1, name] = None
    words = Page(write(frame)).text.split()
    assert not {"None", "nan", "NaT", "<NA>"} & set(words)
    assert "no notable reason" in " ".join(words)


def test_an_empty_list_is_a_page() -> None:
    """The reader learns that there is nobody, and why."""
    empty = list_of("Ada")[:0]
    text = Page(write(empty, notes=["Nobody is in the cohort, so the list is empty."])).text
    assert "This list is empty." in text
    assert "Nobody is in the cohort" in text


def test_five_thousand_rows_stay_a_few_megabytes() -> None:
    """Large lists are opened on ordinary laptops, everything that can be opened included."""
    frame = list_of(*[f"Ada Example {k}" for k in range(5000)])
    html = write(with_details(frame, [told(reasons=30, steps=20)] * 5000))
    assert len(html) < 8_000_000


def test_an_address_goes_on_before_its_at_sign() -> None:
    """`…@firm001169.examp` and `le.org` in two lines is no address that anybody can read."""
    assert "ada@" not in write(list_of("Ada", email=["ada@firm.example"]))
    assert "ada<wbr>@firm.example" in write(list_of("Ada", email=["ada@firm.example"]))
    assert "a&lt;b&gt;<wbr>@x.example" in write(list_of("Ada", email=["a<b>@x.example"]))


@pytest.mark.slow
def test_the_whole_table_is_seen_on_a_laptop(tmp_path: Path) -> None:
    """What to ask for next stands in the last column: at 1280 pixels it must not be cut off."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    frame = list_of(
        *["Finn Placeholder"] * 3,
        prospect_id=["C0016740", "C0016741", "C0016742"],
        account_id=["A009708"] * 3,
        owner=["team-north"] * 3,
        email=["finn.placeholder.0016740@firm009708.example.net"] * 3,
        stage=["consideration"] * 3,
        next_step=["topic_subscription"] * 3,
    )
    measure = (
        "<script>const box = document.querySelector('.scroll');"
        "document.title = box.scrollWidth - box.clientWidth</script></body>"
    )
    html = re.sub(r"<meta http-equiv[^>]*>", "", write(frame)).replace("</body>", measure)
    (tmp_path / "prospects.html").write_text(html, encoding="utf-8")
    command = [
        chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--window-size=1280,1000", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom",
        (tmp_path / "prospects.html").as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "<title>0</title>" in done.stdout


@pytest.mark.slow
def test_a_real_browser_runs_nothing_and_keeps_the_title(tmp_path: Path) -> None:
    """Chromium itself is the judge of what is inert."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    page = tmp_path / "prospects.html"
    page.write_text(write(list_of(*HOSTILE)), encoding="utf-8")
    command = [
        chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "<title>Prospect list, 3 Jun 2024</title>" in done.stdout
    assert "Prospect list" in done.stdout
