"""Bot features across buckets: recipients of an address, earlier days of a domain."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microconv.ingest.bots.detect import detect_bots
from microconv.ingest.bots.features import (
    EARLIER_DAYS,
    write_earlier_days,
    write_recipient_counts,
)
from microconv.ingest.partition_files import ColumnFile, PartitionFile
from microconv.settings import BotSettings

BUCKETS = 4
SECOND = 1_000_000
DAY = 86_400 * SECOND
MAIL = (
    st.integers(0, BUCKETS - 1),  # bucket
    st.sampled_from([1, 2, 2, 3, 3, 3, 4]),  # kind of e-mail event
    st.integers(0, 2) | st.sampled_from([DAY // SECOND, 2 * DAY // SECOND]),  # seconds
    st.sampled_from([0, 0, 3, 3600]),  # seconds until it is known
    st.integers(1, 3),  # message
    st.integers(1, 3),  # recipient
    st.sampled_from([-5, 8]),  # domain
    st.integers(0, 2),  # link
    st.sampled_from([-7, 9]),  # address
)


def partitioned(folder: Path, drawn: list[tuple[int, ...]]) -> PartitionFile:
    """Write rows as resolved events, in the bucket drawn."""
    events = PartitionFile(folder / "events.arrows", BUCKETS)
    columns = [np.array(column, np.int64) for column in zip(*drawn, strict=True)]
    bucket, kind, second, late, message, recipient, domain, link, address = columns
    time = second * SECOND
    known = (second + late) * SECOND
    events.write_columns(
        {
            "email_event": kind.astype(np.int8),
            "time": time,
            "known_at": known,
            "visible_at": np.maximum(known, time + 60 * SECOND),
            "client": np.full(len(bucket), "browser"),
            "group_key": message * 10 + recipient,
            "recipient": recipient,
            "domain": domain,
            "link_key": link,
            "address_key": address,
        },
        bucket,
    )
    return events


@settings(max_examples=60, deadline=None)
@given(drawn=st.lists(st.tuples(*MAIL), min_size=30, max_size=60), parts=st.integers(2, 7))
def test_probabilities_do_not_depend_on_the_number_of_parts_or_threads(
    drawn: list[tuple[int, ...]], parts: int
) -> None:
    """One part and thread against several: identical values and counts."""
    found = []
    for n, threads in ((1, 1), (parts, 2)):
        with tempfile.TemporaryDirectory() as folder:
            events = partitioned(Path(folder), drawn)
            detection = detect_bots(events, BotSettings(), Path(folder), parts=n, threads=threads)
            human_probability = [
                detection.human_probability(b, rows).tolist()
                for b, rows in enumerate(events.counts())
            ]
            found.append((human_probability, detection.counts))
    assert found[0] == found[1]


@settings(max_examples=60, deadline=None)
@given(
    drawn=st.lists(
        st.tuples(st.integers(0, BUCKETS - 1), st.sampled_from([-5, 8, 11]), st.booleans(),
                  st.integers(0, 3), st.integers(0, 4), st.integers(1, 4)),
        max_size=40, unique_by=lambda row: row[:4],
    ),
    parts=st.integers(1, 5),
)  # fmt: skip
def test_earlier_days_are_those_before_of_the_same_kind_and_domain(
    drawn: list[tuple[int, int, bool, int, int, int]], parts: int
) -> None:
    """Against a plain sum for each row; a day is summed over all buckets, today is not."""
    with tempfile.TemporaryDirectory() as folder:
        days = PartitionFile(Path(folder) / "days", parts)
        place = [sum(row[0] == other[0] for other in drawn[:n]) for n, row in enumerate(drawn)]
        for n, (bucket, *numbers) in enumerate(drawn):
            names = ("domain", "opened", "day", "bots", "events", "bucket", "place")
            row = zip(names, [*numbers, bucket, place[n]], strict=True)
            days.write_columns(
                {k: np.array([v], np.int64) for k, v in row}, np.array([numbers[0] % parts])
            )
        counts = [sum(row[0] == bucket for row in drawn) for bucket in range(BUCKETS)]
        earlier = ColumnFile(Path(folder) / "earlier", EARLIER_DAYS, counts)
        with ThreadPoolExecutor(2) as pool:
            write_earlier_days(days, earlier, pool)
        for n, (bucket, domain, opened, day, _, _) in enumerate(drawn):
            before = [r for r in drawn if (r[1], r[2]) == (domain, opened) and r[3] < day]
            wanted = (sum(r[4] for r in before), sum(r[5] for r in before))
            assert earlier.of(bucket)[place[n]].item() == wanted


def test_recipients_of_an_address_are_counted_across_buckets(tmp_path: Path) -> None:
    """Three recipients in three buckets click from address 9 in one second, one from 4."""
    clicks, counted = (
        PartitionFile(tmp_path / "clicks", 2),
        ColumnFile(tmp_path / "n", np.int8, [1, 2, 1]),
    )
    for bucket, place, address, recipient in [
        (0, 0, 9, 1),
        (1, 0, 9, 2),
        (1, 1, 4, 5),
        (2, 0, 9, 3),
    ]:
        row = {"address": address, "time": 0, "seen": 0, "classified_at": 60,
               "recipient": recipient, "bucket": bucket, "place": place}  # fmt: skip
        clicks.write_columns({k: np.array([v]) for k, v in row.items()}, np.array([address % 2]))
    with ThreadPoolExecutor(2) as pool:
        write_recipient_counts(clicks, counted, 60, 5, pool)
    assert [counted.of(b).tolist() for b in range(3)] == [[3], [3, 1], [3]]


def test_a_file_that_finds_no_room_is_an_error_at_once(tmp_path: Path) -> None:
    """Not a signal that ends the process when a page of it is written later."""
    with pytest.raises(OSError, match=r"File too large|No space left"):
        ColumnFile(tmp_path / "human_probability", np.float32, [2**60])
