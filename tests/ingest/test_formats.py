"""What vendors send, format by format."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from microconv.errors import SettingsError, SourceError
from worlds.exports import TABLE, Exports, day, iso

RENAMED = {"prospect_id": "who", "time": "when", "event": "what", "value": "money",
           "known_at": "heard", "event_id": "id"}  # fmt: skip


def test_one_table_in_every_clothing_is_one_log(exports: Exports) -> None:
    """CSV with commas, semicolons or tabs, Parquet and JSON lines say the same."""
    rows = [("ada", iso(1), "visit", 2.5, iso(2), "i1"), ("bob", iso(3), "a b", None, iso(3), "i2")]
    names = list(RENAMED.values())
    for name, delimiter in (("comma.csv", ","), ("semicolon.csv", ";"), ("tab.tsv.gz", "\t")):
        lines = [names, *(["" if v is None else str(v) for v in row] for row in rows)]
        text = "\ufeff" + "\r\n".join(delimiter.join(row) for row in lines)
        exports.write(name, gzip.compress(text.encode()) if name.endswith("gz") else text)
    dicts = [dict(zip(names, row, strict=True)) for row in rows]
    exports.write("lines.jsonl", "\n".join(json.dumps(row) for row in dicts))
    pq.write_table(pa.Table.from_pylist(dicts), exports.write("typed.parquet", b""))
    logs = []
    for name in ("comma.csv", "semicolon.csv", "tab.tsv.gz", "lines.jsonl", "typed.parquet"):
        exports.ingest({"files": name, "columns": RENAMED})
        logs.append(exports.events())
    assert [row["prospect_id"] for row in logs[0]] == ["ada", "bob"]
    assert (logs[0][0]["time"], logs[0][0]["visible_at"]) == (day(1), day(2))
    assert (logs[0][0]["value"], logs[0][0]["event_id"]) == (2.5, "i1")
    assert all(log == logs[0] for log in logs)


def test_a_glob_reads_files_with_different_columns(exports: Exports) -> None:
    """Vendors add a column in March; rows of several files keep their own numbers."""
    exports.write("a.csv", f"who,when,what\nada,{iso(1)},visit\n,,\n")
    exports.write("b.csv", f"what,extra,who,when\nvisit,x,bob,{iso(2)}\nvisit,x,bob,never\n")
    exports.write("c.csv", f"who,when,what\ncyd,{iso(3)},visit\ncyd,{iso(3)},\n")
    tables = [pa.table({"who": [who], "when": [day(4)], "what": ["visit"]}) for who in ("d", "e")]
    pq.write_table(tables[0], exports.write("d.parquet", b""))
    pq.write_table(tables[1], exports.write("e.parquet", b""))
    exports.ingest({"files": "*"})
    assert exports.events("prospect_id") == [("ada",), ("bob",), ("cyd",), ("d",), ("e",)]
    details = pq.read_table(exports.outputs.quarantine).to_pylist()
    assert [(row["row"], row["reason"], row["detail"]) for row in details] == [
        (3, "bad_time", "b.csv: time: never"),
        (3, "no_event", "c.csv"),
    ]


def test_quoted_fields_hold_line_ends_and_delimiters(exports: Exports) -> None:
    """Row numbers are those of the lines on which the rows begin."""
    rows = f'"a\nd""a",{iso(1)},"vi,sit"\nbob,never,visit\n'
    exports.write("a.csv", "who,when,what\n" + rows)
    exports.ingest({"files": "a.csv"})
    assert exports.events("prospect_id", "event_name") == [('a\nd"a', "vi,sit")]
    assert exports.rejected() == [("source0", 4, "bad_time")]


def test_a_table_without_an_event_column_is_named_by_its_prefix(exports: Exports) -> None:
    """A table of purchases: every row is one. Without either, nobody knows what it is."""
    exports.write("a.csv", f"who,when\nada,{iso(1)}\n")
    columns = {"prospect_id": "who", "time": "when"}
    exports.ingest({"files": "a.csv", "columns": columns, "prefix": "purchase"})
    assert exports.events("event_name") == [("purchase",)]
    with pytest.raises(SettingsError, match="no `event` and has no `prefix`"):
        exports.ingest({"files": "a.csv", "columns": columns})


def test_numbers_as_ids_are_written_without_a_point(exports: Exports) -> None:
    """A missing id makes pandas turn the others into floats; 7.0 is the CRM's 7."""
    table = pa.table({"who": [7.0, float("nan")], "when": [day(1)] * 2, "what": ["visit"] * 2})
    pq.write_table(table, exports.write("a.parquet", b""))
    exports.ingest({"files": "a.parquet"})
    assert exports.events("prospect_id") == [("7",)]
    assert exports.rejected() == [("source0", 2, "no_prospect")]


