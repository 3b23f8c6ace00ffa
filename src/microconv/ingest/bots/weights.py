"""Bot weights: how much each bot feature changes the log odds that a bot made an event.

Each weight is the logarithm of how many times as often a bot's event shows the feature as a
person's. They follow from how link scanners and people work, are not fitted to any data, and are
small where the two may look alike.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from microconv.ingest.bots.user_agents import FAMILIES
from microconv.settings import BotSettings

SECOND = 1_000_000

CLICK_DELAYS = ((20, 3.0), (60, 2.0), (600, 0.0), (3600, -1.0), (np.inf, -2.0))
"""Seconds since delivery → weight. A scanner checks links before or at delivery; few people open
a message within 20 s. Scanners that wait do so for minutes, rarely for an hour."""

OPEN_DELAYS = ((20, 1.0), (900, 0.0), (np.inf, -1.0))
"""Seconds since delivery → weight; proxies fetch images soon, people when they read."""

LINKS = (0.0, -1.0, 1.0, 2.5)
"""By distinct links clicked (none known, 1, 2, 3 or more): scanners follow every link."""

GAPS = ((0.999999, 3.0), (2, 1.5), (10, 0.0), (np.inf, -1.5))
"""Seconds to the nearest click on another link → weight: nobody reads and clicks twice within one
second, few within two; programs rarely need more than ten. Exports have whole seconds."""

UNSUBSCRIBED = 1.0
"""An unsubscription among clicks on several links; people click only that one."""

RECIPIENTS = (0.0, 0.0, 0.0, 1.5, 2.5, 4.0)
"""By recipients for whom one address clicked. Two may be colleagues behind one router."""

CLICK_BY_SCANNER, CLICK_BY_PROXY, CLICK_BY_BROWSER = 6.0, 2.0, -0.3
"""A click by a known scanner (never a person), by a client that hides what it is, and by one that
looks like a person's: scanners pretend to be browsers, so this says little."""

OPEN_BY_MACHINE, OPEN_BY_BROWSER = 4.0, -2.0
"""An open by a scanner or proxy says nothing about the person; proxies do not pretend."""

MACHINES = ("image_proxy", "privacy_proxy", "robot", "script")
"""Families that no person uses, even if the settings do not list them."""

MIN_DOMAIN_SHARE, MAX_DOMAIN_SHARE = 0.02, 0.9
"""Limits of the bot share of a domain: people work even where a scanner is in use."""


def click_log_odds(
    delay: np.ndarray, links: np.ndarray, gap: np.ndarray, unsubscribed: np.ndarray
) -> np.ndarray:
    """Return the log odds that a bot made each click, from its message features.

    Parameters
    ----------
    delay, links, gap, unsubscribed : ndarray, shape (n,)
        As :func:`microconv.ingest.bots.features.message_features` returns them.

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    odds = _stepwise(delay, CLICK_DELAYS) + _stepwise(gap, GAPS) + np.array(LINKS)[links]
    return np.asarray(odds + np.where(unsubscribed & (links > 1), UNSUBSCRIBED, 0.0))


def open_log_odds(delay: np.ndarray) -> np.ndarray:
    """Return the log odds that a bot opened each message, from the delay since delivery."""
    return _stepwise(delay, OPEN_DELAYS)


def client_log_odds(client: pa.Array, *, opened: np.ndarray, settings: BotSettings) -> np.ndarray:
    """Return the log odds that a bot made each event, from the family of its user agent.

    Parameters
    ----------
    client : Array of string, shape (n,)
    opened : ndarray of bool, shape (n,)
        Opens; the other events are clicks.
    settings : BotSettings

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    coded = client.dictionary_encode(null_encoding="encode")
    families = coded.dictionary.to_pylist()
    browsers = {name for name, _ in FAMILIES}
    browsers -= {*settings.scanner_clients, *settings.proxy_clients, *MACHINES}
    weights = np.zeros((2, max(1, len(families))))
    for place, family in enumerate(families):
        if family in settings.scanner_clients:
            weights[:, place] = CLICK_BY_SCANNER, OPEN_BY_MACHINE
        elif family in settings.proxy_clients:
            weights[:, place] = CLICK_BY_PROXY, OPEN_BY_MACHINE
        elif family in browsers:
            weights[:, place] = CLICK_BY_BROWSER, OPEN_BY_BROWSER
    return np.asarray(weights[opened.astype(np.int8), coded.indices.to_numpy()])


def logit(share: np.ndarray | float) -> np.ndarray:
    """Return the log odds of a probability."""
    return np.asarray(np.log(share) - np.log1p(-np.asarray(share)))


def _stepwise(micros: np.ndarray, steps: tuple[tuple[float, float], ...]) -> np.ndarray:
    ends = np.array([seconds * SECOND for seconds, _ in steps])
    weights = np.array([weight for _, weight in steps])
    return np.asarray(np.where(micros < 0, 0.0, weights[np.searchsorted(ends, micros)]))
