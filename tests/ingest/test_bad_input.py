"""One test per way in which an export can be broken: a clear error or a quarantine."""

from __future__ import annotations

import gzip
import json
import resource

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from microconv.errors import (
    MicroconvError,
    MissingColumnError,
    MissingInputError,
    RejectedRowsError,
    SettingsError,
    SourceError,
)
from worlds.exports import Exports, day, iso

HEADER = "who,when,what\n"
GOOD = f"ada,{iso(1)},visit\n"
VALUED = {"prospect_id": "who", "time": "when", "event": "what", "value": "money"}


def line(**fields: object) -> str:
    """Write one JSON line; what is given changes it."""
    return json.dumps({"who": "ada", "when": iso(1), "what": "visit"} | fields) + "\n"


def test_a_missing_file_is_named_with_what_lies_there_instead(exports: Exports) -> None:
    """A typo in a name is found fastest by looking at the folder."""
    exports.write("visit_2024.csv", HEADER)
    with pytest.raises(MissingInputError, match=r"visits\.csv.*contains `visit_2024\.csv`"):
        exports.ingest({"files": "visits.csv"})


def test_a_glob_without_a_match_is_a_missing_file(exports: Exports) -> None:
    """No file is not the same as an empty one."""
    exports.write("a.csv", HEADER)
    with pytest.raises(MissingInputError, match=r"nothing matches .*b\*\.csv"):
        exports.ingest({"files": "b*.csv"})


def test_an_unset_variable_in_a_path_is_named(exports: Exports) -> None:
    """A path that silently lost its first part would point anywhere."""
    with pytest.raises(MissingInputError, match="environment variable NO_SUCH_FOLDER"):
        exports.ingest({"files": "${NO_SUCH_FOLDER}/a.csv"})