def test_duplicates_are_told_by_the_vendors_id(exports: Exports) -> None:
    """The earliest known stays; the same id in another source is another event."""
    columns = TABLE | {"event_id": "id", "known_at": "heard"}
    lines = [f"ada,{iso(1)},late,7,{iso(5)}", f"bob,{iso(1)},early,7,{iso(2)}"]
    exports.write("a.csv", "who,when,what,id,heard\n" + "\n".join(lines))
    exports.write("b.csv", f"who,when,what,id,heard\ncyd,{iso(1)},other,7,{iso(1)}\n")
    facts = exports.ingest(
        {"files": "a.csv", "columns": columns}, {"files": "b.csv", "columns": columns}
    )
    assert exports.events("prospect_id", "event_name") == [("bob", "early"), ("cyd", "other")]
    assert [source["duplicates"] for source in facts["sources"]] == [1, 0]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_duplicates_without_an_id_are_told_by_their_content(exports: Exports, kind: str) -> None:
    """A column nobody mapped makes another row; when it became known does not."""
    rows = [
        {"who": "ada", "when": iso(1), "what": "visit", "heard": iso(3), "button": "left"},
        {"who": "ada", "when": iso(1), "what": "visit", "heard": iso(2), "button": "left"},
        {"who": "ada", "when": iso(1), "what": "visit", "heard": iso(4), "button": "right"},
    ]
    if kind == "csv":
        lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    else:
        lines = [json.dumps(row) for row in rows]
    exports.write(f"a.{kind}", "\n".join(lines))
    facts = exports.ingest({"files": f"a.{kind}", "columns": TABLE | {"known_at": "heard"}})
    assert facts["sources"][0]["duplicates"] == 1
    assert exports.events("visible_at") == [(day(2),), (day(4),)]


SENDGRID = {
    "email": "Ada@Example.com", "timestamp": 1704153600, "event": "click", "sg_event_id": "e1",
    "sg_message_id": "m1", "url": "https://example.com/pricing?x=1", "category": ["news", "b2b"],
    "useragent": "curl/8", "campaign": "spring", "unique_args": {"plan": "pro"},
}  # fmt: skip


def test_a_sendgrid_event_is_read_as_the_webhook_sends_it(exports: Exports) -> None:
    """Epoch seconds, the address hashed, custom arguments by their keys."""
    rows = [
        SENDGRID,
        SENDGRID | {"sg_event_id": "e2", "event": "open", "category": "b2b", "url": None},
        SENDGRID | {"sg_event_id": "e3", "event": "processed"},
        SENDGRID | {"sg_event_id": "e4", "category": []},
    ]
    exports.write("mail.jsonl", "\n".join(json.dumps(row) for row in rows))
    rules = [
        {"event": "click", "category": "new?", "property": {"plan": "p*"}, "name": "news_click"},
        {"category": "b2b", "name": "b2b"},
    ]
    facts = exports.ingest(
        {"format": "sendgrid", "files": "mail.jsonl", "rules": rules, "prefix": "mail_",
         "ignore": ["proc*"], "columns": {"campaign_id": "campaign"}},
    )  # fmt: skip
    assert facts["sources"][0]["ignored"] == {"name": 1}
    first = next(row for row in exports.events() if row["event_id"] == "e1")
    assert first == first | {
        "prospect_id": "ada@example.com", "time": day(1), "visible_at": day(1), "channel": "email",
        "event_name": "news_click", "message_id": "m1", "campaign_id": "spring", "value": None,
        "link": "https://example.com/pricing?x=1", "client": "script", "human_probability": 1.0,
    }  # fmt: skip
    assert len(first["address"]) == 16
    assert "ada" not in first["address"]
    names = {row["event_id"]: row["event_name"] for row in exports.events()}
    assert names == {"e1": "news_click", "e2": "b2b", "e4": "mail_click"}


