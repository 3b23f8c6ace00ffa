"""The timeline: which instants are asked about, and which of them train and test. Dates only.

A worked example: Mondays from 1 January to 3 June 2024, a horizon of 30 days, no
label lag, outcomes complete until 8 July, one fold of two dates.

* The last closed window is that of 3 June: 3 June + 30 days = 3 July <= 8 July.
* So the fold tests 27 May and 3 June.
* Training windows must have closed when the test begins:
  as_of + 30 days <= 27 May, so training ends with 22 April (closes 22 May).
  29 April would close on 29 May, two days into the test: it is embargoed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from microconv.errors import NotEnoughDataError
from microconv.settings import BacktestSettings, SnapshotSettings


@dataclass(frozen=True)
class Fold:
    """One walk-forward fold: the instants that train, then those that test."""

    train: tuple[datetime, ...]
    test: tuple[datetime, ...]

    @property
    def name(self) -> str:
        """The date on which its test begins."""
        return f"{self.test[0]:%Y-%m-%d}"


def plan_as_ofs(settings: SnapshotSettings, *, observed_until: datetime) -> tuple[datetime, ...]:
    """List the instants to ask at: from `first`, every `every_days`, to the end of the log.

    Raises
    ------
    NotEnoughDataError
        If the first lies after the end.
    """
    end = observed_until if settings.last is None else min(settings.last, observed_until)
    first, step = settings.first.astimezone(UTC), timedelta(days=settings.every_days)
    if first > end:
        raise NotEnoughDataError(
            f"`snapshots.first` is {first:%Y-%m-%d %H:%M}, but outcomes are only complete until "
            f"{end:%Y-%m-%d %H:%M}. Take an earlier first snapshot or a later export."
        )
    return tuple(first + k * step for k in range((end - first) // step + 1))


def closed_as_ofs(
    as_ofs: Sequence[datetime], *, horizon: timedelta, observed_until: datetime
) -> tuple[datetime, ...]:
    """Keep the instants whose outcome window has closed."""
    return tuple(as_of for as_of in as_ofs if as_of + horizon <= observed_until)


def trainable_as_ofs(
    as_ofs: Sequence[datetime], before: datetime, *, embargo: timedelta
) -> tuple[datetime, ...]:
    """Keep the instants whose outcome was known at `before`: as_of + embargo <= before."""
    return tuple(as_of for as_of in as_ofs if as_of + embargo <= before)


def plan_folds(
    as_ofs: Sequence[datetime],
    settings: BacktestSettings,
    *,
    horizon: timedelta,
    observed_until: datetime,
) -> tuple[Fold, ...]:
    """Plan walk-forward folds, walking back from the last closed window.

    Parameters
    ----------
    as_ofs : sequence of datetime
        Ascending.
    settings : BacktestSettings
    horizon : timedelta
    observed_until : datetime
        First instant up to which outcomes are complete.

    Returns
    -------
    tuple of Fold
        Earliest first. Fewer than asked for if the log is too short.

    Raises
    ------
    NotEnoughDataError
        If not even one fold fits.
    """
    dates = closed_as_ofs(as_ofs, horizon=horizon, observed_until=observed_until)
    size, folds = settings.test_snapshots, []
    for k in range(settings.folds):
        stop = len(dates) - k * size
        test = dates[max(stop - size, 0) : max(stop, 0)]
        if len(test) < size:
            break
        train = trainable_as_ofs(dates, test[0], embargo=horizon + settings.label_lag)
        if len(train) < settings.min_train_snapshots:
            break
        folds.append(Fold(train, test))
    if not folds:
        raise NotEnoughDataError(_too_short(as_ofs, dates, settings, horizon, observed_until))
    return tuple(reversed(folds))


def _too_short(
    as_ofs: Sequence[datetime],
    dates: Sequence[datetime],
    settings: BacktestSettings,
    horizon: timedelta,
    observed_until: datetime,
) -> str:
    embargo = horizon + settings.label_lag
    return (
        f"The log is too short for one fold: of {len(as_ofs)} snapshot dates {len(dates)} have a "
        f"closed window (horizon {horizon.days} days, outcomes complete until "
        f"{observed_until:%Y-%m-%d}), and a fold needs {settings.test_snapshots} of them to test "
        f"and {settings.min_train_snapshots} that end {embargo.days} days before. Shorten "
        "`snapshots.horizon_days`, ask more often (`snapshots.every_days`), lower "
        "`backtest.test_snapshots` or `backtest.min_train_snapshots`, or bring a longer export."
    )
