"""Prospects: their traits, their attributes in the CRM, and their browsers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from microconv.demo import catalogue as c
from microconv.demo.random_streams import Streams

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Bits = npt.NDArray[np.uint64]

SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
WEEK = 7 * DAY

CLIENTS = ("Chrome", "Safari", "Firefox", "Edge")
CLIENT_SHARES = (0.52, 0.20, 0.12, 0.16)
CONTACTS_PER_ACCOUNT = 1.6
ACCOUNT_PART = 0.5
"""Share of a prospect's fit that is its account's."""


@dataclass(frozen=True)
class People:
    """One entry per prospect; every instant of the simulation is µs since its start.

    Attributes
    ----------
    fit, engagement, taste : ndarray of float64
        f, u and o: standard normal.
    week : ndarray of float64, shape (n_prospects, n_weeks)
        w, by week since arrival.
    arrival : ndarray of int64
    account, size, source, country, client : ndarray of int64
        Codes; of the catalogue's lists, and of :data:`CLIENTS`.
    proxy, scanner : ndarray of bool
        The address sits behind a privacy proxy, behind a link scanner.
    variant : ndarray of bool, shape (n_prospects, n_messages)
        The prospect's arm is the message's second one.
    """

    fit: Floats
    engagement: Floats
    taste: Floats
    week: Floats
    arrival: Ints
    account: Ints
    size: Ints
    source: Ints
    country: Ints
    client: Ints
    proxy: Bools
    scanner: Bools
    variant: Bools

    def __len__(self) -> int:
        """Return the number of prospects."""
        return len(self.arrival)

    @property
    def outbound(self) -> Bools:
        """Whether the prospect was imported, so that no browser of theirs is known at first."""
        return self.source >= c.INBOUND


def draw_people(n: int, period: int, streams: Streams, *, scanners: float) -> People:
    """Draw `n` prospects who arrive uniformly over a period of so many µs.

    `scanners` is the share of them behind a link scanner; it changes nothing else of them.

    Parameters
    ----------
    n, period : int
    streams : Streams
    scanners : float
    """
    rng = streams.people
    accounts = max(1, round(n / CONTACTS_PER_ACCOUNT))
    account = streams.accounts.integers(0, accounts, n)
    account_fit = streams.accounts.standard_normal(accounts)
    seen_fit = account_fit + 0.6 * streams.accounts.standard_normal(accounts)
    arrival = rng.integers(0, period, n)
    late = arrival >= c.DRIFT_AT * period
    own = rng.standard_normal(n)
    fit = np.sqrt(ACCOUNT_PART) * account_fit[account] + np.sqrt(1 - ACCOUNT_PART) * own
    engagement, taste = rng.standard_normal(n), rng.standard_normal(n)
    source = _mixed(rng, late, fit, c.SOURCE_WEIGHTS, c.SOURCE_FIT)
    country = _mixed(rng, late, fit, c.COUNTRY_WEIGHTS, c.COUNTRY_FIT)
    devices = streams.devices
    arms = devices.random((n, len(c.MESSAGES)))
    return People(
        fit=fit,
        engagement=engagement,
        taste=taste,
        week=_weeks(streams.weeks, n, -(-period // WEEK)),
        arrival=arrival,
        account=account,
        size=np.searchsorted(c.SIZE_LIMITS, seen_fit)[account],
        source=source,
        country=country,
        client=_pick(devices, n, CLIENT_SHARES),
        proxy=devices.random(n) < c.PROXY_SHARE,
        scanner=devices.random(n) < scanners,
        variant=arms < [m.share if len(m.arms) > 1 else 0.0 for m in c.MESSAGES],
    )


def _weeks(rng: np.random.Generator, n: int, weeks: int) -> Floats:
    """Draw AR(1) paths that are stationary from the first week on."""
    path = rng.standard_normal((n, weeks)) * c.WEEK_SD
    fresh = np.sqrt(1 - c.WEEK_CORRELATION**2)
    for week in range(1, weeks):
        path[:, week] = c.WEEK_CORRELATION * path[:, week - 1] + fresh * path[:, week]
    return path


def _mixed(
    rng: np.random.Generator,
    late: Bools,
    fit: Floats,
    weights: tuple[tuple[float, ...], ...],
    slopes: tuple[float, ...],
) -> Ints:
    """Draw a category whose odds depend on fit and, after the drift, on another mix."""
    odds = np.array(weights)[late.astype(int)] * np.exp(np.outer(fit, slopes))
    cumulative = np.cumsum(odds, axis=1)
    draw = rng.random(len(fit)) * cumulative[:, -1]
    return np.asarray((cumulative <= draw[:, None]).sum(axis=1))


def _pick(rng: np.random.Generator, n: int, shares: tuple[float, ...]) -> Ints:
    return np.searchsorted(np.cumsum(shares)[:-1], rng.random(n), side="right").astype(np.int64)
