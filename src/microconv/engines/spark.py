"""The Spark engine: one task per bucket of the log, running the function one machine runs.

The log is sorted once, by ingest, so no row of it goes through Spark. A task gets the
number of a bucket and reads the bucket's file from storage that every machine sees. Only
results are sent, as bytes in an Arrow column. A task depends on nothing but its bucket, so
a lost task can run again on any machine with identical results.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

from microconv import errors
from microconv.engines.engine import Codec
from microconv.engines.spark_session import spark_errors
from microconv.errors import EngineError, MicroconvError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Result = TypeVar("Result")

TASK_RESULT = pa.schema(
    [
        ("bucket", pa.int64()),
        ("result", pa.binary()),
        ("error", pa.string()),
        ("message", pa.string()),
    ]
)
"""What a task returns: a bucket's result, or the class and message of an error."""

MAX_COLLECT_BYTES = 64 << 20
"""Results up to this size are fetched by one Spark job, larger ones by a job per bucket."""

PINNED_PACKAGES = (
    "microconv", "numpy", "numba", "pandas", "pyarrow", "lightgbm", "duckdb", "ibis-framework",
)  # fmt: skip
"""Packages whose versions decide the numbers, or whether a log can be read."""


@dataclass(frozen=True)
class SparkEngine:
    """Runs a function over the buckets of a log on the machines of a Spark session."""

    session: SparkSession

    def map_buckets(
        self, function: Callable[[int], Result], buckets: int, *, codec: Codec[Result]
    ) -> Iterator[Result]:
        """Apply a function to every bucket, one task each, and yield the results in order.

        The results stay with the executors, on disk if necessary. Large results are
        fetched one at a time, so this machine's memory is set by the bucket, not by the log.

        Parameters
        ----------
        function : callable
            Takes a bucket's number; is sent to the executors with all it refers to.
        buckets : int, number of buckets
        codec : Codec, how a result is sent back

        Raises
        ------
        MicroconvError
            What the function raised, in the same class.
        EngineError
            If Spark failed, or a machine has other versions than this one.
        """
        if not buckets:  # Spark has no table without partitions
            return
        work = bucket_task(function, codec.encode, versions())
        schema = "bucket long, result binary, error string, message string"
        with spark_errors("Spark failed"):
            numbers = self.session.range(0, buckets, 1, numPartitions=buckets)
            results = numbers.mapInArrow(work, schema).persist()
            try:
                (size,) = results.selectExpr("sum(octet_length(result))").head()  # runs every task
                few = (size or 0) <= MAX_COLLECT_BYTES
                for result in results.collect() if few else results.toLocalIterator():
                    if result.error is not None:
                        raise getattr(errors, result.error)(result.message)
                    yield codec.decode(bytes(result.result))
            finally:
                results.unpersist()


def bucket_task(
    function: Callable[[int], Result], encode: Callable[[Result], bytes], driver: dict[str, str]
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Build what `mapInArrow` calls: batches of bucket numbers → batches of :data:`TASK_RESULT`.

    An error that the user can fix is a result; any other is raised, so that Spark tries again.

    Parameters
    ----------
    function : callable, takes a bucket's number
    encode : callable, its result → bytes
    driver : dict of str to str, the :func:`versions` of the machine that runs the command
    """

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for bucket in batch.column(0).to_pylist():
                row = {"bucket": bucket, "result": None, "error": None, "message": None}
                try:
                    require_same_versions(driver)
                    row["result"] = encode(function(bucket))
                except MicroconvError as error:  # a second attempt would end the same way
                    row |= {"error": type(error).__name__, "message": str(error)}
                yield pa.RecordBatch.from_pylist([row], schema=TASK_RESULT)

    return work


def versions() -> dict[str, str]:
    """Return the installed versions of :data:`PINNED_PACKAGES`."""
    return {name: version(name) for name in PINNED_PACKAGES}


def require_same_versions(driver: dict[str, str]) -> None:
    """Check that this machine has the driver's versions: with others the numbers might differ.

    Raises
    ------
    EngineError
        Names this machine and what differs.
    """
    here = versions()
    differ = [f"{name} {here[name]} for {driver[name]}" for name in here
              if here[name] != driver[name]]  # fmt: skip
    if differ:
        raise EngineError(
            f"The machine {platform.node()} has {', '.join(differ)}: its numbers might differ from "
            "those of the driver. Install the same versions on both."
        )
