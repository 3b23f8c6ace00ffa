"""A cluster: run the function that one machine runs, one Spark task per bucket of the log.

The log is sorted once, by ingest. So no row of it goes through Spark: a task is
given the number of a bucket, and reads the bucket's file from storage that every
machine sees, with the reader that one machine uses. Only results travel, as
bytes in an Arrow column. A task depends on nothing but its bucket, so one that
is lost is run again, anywhere, to the same bits.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

from microconv import errors
from microconv.engines.spark_session import in_one_sentence
from microconv.engines.wire import Wire
from microconv.errors import EngineError, MicroconvError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Result = TypeVar("Result")

ANSWER = pa.schema(
    [("bucket", pa.int64()), ("result", pa.binary()), ("error", pa.string()), ("says", pa.string())]
)
"""What a task sends: a bucket's result, or the class of an error and what it says."""

AT_ONCE = 64 << 20
"""Results up to so many bytes are fetched by one Spark job, larger ones by a job per bucket."""

SAME_EVERYWHERE = (
    "microconv", "numpy", "numba", "pandas", "pyarrow", "lightgbm", "duckdb", "ibis-framework",
)  # fmt: skip
"""Packages whose version decides the numbers, or whether a log can be read."""


@dataclass(frozen=True)
class Spark:
    """Runs a function over the buckets of a log on the machines of a Spark session."""

    session: SparkSession

    def map_buckets(
        self, function: Callable[[int], Result], buckets: int, *, wire: Wire[Result]
    ) -> Iterator[Result]:
        """Apply a function to every bucket, one task each, and yield the results in order.

        The results stay with the executors, on disk if need be. Unless they are
        small they are fetched one at a time: this machine's memory is set by the
        bucket, not by the log.

        Parameters
        ----------
        function : callable
            Takes a bucket's number; goes to the executors with all it refers to.
        buckets : int
        wire : Wire
            How a result comes back.

        Raises
        ------
        MicroconvError
            What the function raised, in the class it raised.
        EngineError
            If Spark gave up, or a machine has other versions than this one.
        """
        if not buckets:  # Spark knows no table of no partition
            return
        work = bucket_task(function, wire.pack, versions())
        schema = "bucket long, result binary, error string, says string"
        with in_one_sentence("Spark gave up"):
            numbers = self.session.range(0, buckets, 1, numPartitions=buckets)
            answers = numbers.mapInArrow(work, schema).persist()
            try:
                (size,) = answers.selectExpr("sum(octet_length(result))").head()  # runs every task
                few = (size or 0) <= AT_ONCE
                for answer in answers.collect() if few else answers.toLocalIterator():
                    if answer.error is not None:
                        raise getattr(errors, answer.error)(answer.says)
                    yield wire.unpack(bytes(answer.result))
            finally:
                answers.unpersist()


def bucket_task(
    function: Callable[[int], Result], pack: Callable[[Result], bytes], asked_by: dict[str, str]
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Make what `mapInArrow` calls: batches of bucket numbers → batches of :data:`ANSWER`.

    An error that a user can mend is an answer; any other is raised, for Spark to try again.
    """

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for bucket in batch.column(0).to_pylist():
                answer = {"bucket": bucket, "result": None, "error": None, "says": None}
                try:
                    require_same(asked_by)
                    answer["result"] = pack(function(bucket))
                except MicroconvError as error:  # no second attempt would end otherwise
                    answer |= {"error": type(error).__name__, "says": str(error)}
                yield pa.RecordBatch.from_pylist([answer], schema=ANSWER)

    return work


def versions() -> dict[str, str]:
    """List the versions that decide the numbers, by package."""
    return {name: version(name) for name in SAME_EVERYWHERE}


def require_same(asked_by: dict[str, str]) -> None:
    """Refuse to work for a machine with other versions: the numbers might differ.

    Raises
    ------
    EngineError
        Naming this machine and what differs.
    """
    here = versions()
    differ = [f"{name} {here[name]} for {asked_by[name]}" for name in here
              if here[name] != asked_by[name]]  # fmt: skip
    if differ:
        raise EngineError(
            f"The machine {platform.node()} has {', '.join(differ)}: its numbers might differ from "
            "those of the machine that asks. Install the same versions on both."
        )
