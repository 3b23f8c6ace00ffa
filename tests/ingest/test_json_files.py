"""JSON files that are one list, cut into their elements."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from microconv.ingest.sources.json_files import Element, split_list
from worlds.exports import Exports, iso

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(values=st.lists(VALUES), indent=st.sampled_from([None, 2]), cut=st.integers(1, 40))
def test_the_elements_of_a_list_are_what_json_says_they_are(
    values: list[object], indent: int | None, cut: int
) -> None:
    """However it is written, and wherever the bytes are cut into blocks."""
    text = json.dumps(values, indent=indent, ensure_ascii=False).encode()
    chunks = [text[place : place + cut] for place in range(0, len(text), cut)]
    elements = list(split_list(chunks))
    assert [json.loads(element.data) for element in elements] == values
    assert not [element for element in elements if element.fault]


def test_a_list_that_breaks_off_keeps_what_came_before() -> None:
    """What is left of the last element is shown, and called the end."""
    cut = "the list ends before its last bracket"
    assert list(split_list([b'[{"a": 1}, {"a": "]']))[1:] == [
        Element(b' {"a": "]', "truncated", cut)
    ]


def test_text_behind_a_list_is_not_lost_unseen() -> None:
    """Another list is read on; anything else is one refused row."""
    assert [e.data for e in split_list([b"[1]\n[2", b",3] "])] == [b"1", b"2", b"3"]
    assert [e.fault for e in split_list([b'[1] {"a": 2}'])] == [None, "truncated"]


def test_an_element_that_is_no_object_costs_itself(exports: Exports) -> None:
    """Rows are numbered by their place in the list."""
    good = {"who": "ada", "when": iso(1), "what": "visit 🦊"}
    text = json.dumps([good, 17, "[", good | {"who": "bob"}], indent=1, ensure_ascii=False)
    broken = text.encode().replace(b"17", b"nul") + b"\n"
    exports.write("a.json", b"\xef\xbb\xbf \n" + broken.replace(b"bob", b"b\xffb"))
    exports.ingest({"files": "a.json"})
    assert exports.events("prospect_id") == [("ada",)]
    assert exports.rejected() == [
        ("source0", 2, "bad_json"), ("source0", 3, "not_an_object"), ("source0", 4, "bad_utf8"),
    ]  # fmt: skip
