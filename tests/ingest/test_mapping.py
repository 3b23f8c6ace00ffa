"""A vendor nobody knows, described in YAML: what can be said, and what is said of mistakes."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from microconv.errors import MicroconvError, MissingColumnError, SettingsError
from worlds.exports import TABLE, Exports, day, iso, section

ROW = {"who": "ada", "when": iso(1), "what": "visit"}


def lines(*rows: dict[str, Any]) -> str:
    """Write JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_a_mapping_reaches_into_objects_and_lists(exports: Exports) -> None:
    """A pointer, a key with points, a member of a list, a constant, and a filter of rows."""
    rows = [
        {"visitor": {"id": who}, "at": iso(1), "kind": ["chat", "x"], "a.b": "c1", "to": [{"n": 5}],
         "test": test, "tags": ["new", "b2b"]}
        for who, test in (("ada", False), ("bob", True), ("cyd", None))
    ]  # fmt: skip
    exports.write("a.jsonl", lines(*rows))
    facts = exports.ingest(
        {
            "files": "a.jsonl",
            "columns": {"prospect_id": "/visitor/id", "time": "at", "event": "/kind/0",
                        "campaign_id": "a.b", "value": "/to/0/n", "category": "tags"},
            "constants": {"channel": "chat", "variant": "O'Neill \"B\""},
            "only": {"test": "false"},
            "rules": [{"category": "b2*", "name": "b2b_chat"}],
        }
    )  # fmt: skip
    names = ("prospect_id", "event_name", "campaign_id", "value", "channel", "variant")
    assert exports.events(*names) == [("ada", "b2b_chat", "c1", 5.0, "chat", 'O\'Neill "B"')]
    assert facts["sources"][0]["ignored"] == {"filtered": 2}


def test_a_mapping_reaches_into_structs_of_parquet(exports: Exports) -> None:
    """A warehouse keeps what was an object in JSON as a column with fields."""
    row = {"visitor": {"id": 7, "mail": "a\x00b"}, "at": day(1), "kind": ["visit"], "v.x": "c"}
    pq.write_table(pa.Table.from_pylist([row]), exports.write("a.parquet", b""))
    columns = {"prospect_id": "/visitor/id", "time": "at", "event": "/kind/0", "link": "v.x"}
    exports.ingest({"files": "a.parquet", "columns": columns})
    assert exports.events("prospect_id", "event_name", "link") == [("7", "visit", "c")]
    exports.ingest({"files": "a.parquet", "columns": columns | {"link": "visitor.mail"}})
    assert exports.rejected() == [("source0", 1, "nul_byte")]
    with pytest.raises(MissingColumnError, match=r"`/visitor/no` \(for `link`\).*`visitor`"):
        exports.ingest({"files": "a.parquet", "columns": columns | {"link": "/visitor/no"}})


def test_one_file_feeds_two_sources_that_take_other_rows_of_it(exports: Exports) -> None:
    """A table of all sorts of things is split by what its rows say."""
    rows = [ROW, ROW | {"what": "order", "who": "bob"}]
    exports.write("a.jsonl", lines(*rows))
    facts = exports.ingest(
        {"files": "a.jsonl", "only": {"what": "visit"}},
        {"files": "a.jsonl", "only": {"what": "ord*"}, "prefix": "shop_"},
    )
    assert facts["event_names"] == {"shop_order": 1, "visit": 1}


def test_when_a_row_became_known_is_no_part_of_it_however_deep(exports: Exports) -> None:
    """A webhook that is sent again has another date of arrival, and is the same event."""
    rows = [ROW | {"meta": {"got": iso(n), "n": 1}} for n in (3, 2)]
    exports.write("a.jsonl", lines(*rows))
    facts = exports.ingest({"files": "a.jsonl", "columns": TABLE | {"known_at": "/meta/got"}})
    assert facts["sources"][0]["duplicates"] == 1
    assert exports.events("visible_at") == [(day(2),)]


HOSTILE = (
    "'); DROP TABLE events; --",
    'a"b\\c',
    "$.a[*]",
    "a'b.c",
    "/x/~2/\"",
    "${HOME}{{7*7}}",
    "🦊\x01",
)  # fmt: skip


