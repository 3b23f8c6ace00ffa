"""What is compared across buckets: in however many parts, by however many threads."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microconv.ingest.bots.cross_bucket import EARLIER, count_crowds, sum_earlier_days
from microconv.ingest.bots.detect import judge
from microconv.ingest.partition_files import ColumnFile, PartitionFile
from microconv.settings import BotSettings

BUCKETS = 4
SECOND = 1_000_000
DAY = 86_400 * SECOND
MAIL = (
    st.integers(0, BUCKETS - 1),  # bucket
    st.sampled_from([1, 2, 2, 3, 3, 3, 4]),  # act
    st.integers(0, 2) | st.sampled_from([DAY // SECOND, 2 * DAY // SECOND]),  # seconds
    st.sampled_from([0, 0, 3, 3600]),  # seconds until it is known
    st.integers(1, 3),  # message
    st.integers(1, 3),  # recipient
    st.sampled_from([-5, 8]),  # domain
    st.integers(0, 2),  # link
    st.sampled_from([-7, 9]),  # address
)


def spilled(folder: Path, drawn: list[tuple[int, ...]]) -> PartitionFile:
    """Lay rows down as resolved events are: as of who got the mail, in the bucket drawn."""
    spill = PartitionFile(folder / "events.arrows", BUCKETS)
    columns = [np.array(column, np.int64) for column in zip(*drawn, strict=True)]
    bucket, act, second, late, message, recipient, domain, link, address = columns
    time = second * SECOND
    known = (second + late) * SECOND
    spill.write_columns(
        {
            "act": act.astype(np.int8),
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
    return spill


@settings(max_examples=60, deadline=None)
@given(drawn=st.lists(st.tuples(*MAIL), min_size=30, max_size=60), parts=st.integers(2, 7))
def test_a_verdict_is_the_same_in_however_many_parts(
    drawn: list[tuple[int, ...]], parts: int
) -> None:
    """One part and thread against several: to the bit, and so are the counts."""
    found = []
    for n, threads in ((1, 1), (parts, 2)):
        with tempfile.TemporaryDirectory() as folder:
            spill = spilled(Path(folder), drawn)
            judged = judge(spill, BotSettings(), Path(folder), parts=n, threads=threads)
            human_probability = [
                judged.human_probability(b, rows).tolist() for b, rows in enumerate(spill.counts())
            ]
            found.append((human_probability, judged.facts))
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
            names = ("domain", "opened", "day", "machines", "events", "bucket", "place")
            row = zip(names, [*numbers, bucket, place[n]], strict=True)
            days.write_columns(
                {k: np.array([v], np.int64) for k, v in row}, np.array([numbers[0] % parts])
            )
        counts = [sum(row[0] == bucket for row in drawn) for bucket in range(BUCKETS)]
        earlier = ColumnFile(Path(folder) / "earlier", EARLIER, counts)
        with ThreadPoolExecutor(2) as pool:
            sum_earlier_days(days, earlier, pool)
        for n, (bucket, domain, opened, day, _, _) in enumerate(drawn):
            before = [r for r in drawn if (r[1], r[2]) == (domain, opened) and r[3] < day]
            wanted = (sum(r[4] for r in before), sum(r[5] for r in before))
            assert earlier.of(bucket)[place[n]].item() == wanted


def test_a_crowd_is_one_whichever_buckets_its_recipients_lie_in(tmp_path: Path) -> None:
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
        row = {"address": address, "time": 0, "seen": 0, "judged_at": 60, "recipient": recipient,
               "bucket": bucket, "place": place}  # fmt: skip
        clicks.write_columns({k: np.array([v]) for k, v in row.items()}, np.array([address % 2]))
    with ThreadPoolExecutor(2) as pool:
        count_crowds(clicks, counted, 60, 5, pool)
    assert [counted.of(b).tolist() for b in range(3)] == [[3], [3, 1], [3]]


def test_a_file_that_finds_no_room_is_an_error_at_once(tmp_path: Path) -> None:
    """Not a signal that ends the process when a page of it is written later."""
    with pytest.raises(OSError, match=r"File too large|No space left"):
        ColumnFile(tmp_path / "human_probability", np.float32, [2**60])
