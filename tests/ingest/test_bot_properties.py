"""Properties of bot detection: it uses no later knowledge and nothing but the rows."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microconv.ingest.bots.features import count_recipients, message_features
from microconv.storage.files import md5_of
from worlds.exports import Exports

FIRST = 1_704_067_200
DAY = 86_400
WINDOW = 60
SOURCE = {"format": "sendgrid", "files": "mail.jsonl", "columns": {"known_at": "heard"}}


def rows() -> st.SearchStrategy[list[dict[str, Any]]]:
    """Make dense mail traffic: few people, messages and addresses, late rows among prompt ones."""
    row = st.fixed_dictionaries(
        {
            "email": st.sampled_from(["a@x.example", "b@x.example", "c@y.example"]),
            "sg_message_id": st.sampled_from(["m1", "m2"]),
            "event": st.sampled_from(["delivered", "open", "click", "click", "click",
                                      "unsubscribe"]),
            "timestamp": st.tuples(st.integers(0, 3), st.integers(0, 150)).map(
                lambda at: FIRST + at[0] * DAY + at[1]
            ),
            "late": st.sampled_from([0, 0, 1, 30, 100, DAY]),
            "url": st.sampled_from(["https://e.example/1", "https://e.example/2",
                                    "https://e.example/3"]),
            "ip": st.sampled_from(["10.0.0.1", "10.0.0.2"]),
            "useragent": st.sampled_from(["Mozilla/5.0", "curl/8", "Firefox/115.0"]),
        }
    )  # fmt: skip
    return st.lists(row, min_size=2, max_size=40)


def probabilities(some: list[dict[str, Any]], **more: Any) -> dict[str, tuple[float, Any]]:
    """Ingest rows; return probability and visibility of each by its id."""
    with tempfile.TemporaryDirectory() as folder:
        exports = Exports(Path(folder))
        exports.write("mail.jsonl", "\n".join(json.dumps(row) for row in some))
        bots = {"window_seconds": WINDOW, "prior_events": 2}
        exports.ingest(SOURCE, bots=bots, **more)
        return {r["event_id"]: (r["human_probability"], r["visible_at"]) for r in exports.events()}


def dated(some: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give rows ids and the instant they were heard of."""
    return [
        row | {"sg_event_id": f"e{n}", "heard": row["timestamp"] + row["late"]}
        for n, row in enumerate(some)
    ]


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(some=rows(), cut=st.tuples(st.integers(0, 3), st.integers(0, 250)))
def test_rows_known_later_change_no_probability(
    some: list[dict[str, Any]], cut: tuple[int, int]
) -> None:
    """Leave out all rows known after an instant: every probability computed by then stays.

    A click is classified a window after it happened, or when it is known if that is later.
    """
    known = dated(some)
    instant = FIRST + cut[0] * DAY + cut[1]
    early = [row for row in known if row["heard"] <= instant]
    if not early:
        return
    every, before = probabilities(known), probabilities(early)
    for row in early:
        if max(row["heard"], row["timestamp"] + WINDOW) <= instant:
            assert every[row["sg_event_id"]] == before[row["sg_event_id"]], row


@pytest.mark.slow
@settings(max_examples=5, deadline=None)
@given(some=rows(), today=rows())
def test_rows_of_a_day_leave_the_days_before_as_they_were(
    some: list[dict[str, Any]], today: list[dict[str, Any]]
) -> None:
    """Rates of domains are those of earlier days."""
    old = dated(some)
    # 5 days on: nothing of `some` is known, or judged, that late
    new = [
        row | {"timestamp": row["timestamp"] + 5 * DAY, "heard": row["heard"] + 5 * DAY,
               "sg_event_id": "new" + row["sg_event_id"]}
        for row in dated(today)
    ]  # fmt: skip
    alone, both = probabilities(old), probabilities(old + new)
    assert alone == {name: both[name] for name in alone}


def test_a_domain_of_scanners_counts_from_the_next_day_on() -> None:
    """The same click as ever: no effect on its own day, one on the next."""
    day_of = lambda n: FIRST + n * DAY + 3600  # noqa: E731
    base = {"ip": "10.0.0.9", "useragent": "Firefox/115.0", "late": 0}
    scans = [
        base | {"email": f"p{p}@x.example", "sg_message_id": "m1", "event": event,
                "timestamp": day_of(0) + wait, "url": f"https://e.example/{wait}",
                "ip": f"10.0.1.{p}"}
        for p in range(12)
        for event, wait in [("delivered", 0), ("click", 2), ("click", 4), ("click", 6)]
    ]  # fmt: skip
    requested = [
        base | {"email": f"q{n}@x.example", "sg_message_id": "m2", "event": event,
                "timestamp": day_of(n) + 1000 + wait, "url": "https://e.example/1"}
        for n in (0, 1)
        for event, wait in [("delivered", 0), ("click", 30)]
    ]  # fmt: skip
    every = dated(scans + requested)
    told, alone = probabilities(every), probabilities(every[-4:])
    clicked = [row["sg_event_id"] for row in every[-4:] if row["event"] == "click"]
    assert told[clicked[0]][0] == alone[clicked[0]][0]
    assert told[clicked[1]][0] < 0.5 < alone[clicked[1]][0]


