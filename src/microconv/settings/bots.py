"""`ingest.bots`: how people's clicks and opens are told from machines'."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from microconv.settings.section import Section

Chance = Annotated[float, Field(gt=0, lt=1)]


class BotSettings(Section):
    """What counts as mail, what is known of machines, and how long evidence is awaited.

    Attributes
    ----------
    enabled : bool
        Off, every event is a person's and visible as soon as it is known.
    window_seconds : float
        A click or open is judged, and becomes visible, this long after it happened.
    delivered, opened, clicked, unsubscribed : tuple of str
        The vendors' own event names (globs), before naming rules. Rows of the channel
        `email` or with a message id are mail; others are never judged.
    scanner_clients, proxy_clients : tuple of str
        Families of :data:`microconv.ingest.bots.clients.FAMILIES`: programs that follow links on
        their own, and such as fetch images for people.
    prior_clicks, prior_opens : float
        Share that machines make where a recipient's domain is not known yet.
    prior_events : float
        As many events of a domain weigh as much as that share.
    """

    enabled: bool = True
    window_seconds: Annotated[float, Field(gt=0, le=86_400)] = 60
    delivered: tuple[str, ...] = ("delivered",)
    opened: tuple[str, ...] = ("open", "opened")
    clicked: tuple[str, ...] = ("click", "clicked")
    unsubscribed: tuple[str, ...] = ("unsubscribe", "unsubscribed", "group_unsubscribe")
    scanner_clients: tuple[str, ...] = ("robot", "script")
    proxy_clients: tuple[str, ...] = ("image_proxy", "privacy_proxy")
    prior_clicks: Chance = 0.1
    prior_opens: Chance = 0.3
    prior_events: Annotated[float, Field(gt=0)] = 20

    @property
    def window(self) -> int:
        """The window in microseconds."""
        return round(self.window_seconds * 1_000_000)