def test_variables_in_a_path_are_expanded(
    exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One params.yaml serves machines that keep their data in different places."""
    path = exports.write("elsewhere/a.csv", HEADER + GOOD)
    monkeypatch.setenv("ELSEWHERE", str(path.parent))
    assert exports.ingest({"files": "${ELSEWHERE}/a.csv"})["events"] == 1


@pytest.mark.parametrize("content", [b"", b"\n\n", gzip.compress(b"")], ids=["0", "blank", "gz"])
def test_an_empty_csv_is_an_error(exports: Exports, content: bytes) -> None:
    """Not even a header: the export failed, and zero events would hide that."""
    exports.write("a.csv", content)
    with pytest.raises(SourceError, match=r"a\.csv is empty"):
        exports.ingest({"files": "a.csv"})


def test_a_header_cut_off_by_a_broken_gzip_is_not_called_empty(exports: Exports) -> None:
    """The file holds something: the download broke, and that is what must be fixed."""
    exports.write("a.csv.gz", gzip.compress((HEADER + GOOD).encode())[:14])
    with pytest.raises(SourceError, match=r"no whole header: the gzip stream ends before"):
        exports.ingest({"files": "a.csv.gz"})


def test_lines_that_end_in_a_carriage_return_alone_are_named(exports: Exports) -> None:
    """To every reader of lines such a file is one line; the way out is one command."""
    exports.write("a.csv", (HEADER + GOOD).replace("\n", "\r"))
    with pytest.raises(SourceError, match=r"carriage return alone.*`tr '\\r' '\\n'`"):
        exports.ingest({"files": "a.csv"})


def test_a_folder_where_a_file_is_promised_is_called_one(exports: Exports) -> None:
    """Nothing matches a.csv, there is a.csv: that answer would send anybody astray."""
    exports.write("a.csv/part-0.csv", HEADER + GOOD)
    with pytest.raises(MissingInputError, match=r"a\.csv, which is a folder.*`/\*`"):
        exports.ingest({"files": "a.csv"})
    assert exports.ingest({"files": "a.csv/*"})["events"] == 1


def test_a_pattern_that_is_none_is_named(exports: Exports) -> None:
    """Python 3.13 takes it for `a*.csv`, older ones raise: neither with a traceback."""
    exports.write("b.csv", HEADER + GOOD)
    with pytest.raises(SourceError, match=r"a\*\*\.csv"):
        exports.ingest({"files": "a**.csv"})


def test_an_encoding_nobody_knows_is_named(exports: Exports) -> None:
    """XML may declare any."""
    exports.write("a.xes", b'<?xml version="1.0" encoding="klingon"?><log></log>')
    with pytest.raises(SourceError, match=r"a\.xes.*klingon.*UTF-8"):
        exports.ingest({"format": "xes", "files": "a.xes"})


def test_json_nested_beyond_sense_costs_its_own_line(exports: Exports) -> None:
    """A hundred thousand brackets are valid JSON, and more than a reader can descend."""
    deep = line(who="bob")[:-2] + ', "x": ' + "[" * 100_000 + "]" * 100_000 + "}\n"
    exports.write("a.jsonl", line() + deep)
    columns = {"prospect_id": "who", "time": "when", "event": "what", "link": "nowhere"}
    with pytest.raises(MissingColumnError, match="`nowhere`"):
        exports.ingest({"files": "a.jsonl", "columns": columns})


def test_a_file_that_two_sources_read_alike_is_refused(exports: Exports) -> None:
    """Overlapping globs would count every visit twice, and no count would show it."""
    exports.write("a.csv", HEADER + GOOD)
    with pytest.raises(SettingsError, match=r"`source0` and `source1` both read .*a\.csv"):
        exports.ingest({"files": "*.csv"}, {"files": "a.csv"})


def test_a_file_may_feed_two_sources_in_two_ways(exports: Exports) -> None:
    """One row per lead with two dates is two events; one log split by name is split."""
    exports.write("a.csv", f"who,met,bought\nada,{iso(1)},{iso(2)}\n")
    columns = [{"prospect_id": "who", "time": name} for name in ("met", "bought")]
    facts = exports.ingest(
        {"files": "a.csv", "columns": columns[0], "prefix": "met"},
        {"files": "a.csv", "columns": columns[1], "prefix": "bought"},
    )
    assert facts["event_names"] == {"bought": 1, "met": 1}


@pytest.mark.parametrize(("name", "content"), [("a.csv", HEADER), ("a.jsonl", "")])
def test_a_file_without_rows_is_zero_rows_and_said(
    exports: Exports, name: str, content: str
) -> None:
    """A day without events happens; the report shows the zero."""
    exports.write(name, content)
    facts = exports.ingest({"files": name})
    assert facts["sources"][0]["rows"] == 0


@pytest.mark.parametrize(("name", "content"), [("a.csv", HEADER + GOOD), ("a.jsonl", line())])
def test_a_wrong_column_is_named_with_the_columns_there_are(
    exports: Exports, name: str, content: str
) -> None:
    """Also in JSON lines, where no header names the keys."""
    exports.write(name, content)
    columns = {"prospect_id": "who", "time": "when", "event": "whta"}
    with pytest.raises(MissingColumnError, match=r"`whta`.*`what`.*Did you mean `what`"):
        exports.ingest({"files": name, "columns": columns})


def test_a_wrong_column_of_parquet_is_named(exports: Exports) -> None:
    """The third of the formats a table may have."""
    table = pa.table({"who": ["ada"], "when": [day(1)], "what": ["visit"]})
    pq.write_table(table, exports.write("a.parquet", b""))
    with pytest.raises(MissingColumnError, match=r"`wen`.*`when`"):
        exports.ingest({"files": "a.parquet", "columns": {"prospect_id": "who", "time": "wen",
                                                          "event": "what"}})  # fmt: skip


def test_a_field_that_does_not_exist_is_named(exports: Exports) -> None:
    """`columns` maps fields of the events table; a typo there would fill nothing."""
    exports.write("a.csv", HEADER + GOOD)
    columns = {"prospect_id": "who", "tme": "when", "event": "what"}
    with pytest.raises(SettingsError, match=r"`tme`.*Did you mean `time`"):
        exports.ingest({"files": "a.csv", "columns": columns})


INSTANTS = {
    "2024-01-05 10:00:00": "naive_time",
    "2024-01-05": "naive_time",
    "05/01/2024 10:00": "bad_time",
    "yesterday": "bad_time",
    "2024-02-30T00:00:00Z": "bad_time",
    "1970-01-01T00:00:00Z": "implausible_time",
    "0": "implausible_time",
    "2099-01-01T00:00:00Z": "implausible_time",
    "2026-01-01T00:00:00Z": "implausible_time",
    "1e300": "bad_time",
    "": "no_time",
}


def test_instants_that_mean_nothing_are_refused(exports: Exports) -> None:
    """A row dated 1970 or 2099 must not reach the log, where it would move its ends."""
    rows = "".join(f"bob,{when},visit\n" for when in INSTANTS)
    exports.write("a.csv", HEADER + GOOD + rows)
    exports.ingest({"files": "a.csv"})
    rejected = enumerate(INSTANTS.values(), start=3)
    assert exports.rejected() == [("source0", row, reason) for row, reason in rejected]
    assert exports.events("prospect_id") == [("ada",)]


CSV_ROWS = [
    (b"bob,%b,vi\0sit\n", "nul_byte"),
    (b"bob,%b,caf\xe9\n", "bad_utf8"),
    (b" ,%b,visit\n", "no_prospect"),
    (b"bob,%b, \n", "no_event"),
    (b"bob,%b\n", "wrong_columns"),
    (b"bob,%b,visit,more\n", "wrong_columns"),
    (b'bob,%b,"visit\n', "open_quote"),
]


@pytest.mark.parametrize("clean_quotes", [True, False], ids=["at once", "record by record"])
def test_broken_csv_rows_are_lost_alone(exports: Exports, clean_quotes: bool) -> None:
    """The rows around them are read; an open quotation mark does not swallow the file."""
    rows = [row for row in CSV_ROWS if not clean_quotes or row[1] in ("no_event", "wrong_columns")]
    good = [f"p{n},{iso(n)},visit\n".encode() for n in range(len(rows) + 1)]
    broken = [bad.replace(b"%b", iso(2).encode()) for bad, _ in rows]
    mixed = [part for pair in zip(good, [*broken, b""], strict=True) for part in pair]
    exports.write("a.csv", HEADER.encode() + b"".join(mixed))
    exports.ingest({"files": "a.csv"})
    lines = range(3, 3 + 2 * len(rows), 2)
    assert exports.rejected() == [
        ("source0", line, reason) for line, (_, reason) in zip(lines, rows, strict=True)
    ]
    assert exports.events("prospect_id") == [(f"p{n}",) for n in range(len(good))]


JSON_LINES = [
    (b'{"who": "bob", "when": \n', "bad_json"),
    (b"half a line\n", "bad_json"),
    (b'[{"who": "bob"}]\n', "not_an_object"),
    (b'"bob"\n', "not_an_object"),
    (b"17\n", "not_an_object"),
    (b"null\n", "not_an_object"),
    (b'{"who": "b\xffb", "when": "2024-01-02T00:00:00Z", "what": "x"}\n', "bad_utf8"),
    (b'{"who": "b\0b", "when": "2024-01-02T00:00:00Z", "what": "x"}\n', "nul_byte"),
    (b'{"who": "b\\u0000b", "when": "2024-01-02T00:00:00Z", "what": "x"}\n', "nul_byte"),
    (b'{"who": "", "when": "2024-01-02T00:00:00Z", "what": "x"}\n', "no_prospect"),
    (b'{"who": null, "when": "2024-01-02T00:00:00Z", "what": "x"}\n', "no_prospect"),
    (b'{"when": "2024-01-02T00:00:00Z", "what": "x"}\n', "no_prospect"),
    (b'{"who": "bob", "when": "2024-01-02T00:00:00Z"}\n', "no_event"),
    (b'{"who": "bob", "when": "2024-01-02T00:00:00Z", "what": "x', "bad_json"),
]


def test_broken_json_lines_are_lost_alone(exports: Exports) -> None:
    """The lines around them are read, blank ones are none, and the quarantine names the row."""
    content = b"\n".join(line(who=f"p{n:02d}").encode() + bad.rstrip(b"\n")
                         for n, (bad, _) in enumerate(JSON_LINES))  # fmt: skip
    exports.write("a.jsonl", content.replace(b"}\n\n", b"}\n"))
    exports.ingest({"files": "a.jsonl"})
    reasons = [reason for _, reason in JSON_LINES]
    assert exports.rejected() == [
        ("source0", 2 * n + 2, reason) for n, reason in enumerate(reasons)
    ]
    assert exports.events("prospect_id") == [(f"p{n:02d}",) for n in range(len(reasons))]


def test_an_id_that_is_an_object_is_refused_and_a_guid_in_braces_is_not(exports: Exports) -> None:
    """Kept as text, every `{"id": …}` would be one more unknown prospect."""
    bad = [{"id": 7}, {}, ["ada"], [7], [], [["x"]], [{}]]
    good = ["{3F2504E0-4F89-11D3-9A0C-0305E82C3301}", "[x]", "{x}"]
    exports.write("a.jsonl", "".join(line(who=who) for who in [*bad, *good]))
    exports.ingest({"files": "a.jsonl"})
    assert [reason for _, _, reason in exports.rejected()] == ["bad_type"] * len(bad)
    assert {who for (who,) in exports.events("prospect_id")} == set(good)


def test_an_id_that_holds_an_object_as_text_is_refused_too(exports: Exports) -> None:
    """A spreadsheet has no objects, only what a program wrote out in its stead."""
    exports.write("a.csv", 'who,when,what\n"{""id"": 7}",2024-01-02T00:00:00Z,blog\n')
    exports.ingest({"files": "a.csv"})
    assert [reason for _, _, reason in exports.rejected()] == ["bad_id"]


def test_a_value_that_is_not_a_number_is_refused(exports: Exports) -> None:
    """A guess at what `1,200` means would be wrong for half of the world."""
    bad = ["n/a", "1,200", "nan", "inf", "12 EUR", "0x10", "1_000", True, [1]]
    good = {"a": 12.5, "b": "3.5", "c": "-1e3", "d": "", "e": None}
    rows = [line(who=who, money=money) for who, money in good.items()]
    exports.write("a.jsonl", "".join(rows + [line(money=money) for money in bad]))
    exports.ingest({"files": "a.jsonl", "columns": VALUED})
    assert [reason for _, _, reason in exports.rejected()] == ["bad_value"] * len(bad)
    assert exports.events("value") == [(12.5,), (3.5,), (-1000.0,), (None,), (None,)]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_truncated_gzip_keeps_what_came_before_the_cut(exports: Exports, kind: str) -> None:
    """A download that broke off: the cut is one rejected row, with its number."""
    lead = HEADER if kind == "csv" else ""
    rows = [
        f"p{n:05d},{iso(n / 1000)},visit\n" if kind == "csv" else line(who=f"p{n:05d}")
        for n in range(20_000)
    ]
    whole = gzip.compress((lead + "".join(rows)).encode())
    exports.write(f"a.{kind}.gz", whole[: len(whole) // 2])
    facts = exports.ingest({"files": f"a.{kind}.gz"})
    [(_, row, reason)] = exports.rejected()
    kept = exports.events("prospect_id")
    assert reason == "truncated"
    assert kept == [(f"p{n:05d}",) for n in range(len(kept))]
    assert 2_000 < len(kept) < 20_000
    assert row == len(kept) + (2 if kind == "csv" else 1)
    assert facts["sources"][0]["rows"] == len(kept) + 1


def test_a_file_that_says_gz_and_is_not_is_read(exports: Exports) -> None:
    """Some downloads unzip on the way and keep the name; the first bytes decide."""
    exports.write("a.csv.gz", HEADER + GOOD)
    exports.write("b.csv", gzip.compress((HEADER + GOOD.replace("ada", "bob")).encode()))
    assert exports.ingest({"files": "*.csv*"})["events"] == 2


def test_a_parquet_file_that_is_none_is_an_error(exports: Exports) -> None:
    """Nothing of it can be saved, so nothing is."""
    exports.write("a.parquet", b"PAR1 and then nothing")
    with pytest.raises(SourceError, match=r"a\.parquet is not a whole Parquet file"):
        exports.ingest({"files": "a.parquet"})


def test_a_name_that_says_no_kind_is_an_error(exports: Exports) -> None:
    """The kinds that can be read are listed."""
    exports.write("a.xlsx", b"PK")
    with pytest.raises(SourceError, match=r"a\.xlsx is of no kind.*\.csv.*\.parquet.*\.jsonl"):
        exports.ingest({"files": "a.xlsx"})


def test_too_many_refused_rows_stop_the_run(exports: Exports) -> None:
    """The old log stays complete, and the rejected rows can be inspected."""
    exports.write("a.csv", HEADER + GOOD)
    exports.ingest({"files": "a.csv"})
    exports.write("a.csv", HEADER + GOOD * 8 + "bob,yesterday,visit\n,,visit\n")
    with pytest.raises(RejectedRowsError) as error:
        exports.ingest({"files": "a.csv", "name": "web"}, max_rejected_share=0.1)
    message = str(error.value)
    assert "2 of 10 rows (20.0%) of the source `web`" in message
    assert "1 bad_time" in message
    assert "row 10 bad_time (time: yesterday)" in message
    assert str(exports.outputs.quarantine) in message
    assert exports.rejected() == [("web", 10, "bad_time"), ("web", 11, "no_prospect")]
    assert len(exports.events()) == 1


def test_a_share_at_the_limit_is_allowed(exports: Exports) -> None:
    """The limit is a limit, not a trap: exactly a tenth of a tenth passes."""
    exports.write("a.csv", HEADER + GOOD * 9 + "bob,yesterday,visit\n")
    exports.ingest({"files": "a.csv"}, max_rejected_share=0.1)
    assert exports.rejected() == [("source0", 11, "bad_time")]


def test_a_disk_that_refuses_leaves_the_old_log_whole(exports: Exports) -> None:
    """A real error of the system, in the middle of writing."""
    exports.write("a.csv", HEADER + GOOD)
    exports.ingest({"files": "a.csv"})
    exports.write("a.csv", HEADER + GOOD + f"bob,{iso(2)},visit\n")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, before[1]))
    try:
        with pytest.raises(MicroconvError, match=r"Could not write .*log.*old output stays"):
            exports.ingest({"files": "a.csv"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert exports.events("prospect_id") == [("ada",)]
    names = sorted(path.name for path in exports.folder.iterdir())
    assert names == ["ingest.json", "log", "quarantine.parquet", "raw"]


def test_a_million_duplicates_are_one_event(exports: Exports) -> None:
    """A vendor that repeats itself costs time, not memory, and no events."""
    table = pa.table({
        "who": pa.array(["ada"] * 1_000_000 + ["bob"]),
        "when": pa.array([day(1)] * 1_000_001, pa.timestamp("us", tz="UTC")),
        "what": pa.array(["visit"] * 1_000_001),
    })  # fmt: skip
    pq.write_table(table, exports.write("a.parquet", b""))
    facts = exports.ingest({"files": "a.parquet"})
    assert facts["sources"][0]["duplicates"] == 999_999
    assert exports.events("prospect_id") == [("ada",), ("bob",)]
