"""The table of reason texts: the built-in one is sound, and a bad edit gives one clear error."""

from __future__ import annotations

import re

import numpy as np
import pytest

from microconv.errors import MissingInputError, SettingsError
from microconv.ranking.explanations.formatting import FORMATS
from microconv.ranking.explanations.reason_texts import built_in_texts, parse_texts, read_texts
from microconv.ranking.explanations.wording import ReasonWriter, unused_patterns
from microconv.ranking.rank import rank_prospects
from worlds.logs import JOURNEY
from worlds.ranking import END, settings, trained, world

HEADER = "pattern,subject,when,weak,text\n"
GOOD = "counts.{step}.ever,step {step},= 0,,nothing of: {label step}\n"


def test_the_table_uses_only_what_there_is() -> None:
    """A misspelt format would only fail on the day its sentence is needed."""
    words = {"label", "name", "chain"}
    for text in built_in_texts():
        found = set(re.findall(r"\{(\w+)\}", text.pattern))
        braces = re.findall(r"\{(?:(\w+) )?(\w+)\}", re.sub(r"\[[^\]]*\]", "", text.text))
        for how, what in braces:
            if how:
                assert how in words, text
                assert what in found, text
            else:
                assert what in found | FORMATS.keys() | {"stage"}, text
        for how, column in re.findall(r"\[(\w+) ([^\]]+)\]", text.text):
            assert how in FORMATS.keys() | {"stage"}, text
            assert set(re.findall(r"\{(\w+)\}", column)) <= found, text
        for condition in text.conditions:
            assert set(re.findall(r"\{(\w+)\}", condition[0] or "")) <= found, text


def test_columns_of_one_pattern_have_one_subject() -> None:
    """Otherwise the subject of a column would depend on its value."""
    subjects: dict[str, set[str]] = {}
    for text in built_in_texts():
        subjects.setdefault(text.pattern, set()).add(text.subject)
    assert {pattern: found for pattern, found in subjects.items() if len(found) > 1} == {}


def said_by(own: str, **values: float) -> str:
    """Word how often pricing was visited, with the rows of one's own before the package's."""
    texts = (*parse_texts((HEADER + own).encode(), "mine.csv"), *built_in_texts())
    writer = ReasonWriter(tuple(values), JOURNEY, texts)
    return writer.describe(0, np.array(list(values.values()), np.float32))[0]


def test_ones_own_rows_come_first_and_the_rest_stays() -> None:
    """Three better sentences should not cost a copy of the other hundred and thirty."""
    count = "counts.pricing.ever"
    assert said_by(GOOD, **{count: 0}) == "nothing of: pricing"
    assert said_by(GOOD, **{count: 3}) == said_by("", **{count: 3}) == "pricing 3 times"


