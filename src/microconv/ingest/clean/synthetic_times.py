"""Instants for exports that have none: each prospect is dealt to one of a few days by its id.

A table of leads with their attributes and an outcome says nothing of when. It
still can be asked about: every lead belongs to one of so many cohorts, by a hash
of its id, and what the source tells happened on that cohort's day. Walk-forward
folds over such days are folds by prospect; whatever reads the log is told so.
"""

from __future__ import annotations

from typing import Any

import ibis

from microconv.errors import SettingsError
from microconv.ingest.clean.events import as_text
from microconv.ingest.clean.times import micros_of
from microconv.ingest.partition_files import hexadecimal
from microconv.settings import SourceSettings, SyntheticTimes

FIRST_DIGIT, DIGITS = 4, 7
"""Digits of md5(prospect_id) that choose the cohort; the bucket is chosen by those before."""

DAY = 86_400_000_000
"""Microseconds in a day."""

FIELD = {"table": "time", "prospects": "known_at"}
"""Format of a source → the instant its rows can be dealt."""


def check_synthetic_times(source: SourceSettings) -> None:
    """Refuse to deal instants where a column says them, or nobody could be dealt to a cohort.

    Raises
    ------
    SettingsError
    """
    field = FIELD.get(source.format)
    if field is None:
        raise SettingsError(
            f"The source `{source.name}` of the format `{source.format}` has instants of its own: "
            "take out `synthetic_times`."
        )
    if field in source.columns:
        raise SettingsError(
            f"The source `{source.name}` maps `{field}` to a column and deals it too: take out "
            "`synthetic_times`, which is for exports without instants, or the mapping."
        )
    if "prospect_id" not in source.columns:
        raise SettingsError(
            f"The source `{source.name}` deals instants by a hash of the prospect's id: map "
            "`prospect_id` in its `columns`."
        )


def add_synthetic_times(table: Any, source: SourceSettings) -> Any:
    """Give every row the instant of its prospect's cohort, in microseconds since 1970."""
    if source.synthetic_times is None:
        return table
    instant = instant_of(as_text(table.prospect_id), source.synthetic_times)
    return table.mutate(**{FIELD[source.format]: instant})


def instant_of(prospect_id: Any, times: SyntheticTimes) -> Any:
    """Say at which instant a prospect was dealt, as an expression; microseconds."""
    number = hexadecimal(prospect_id.hexdigest("md5"), FIRST_DIGIT, DIGITS)
    cohort = (number * times.cohorts / 16**DIGITS).floor().cast("int64")
    first = micros_of(times.first) + round(times.after_days * DAY)
    return cohort * round(times.every_days * DAY) + ibis.literal(first, "int64")