def test_segment_calls_are_read_as_the_spec_says(exports: Exports) -> None:
    """Track, page and identify; value, link and properties where Segment puts them."""
    calls = [
        {"type": "track", "event": "Order", "userId": "u", "timestamp": iso(1), "messageId": "1",
         "properties": {"revenue": "12.5", "plan": {"size": "xl"}}, "receivedAt": iso(2),
         "context": {"page": {"url": "https://example.com/cart"}, "campaign": {"name": "c"}}},
        {"type": "page", "name": "Home", "userId": "u", "timestamp": iso(3), "messageId": "2",
         "properties": {"path": "/pricing", "url": None}},
        {"event": "Untyped", "userId": "u", "originalTimestamp": iso(4), "messageId": "3"},
        {"type": "identify", "userId": "u", "timestamp": iso(4)},
        {"type": "group", "userId": "u", "timestamp": iso(4), "groupId": "g"},
        {"type": "dance", "userId": "u", "timestamp": iso(4), "event": "x"},
    ]  # fmt: skip
    exports.write("web.jsonl", "\n".join(json.dumps(call) for call in calls))
    rules = [{"property": {"plan.size": "x?"}, "name": "big"},
             {"event": "Page Viewed", "link": "/pricing", "name": "pricing"}]  # fmt: skip
    facts = exports.ingest({"format": "segment", "files": "web.jsonl", "rules": rules})
    columns = ("event_id", "event_name", "value", "link", "campaign_id", "visible_at")
    assert exports.events(*columns) == [
        ("1", "big", 12.5, "https://example.com/cart", "c", day(2)),
        ("2", "pricing", None, "/pricing", None, day(3)),
        ("3", "Untyped", None, None, None, day(4)),
    ]
    assert facts["sources"][0]["ignored"] == {"identity": 2}
    assert exports.rejected() == [("source0", 6, "no_event")]


def test_prospects_keep_their_attributes_with_their_instants(exports: Exports) -> None:
    """Numbers only where every value is one; codes with leading zeros stay codes."""
    exports.write(
        "crm.csv",
        "id,since,mail,size,score,zip\n"
        f"c1,{iso(1)},a@example.com,1-10,7,01234\nc1,{iso(5)},a@example.com,11-50,7.5,99999\n"
        f"c2,{iso(2)},,,,\nc2,{iso(2)},,,,\n,{iso(2)},,,,\nc3,,,,,\nc4,never,,,,\n",
    )
    columns = {"prospect_id": "id", "known_at": "since", "email": "mail", "post_code": "zip"}
    facts = exports.ingest(
        {"format": "prospects", "files": "crm.csv", "columns": columns,
         "attributes": ["size", "score", "post_code"]},
    )  # fmt: skip
    rows = exports.prospects()
    assert [(r["prospect_id"], r["known_at"]) for r in rows] == [
        ("c1", day(1)), ("c1", day(5)), ("c2", day(2)),
    ]  # fmt: skip
    assert rows[1] == rows[1] | {"size": "11-50", "score": 7.5, "post_code": "99999"}
    assert rows[0]["post_code"] == "01234"
    reasons = [reason for _, _, reason in exports.rejected()]
    assert reasons == ["no_prospect", "no_time", "bad_time"]
    assert (facts["prospects"], facts["sources"][0]["duplicates"]) == (3, 1)


def test_messages_are_kept_each_once(exports: Exports) -> None:
    """A message may have no date; its position is a whole number."""
    exports.write(
        "m.csv", f"id,place,at\nm2,2,\nm1,1,{iso(1)}\nm1,1,{iso(1)}\n,3,\nm3,x,\nm4,1.5,\n"
    )
    columns = {"message_id": "id", "position": "place", "sent_at": "at"}
    facts = exports.ingest({"format": "messages", "files": "m.csv", "columns": columns})
    rows = pq.read_table(exports.outputs.log / "messages.parquet").to_pylist()
    assert [(r["message_id"], r["position"], r["sent_at"]) for r in rows] == [
        ("m1", 1, day(1)), ("m2", 2, None),
    ]  # fmt: skip
    assert facts["sources"][0]["rejected"] == {"bad_value": 2, "no_message": 1}
    assert facts["sources"][0]["duplicates"] == 1


XES = """<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="1.0" xmlns="http://www.xes-standard.org/">
  <global scope="event"><string key="concept:name" value="UNKNOWN"/></global>
  <trace>
    <string key="concept:name" value="case 1"/><int key="AMOUNT" value="500"/>
    <event><string key="concept:name" value="submit"/><float key="cost" value="2.5">
        <string key="concept:name" value="nested, not the event's"/></float>
      <string key="lifecycle:transition" value="COMPLETE"/>
      <date key="time:timestamp" value="2024-01-02T01:00:00.000+01:00"/></event>
    <event><string key="concept:name" value="call"/>
      <date key="time:timestamp" value="2024-01-03T00:00:00Z"/></event>
    <event><string key="concept:name" value="call"/>
      <date key="time:timestamp" value="2024-01-03T00:00:00Z"/></event>
  </trace>
  <trace><event><string key="concept:name" value="orphan"/>
      <date key="time:timestamp" value="2024-01-03T00:00:00Z"/></event></trace>
</log>"""
XES_SOURCE = {"format": "xes", "files": "log.xes", "attributes": ["amount"],
              "columns": {"amount": "AMOUNT", "value": "cost"}}  # fmt: skip