def test_the_list_speaks_in_ones_own_words(tmp_path) -> None:
    """From the setting to the reasons of the list, and only the words change."""
    table = tmp_path / "mine.csv"
    table.write_text(HEADER + "{column},everything,,,Words\n")
    ours = settings().score
    mine = ours.model_copy(update={"reason_texts": table})
    plain, worded = (
        rank_prospects(world(), model=trained(), as_of=END, settings=chosen).frame
        for chosen in (ours, mine)
    )
    assert set(worded["reason_1"]) <= {"\u2191 Words", "\u2193 Words"}
    assert plain["reason_2"].notna().all()
    assert worded["reason_2"].isna().all()  # all columns are about one thing now
    assert worded["probability"].tolist() == plain["probability"].tolist()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param((HEADER + GOOD).encode("utf-8-sig"), id="byte order mark"),
        pytest.param((HEADER + GOOD).replace(",", ";").encode(), id="semicolons"),
        pytest.param((HEADER + GOOD).replace("\n", "\r\n").encode(), id="line ends of Windows"),
        pytest.param((HEADER + "\n" + GOOD + ",,,,\n").encode(), id="empty rows"),
        pytest.param((HEADER + GOOD).replace(",= 0,", ", = 0 ,").encode(), id="blanks"),
        pytest.param((HEADER + GOOD).replace(",= 0,", ',"= 0",').encode(), id="quotation marks"),
    ],
)
def test_what_spreadsheets_do_to_a_file_is_put_up_with(content: bytes) -> None:
    """None of it changes what the table says."""
    assert parse_texts(content, "mine.csv") == parse_texts((HEADER + GOOD).encode(), "mine.csv")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param("", "lacks `pattern`, `subject`", id="empty file"),
        pytest.param("pattern,subject,when,weak\n", "lacks `text`", id="missing column"),
        pytest.param("pattern,subject,when,weak,text,note\n", "has too much", id="extra column"),
        pytest.param(HEADER + GOOD + GOOD, "line 3: line 2 already has", id="duplicate key"),
        pytest.param(
            HEADER + "a,a,,,b\na,c,= 0,,b\n", "line 3: the pattern `a` has the subject `c` here "
            "and `a` further up", id="two subjects",
        ),
        pytest.param(HEADER + "a,a,,, \n", "line 2: `text` is empty", id="empty text"),
        pytest.param(HEADER + ",a,,,b\n", "line 2: `pattern` is empty", id="empty pattern"),
        pytest.param(HEADER + "a,a,,,b {tmes}\n", "`{tmes}` in `text` is neither a format nor in "
                     "the pattern. Did you mean `{times}`?", id="unknown placeholder"),
        pytest.param(HEADER + "a.{step},a,,,b {stp}\n", "Did you mean `{step}`?", id="misspelt"),
        pytest.param(HEADER + "a.{step},b {stage},,,b\n", "`{stage}` in `subject` is not in the "
                     "pattern", id="placeholder of the subject"),
        pytest.param(HEADER + "a.{step},b,[c.{stp}] > 0,,b\n", "`{stp}` in `when` is not in the "
                     "pattern", id="placeholder of a condition"),
        pytest.param(HEADER + "a,a,,,[agoo b.c]\n",
                     "`agoo` in `[agoo b.c]` is not a format. Did you "
                     "mean `ago`?", id="unknown format"),
        pytest.param(HEADER + "a.{k},a,,,{lable k}\n", "Did you mean `label`?", id="word's format"),
        pytest.param(HEADER + "a.{k},a,,,{label k}\n", "only a {step} has a label", id="no step"),
        pytest.param(HEADER + "a,a,,,b {times\n", "is not closed", id="open brace"),
        pytest.param(HEADER + "a.{k}.{k},a,,,b\n", "must be there only once", id="word twice"),
        pytest.param(HEADER + "a.{1},a,,,b\n", "begin with a letter", id="no word"),
        pytest.param(HEADER + "a,a,0,,b\n", "condition `0` is not understood", id="condition"),
        pytest.param(HEADER + "a,a,= 1.2.3,,b\n", "condition `= 1.2.3`", id="number"),
        pytest.param(HEADER + "a,a,,no,b\n", "`weak` is `no`", id="weak"),
        pytest.param(HEADER + "a,a,,,once, twice\n", "6 cells under 5 columns", id="comma"),
        pytest.param(HEADER + 'a,a,,,"b\nc"\n', "line break", id="line break"),
        pytest.param(HEADER + "a,a,,,caf\xe9\n", "line 2: this is not UTF-8", id="not UTF-8"),
    ],
)  # fmt: skip
def test_a_bad_edit_is_one_sentence_with_its_line(content: str, says: str, tmp_path) -> None:
    """Whoever edits words is no programmer: the line, what is wrong, and what was meant."""
    table = tmp_path / "mine.csv"
    table.write_bytes(content.encode("latin-1"))
    with pytest.raises(SettingsError) as error:
        read_texts(table)
    assert says in str(error.value)
    assert str(error.value).startswith(str(table))
    assert "\n" not in str(error.value)


def test_a_pattern_that_fits_no_column_is_named() -> None:
    """A misspelt step would be a row that never speaks, and nobody would know."""
    rows = "counts.pricing.ever,a,,,b\ncounts.prcing.ever,a,,,b\nattributes.x,a,,,b\n"
    texts = parse_texts((HEADER + rows).encode(), "mine.csv")
    names = ("counts.pricing.ever", "counts.blog.ever")
    assert unused_patterns(names, JOURNEY, texts) == ["counts.prcing.ever", "attributes.x"]


def test_a_table_that_is_not_there_is_missed_before_anything_is_scored(tmp_path) -> None:
    """A folder in its place cannot be read either."""
    gone = settings().score.model_copy(update={"reason_texts": tmp_path / "gone.csv"})
    with pytest.raises(MissingInputError, match=r"`score\.reason_texts`"):
        rank_prospects(world(), model=trained(), as_of=END, settings=gone)
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        read_texts(tmp_path)
