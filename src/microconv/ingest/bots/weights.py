"""How much each piece of evidence speaks for a machine: natural log odds, with their reasons.

Each weight is a logarithm of how many times as often a machine's event shows the evidence as
a person's. They are set from how scanners and people work, not fitted to any data, and are
kept small where both may look alike.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from microconv.ingest.bots.clients import FAMILIES
from microconv.settings import BotSettings

SECOND = 1_000_000

CLICK_DELAYS = ((20, 3.0), (60, 2.0), (600, 0.0), (3600, -1.0), (np.inf, -2.0))
"""Seconds since delivery → weight. A scanner looks before or as the mail is handed over; few
people have it open within 20 s. Scanners that wait do so for minutes, seldom for an hour."""

OPEN_DELAYS = ((20, 1.0), (900, 0.0), (np.inf, -1.0))
"""Seconds since delivery → weight; proxies fetch images soon, people when they read."""

LINKS = (0.0, -1.0, 1.0, 2.5)
"""By distinct links clicked around (none known, 1, 2, 3 or more): scanners take every link."""

GAPS = ((0.999999, 3.0), (2, 1.5), (10, 0.0), (np.inf, -1.5))
"""Seconds to the nearest click on another link → weight: nobody reads and aims twice in one
second, few in two; programs rarely take more than ten. The clocks of exports show whole seconds."""

LEFT = 1.0
"""An unsubscription among clicks on several links; people who leave click the one for it."""

CROWD = (0.0, 0.0, 0.0, 1.5, 2.5, 4.0)
"""By recipients for whom one address clicked around. Two are colleagues behind one router."""

SCANNER, PROXY, PERSON = 6.0, 2.0, -0.3
"""A click by a client that says it is a scanner (no person's does), that hides who it is, that
looks like a person's: scanners pretend to be browsers, so that this says little."""

OPEN_BY_MACHINE, OPEN_BY_PERSON = 4.0, -2.0
"""An open by a scanner or proxy tells nothing of the person; proxies do not pretend."""

LEAST, MOST = 0.02, 0.9
"""What a domain's earlier days may at most say: people work even where a scanner does."""


def click_odds(
    delay: np.ndarray, links: np.ndarray, gap: np.ndarray, left: np.ndarray
) -> np.ndarray:
    """Sum up the log odds that a machine clicked, from what :func:`look_around` found."""
    odds = _stepped(delay, CLICK_DELAYS) + _stepped(gap, GAPS) + np.array(LINKS)[links]
    return np.asarray(odds + np.where(left & (links > 1), LEFT, 0.0))


def open_odds(delay: np.ndarray) -> np.ndarray:
    """Weigh how soon after delivery a mail was opened."""
    return _stepped(delay, OPEN_DELAYS)


def client_odds(client: pa.Array, *, opened: np.ndarray, bots: BotSettings) -> np.ndarray:
    """Weigh the family of the program that clicked or opened."""
    coded = client.dictionary_encode(null_encoding="encode")
    families = coded.dictionary.to_pylist()
    people = {name for name, _ in FAMILIES}
    people -= {*bots.scanner_clients, *bots.proxy_clients, *MACHINES}
    weights = np.zeros((2, max(1, len(families))))
    for place, family in enumerate(families):
        if family in bots.scanner_clients:
            weights[:, place] = SCANNER, OPEN_BY_MACHINE
        elif family in bots.proxy_clients:
            weights[:, place] = PROXY, OPEN_BY_MACHINE
        elif family in people:
            weights[:, place] = PERSON, OPEN_BY_PERSON
    return np.asarray(weights[opened.astype(np.int8), coded.indices.to_numpy()])


MACHINES = ("image_proxy", "privacy_proxy", "robot", "script")
"""Families that are no person's program, even if the settings do not list them as machines."""


def logit(share: np.ndarray | float) -> np.ndarray:
    """Turn a probability into log odds."""
    return np.asarray(np.log(share) - np.log1p(-np.asarray(share)))


def _stepped(micros: np.ndarray, steps: tuple[tuple[float, float], ...]) -> np.ndarray:
    ends = np.array([seconds * SECOND for seconds, _ in steps])
    weights = np.array([weight for _, weight in steps])
    return np.asarray(np.where(micros < 0, 0.0, weights[np.searchsorted(ends, micros)]))
