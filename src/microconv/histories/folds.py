"""The timeline: the instants of the snapshots, and which of them train and test. Dates only.

A worked example: Mondays from 1 January to 3 June 2024, a horizon of 30 days, no
label lag, outcomes complete until 8 July, one fold of two dates.

* The last closed window is that of 3 June: 3 June + 30 days = 3 July <= 8 July.
* So the fold tests on 27 May and 3 June.
* Training windows must have closed when the test begins:
  as_of + 30 days <= 27 May, so training ends with 22 April (closes on 22 May).
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
    """One walk-forward fold: the instants to train on, then those to test on."""

    train: tuple[datetime, ...]
    test: tuple[datetime, ...]

    @property
    def name(self) -> str:
        """The first test date."""
        return f"{self.test[0]:%Y-%m-%d}"


def plan_as_ofs(settings: SnapshotSettings, *, observed_until: datetime) -> tuple[datetime, ...]:
    """Plan the instants of the snapshots: every `every_days` from `first` to the end of the log.

    Parameters
    ----------
    settings : SnapshotSettings
    observed_until : datetime
        First instant up to which outcomes are complete.

    Returns
    -------
    tuple of datetime

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
    as_ofs: Sequence[datetime], until: datetime, *, window: timedelta
) -> tuple[datetime, ...]:
    """Return the instants whose window has closed: ``as_of + window <= until``.

    Parameters
    ----------
    as_ofs : sequence of datetime
    until : datetime
        The end of what was observed, or the begin of a test.
    window : timedelta
        The horizon, and the label lag where a label must have been known.

    Returns
    -------
    tuple of datetime
    """
    return tuple(as_of for as_of in as_ofs if as_of + window <= until)


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
        Earliest first; fewer than `settings.folds` if the log is too short.

    Raises
    ------
    NotEnoughDataError
        If not even one fold fits.
    """
    dates = closed_as_ofs(as_ofs, observed_until, window=horizon)
    size, embargo, folds = settings.test_snapshots, horizon + settings.label_lag, []
    for k in range(settings.folds):
        stop = len(dates) - k * size
        test = dates[max(stop - size, 0) : max(stop, 0)]
        if len(test) < size:
            break
        train = closed_as_ofs(dates, test[0], window=embargo)
        if len(train) < settings.min_train_snapshots:
            break
        folds.append(Fold(train, test))
    if not folds:
        raise NotEnoughDataError(
            f"The log is too short for one fold: of {len(as_ofs)} snapshot dates {len(dates)} have "
            f"a closed window (horizon {horizon.days} days, outcomes complete until "
            f"{observed_until:%Y-%m-%d}), and a fold needs {size} of them to test and "
            f"{settings.min_train_snapshots} that end {embargo.days} days before. Shorten "
            "`snapshots.horizon_days`, take snapshots more often (`snapshots.every_days`), lower "
            "`backtest.test_snapshots` or `backtest.min_train_snapshots`, or bring a longer export."
        )
    return tuple(reversed(folds))