def test_bytes_depend_on_neither_threads_nor_the_order_of_rows(tmp_path: Path) -> None:
    """The same rows, shuffled, in two files, read by two threads."""
    random = Random(4)
    some = dated(
        [
            {"email": f"{random.choice('abcdefgh')}@x.example", "sg_message_id": "m1",
             "event": random.choice(["delivered", "open", "click", "click"]),
             "timestamp": FIRST + random.randrange(300), "late": random.choice([0, 30, DAY]),
             "url": f"https://e.example/{random.randrange(3)}", "ip": "10.0.0.1"}
            for _ in range(400)
        ]
    )  # fmt: skip
    hashes = set()
    for threads in (1, 2):
        exports = Exports(tmp_path / str(threads))
        for file in range(threads):
            part = "\n".join(json.dumps(row) for row in some[file::threads])
            exports.write(f"{file}.jsonl", part)
        exports.ingest(SOURCE | {"files": "*.jsonl"}, threads=threads, bots={})
        files = sorted(exports.outputs.log.glob("events/*.parquet"))
        hashes.add(tuple(md5_of(file) for file in files))
        random.shuffle(some)
    assert len(hashes) == 1


def slow_features(rows: list[tuple[int, ...]], e: int) -> tuple[int, int, int, bool]:
    """Compute the features of one row by plain loops over all rows."""
    group, time, _, classified_at, act, link = rows[e]
    near = [r for r in rows if r[0] == group and r[2] <= classified_at]
    sent = [r[1] for r in near if r[4] == 1 and r[1] <= time]
    around = [r for r in near if abs(r[1] - time) <= WINDOW]
    own = {link} if act == 3 and link else set()
    clicked = [r for r in around if r[4] == 3 and r[5]]
    links = own | {r[5] for r in clicked}
    first = link if own else next((r[5] for r in clicked), 0)
    others = [abs(r[1] - time) for r in clicked if r[5] != first]
    left = any(r[4] == 4 for r in around if r is not rows[e])
    gap = min(others, default=-1) if act == 3 and link else -2
    return time - max(sent) if sent else -1, min(max(len(links), 1), 3), gap, left


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 2), st.integers(0, 200), st.sampled_from([0, 0, 40, 500]),
                  st.integers(1, 4), st.integers(0, 4)),
        min_size=1, max_size=30,
    )
)  # fmt: skip
def test_the_sweep_finds_what_plain_loops_find(drawn: list[tuple[int, ...]]) -> None:
    """Each row against all others, without any order."""
    some = sorted(
        (g, t, t + late, t + max(late, WINDOW), act, link) for g, t, late, act, link in drawn
    )
    some.sort(key=lambda row: (row[0], row[1], row[4]))
    group, time, seen, classified_at, act, link = (np.array(c) for c in zip(*some, strict=True))
    delay, links, gap, left = message_features(
        group, time, seen, classified_at, act.astype(np.int8), link, WINDOW
    )
    for e, row in enumerate(some):
        if row[4] == 1:
            continue
        wanted = slow_features(some, e)
        assert delay[e] == wanted[0]
        if row[4] in (3, 4):
            assert (links[e], left[e]) == (wanted[1], wanted[3])
        if wanted[2] != -2:
            assert gap[e] == wanted[2]


@pytest.mark.parametrize(("apart", "recipients"), [(WINDOW, 3), (WINDOW + 1, 1)])
def test_recipients_are_counted_within_the_window(apart: int, recipients: int) -> None:
    """Three recipients of one address; one row of the fourth is known too late, none for 0."""
    time = np.array([0, apart, apart, apart, 0])
    seen = np.array([0, apart, apart, 10_000, 0])
    found = count_recipients(
        np.array([7, 7, 7, 7, 0]), time, seen, time + WINDOW, np.arange(1, 6), WINDOW, 5
    )
    assert found[0] == recipients
    assert found[4] == 1


def test_a_burst_heard_of_the_next_day_leaves_the_first_click_as_it_was() -> None:
    """The first click was judged and seen long before; the late ones are judged with it."""
    base = {"email": "a@x.example", "sg_message_id": "m1", "useragent": "Firefox/115.0"}
    some = dated(
        [
            base | {"event": "click", "timestamp": FIRST + 5 * n, "late": DAY * min(n, 1),
                    "url": f"https://e.example/{n}"}
            for n in range(3)
        ]
    )  # fmt: skip
    alone, every = probabilities(some[:1]), probabilities(some)
    assert alone["e0"] == every["e0"]
    assert every["e1"][0] < every["e0"][0]
