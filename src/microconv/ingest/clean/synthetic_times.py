"""Synthetic times for exports without any: each prospect gets one of a few days, by its id.

A table of leads with attributes and an outcome has no times. To use it all the same, a hash
of its id puts every lead into one of several cohorts, and everything the source tells of it
is dated on that cohort's day. Walk-forward folds over such days are folds by prospect; the
log records which sources these are.
"""

from __future__ import annotations

from typing import Any

import ibis

from microconv.errors import SettingsError
from microconv.ingest.clean.events import as_text
from microconv.ingest.clean.times import to_microseconds
from microconv.ingest.partition_files import hex_number
from microconv.settings import SourceSettings, SyntheticTimes

FIRST_DIGIT, DIGITS = 4, 7
"""Digits of md5(prospect_id) that choose the cohort; those before them choose the bucket."""

DAY = 86_400_000_000
"""Microseconds in a day."""

FIELD = {"table": "time", "prospects": "known_at"}
"""Format of a source → the field that gets the synthetic time."""


def check_synthetic_times(source: SourceSettings) -> None:
    """Check that a source with synthetic times has none of its own, and maps `prospect_id`.

    Raises
    ------
    SettingsError
        Names what to remove or to map.
    """
    field = FIELD.get(source.format)
    if field is None:
        raise SettingsError(
            f"The source `{source.name}` of the format `{source.format}` has times of its own: "
            "remove `synthetic_times`."
        )
    if field in source.columns:
        raise SettingsError(
            f"The source `{source.name}` maps `{field}` to a column and has `synthetic_times`, "
            "which is for exports without times: remove one of the two."
        )
    if "prospect_id" not in source.columns:
        raise SettingsError(
            f"The source `{source.name}` has `synthetic_times`, which are chosen by the "
            "prospect's id: map `prospect_id` in its `columns`."
        )


def add_synthetic_times(table: Any, source: SourceSettings) -> Any:
    """Add the time of its prospect's cohort to every row, in microseconds since 1970.

    Parameters
    ----------
    table : Ibis table, with `prospect_id`
    source : SourceSettings, without `synthetic_times`, the table is returned as it is
    """
    if source.synthetic_times is None:
        return table
    instant = _synthetic_time(as_text(table.prospect_id), source.synthetic_times)
    return table.mutate(**{FIELD[source.format]: instant})


def _synthetic_time(prospect_id: Any, times: SyntheticTimes) -> Any:
    """Return the synthetic time of a prospect as an expression, in microseconds since 1970."""
    number = hex_number(prospect_id.hexdigest("md5"), FIRST_DIGIT, DIGITS)
    cohort = (number * times.cohorts / 16**DIGITS).floor().cast("int64")
    first = to_microseconds(times.first) + round(times.after_days * DAY)
    return cohort * round(times.every_days * DAY) + ibis.literal(first, "int64")