def test_a_key_is_data_whatever_it_says(exports: Exports) -> None:
    """A path is never part of a query: odd keys find what odd keys name, and nothing else."""
    keys = {name: f"{n} {HOSTILE[n]}" for n, name in enumerate(("campaign_id", "link", "variant"))}
    values = {"campaign_id": "c", "link": "https://fiction.example", "variant": "v"}
    row = ROW | {keys[name]: value for name, value in values.items()}
    row |= {"4 '; --": iso(2), '5 $[*]"': ["t1", "t2"]}
    exports.write("a.jsonl", lines(row))
    extra = {"known_at": "4 '; --", "category": '5 $[*]"'}
    rules = [{"category": "t2", "property": {keys["variant"]: "v"}, "name": "'; DROP TABLE x; --"}]
    exports.ingest({"files": "a.jsonl", "columns": TABLE | keys | extra, "rules": rules})
    [event] = exports.events()
    assert event == event | values | {"event_name": "'; DROP TABLE x; --", "visible_at": day(2)}
    header = ",".join(f'"{key.replace(chr(34), chr(34) * 2)}"' for key in row)
    cells = ",".join(f'"{v}"' if isinstance(v, str) else '"t1"' for v in row.values())
    exports.write("b.csv", f"{header}\n{cells}\n")
    exports.ingest({"files": "b.csv", "columns": TABLE | keys, "only": {keys["variant"]: "v"}})
    assert exports.events(*values) == [tuple(values.values())]


@pytest.mark.parametrize("key", HOSTILE)
def test_a_key_that_is_nowhere_is_named_and_runs_nothing(exports: Exports, key: str) -> None:
    """Nothing of it is code: not of SQL, not of a JSON path, not of a template."""
    exports.write("a.jsonl", lines(ROW))
    with pytest.raises(MissingColumnError) as error:
        exports.ingest({"files": "a.jsonl", "columns": TABLE | {"link": key}})
    assert "no line of it has such a key. Its keys are `what`, `when`, `who`" in str(error.value)


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"constants": {"chanel": "chat"}}, "`chanel`.*Did you mean `channel`"),
    ({"constants": {"time": iso(1)}}, "every row has its own"),
    ({"constants": {"event": "visit"}}, "`prefix` names every row"),
    ({"columns": TABLE | {"link": "what"}, "constants": {"link": "x"}}, "fills `link` twice"),
    ({"columns": TABLE | {"link": "a.b"}}, r"ambiguous.*Write `/a\.b` or `/a/b`"),
    ({"only": {"whta": "visit"}}, r"`whta` \(in `only`\).*Did you mean `what`"),
    ({"columns": TABLE | {"link": "/a/c"}}, r"`/a/c`.*no line of it.*`a\.b`"),
    ({"format": "messages", "columns": {"message_id": "who"}, "only": {"what": "x"}}, "`only`"),
]


@pytest.mark.parametrize(("change", "says"), MISTAKES, ids=lambda v: "" if isinstance(v, str) else
                         "-".join(v))  # fmt: skip
def test_a_mistake_in_a_mapping_is_named_with_the_way_out(
    exports: Exports, change: dict[str, Any], says: str
) -> None:
    """A mapping that quietly finds nothing would be missed only when the list is empty."""
    exports.write("a.jsonl", lines(ROW | {"a.b": 1}, ROW | {"a": {"b": 2}}))
    with pytest.raises((SettingsError, MissingColumnError), match=says):
        exports.ingest({"files": "a.jsonl"} | change)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("%d/%m/%Y %Z", "`%Z`.*`timezone`"),
        ("%H:%M", "lacks the `year`, `month`, `day`"),
        ("%d/%m/%Y %I:%M", "`%I` and `%p` need each other"),
        ("%Q%d/%m/%Y", "holds `%Q`"),
        ("%d/%m/%-Y", "holds `%-`"),
        ("%d/%m/%Y %", "holds `%`"),
    ],
)
def test_a_format_that_names_no_instant_is_refused_when_it_is_read(written: str, says: str) -> None:
    """In params.yaml, before any file is opened."""
    with pytest.raises(ValidationError, match=says):
        section({"files": "a.csv", "time_format": written})


def test_no_row_of_a_broken_source_is_a_traceback(exports: Exports) -> None:
    """A unit that fits no row is told as refused rows, with the reason."""
    exports.write("a.jsonl", lines(ROW | {"when": 1704153600}))
    with pytest.raises(MicroconvError, match=r"1 of 1 rows .* implausible_time"):
        exports.ingest({"files": "a.jsonl", "time_unit": "milliseconds"}, max_rejected_share=0.5)