def test_a_trace_is_a_prospect_and_its_repeated_events_are_kept(exports: Exports) -> None:
    """Two identical calls in a trace are two calls: XES lists each event once."""
    exports.write("log.xes", XES)
    exports.ingest(XES_SOURCE)
    assert exports.events("prospect_id", "time", "event_name", "value") == [
        ("case 1", day(1), "submit|COMPLETE", 2.5),
        ("case 1", day(2), "call", None),
        ("case 1", day(2), "call", None),
    ]
    assert exports.rejected() == [("source0", 4, "no_prospect")]
    [case] = exports.prospects()
    assert (case["prospect_id"], case["known_at"], case["amount"]) == ("case 1", day(1), 500.0)


def test_events_of_one_instant_keep_the_order_of_their_trace(exports: Exports) -> None:
    """The log is ordered by time; within a second the trace still knows better."""
    names = ["zulu", "alpha", "mike", "bravo"]
    rows = "".join(
        f'<event><string key="concept:name" value="{name}"/>'
        '<date key="time:timestamp" value="2024-01-03T00:00:00Z"/></event>' for name in names
    )  # fmt: skip
    trace = f'<trace><string key="concept:name" value="c"/>{rows}</trace>'
    exports.write("log.xes", f"<log>{trace}</log>")
    exports.ingest(XES_SOURCE | {"attributes": [], "columns": {}})
    assert exports.events("event_name") == [(name,) for name in names]


def test_xml_that_breaks_off_keeps_what_came_before(exports: Exports) -> None:
    """The cut is one refused row."""
    exports.write("log.xes", XES[: XES.index("orphan") - 60])
    exports.ingest(XES_SOURCE)
    assert len(exports.events()) == 3
    assert exports.rejected() == [("source0", 4, "truncated")]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "holds no XES log"),
        ("<html><b></html>", "not well-formed"),
        ('<!DOCTYPE log [<!ENTITY a "b">]><log/>', "document type declaration"),
        (XES.replace("</trace>", "</trance>", 1), "not well-formed"),
    ],
    ids=["empty", "no xml", "entities", "broken"],
)
def test_a_file_that_is_no_xes_is_an_error(exports: Exports, content: str, says: str) -> None:
    """Entities could expand without end or reach for files: they are not read."""
    exports.write("log.xes", content)
    with pytest.raises(SourceError, match=says):
        exports.ingest(XES_SOURCE)


@pytest.mark.slow
@pytest.mark.skipif("MICROCONV_REAL_DATA" not in os.environ, reason="needs MICROCONV_REAL_DATA")
def test_the_loan_log_comes_out_as_its_flat_copy(exports: Exports) -> None:
    """262,200 events of 13,087 applications, against the same rows flattened by others."""
    folder = Path(os.environ["MICROCONV_REAL_DATA"]).absolute() / "bpi2012"
    source = {"format": "xes", "files": f"{folder}/*.xes.gz", "attributes": ["AMOUNT_REQ"]}
    facts = exports.ingest(source, threads=2, plausible_from="2010-01-01T00:00:00Z")
    assert (facts["events"], facts["prospects"]) == (262_200, 13_087)
    flat = pq.read_table(folder / "bpi2012_events.parquet").to_pandas()
    name = flat["concept:name"] + "|" + flat["lifecycle:transition"]
    expected = flat.assign(event_name=name, prospect_id=flat["case:concept:name"].astype(str))
    expected = expected.sort_values(["prospect_id", "time:timestamp", "event_index"])
    files = sorted((exports.outputs.log / "events").glob("*.parquet"))
    log = pa.concat_tables([pq.read_table(file) for file in files]).to_pandas()
    log = log.sort_values(["prospect_id", "time"], kind="stable")
    assert log["prospect_id"].tolist() == expected["prospect_id"].tolist()
    assert log["event_name"].astype(str).tolist() == expected["event_name"].tolist()
    assert (log["time"].to_numpy() == expected["time:timestamp"].to_numpy()).all()
    amounts = {row["prospect_id"]: row["AMOUNT_REQ"] for row in exports.prospects()}
    by_case = expected.groupby("prospect_id")["case:AMOUNT_REQ"].first().astype(float)
    assert amounts == by_case.to_dict()
