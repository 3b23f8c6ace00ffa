"""`ingest.bots`: how clicks and opens by people are told from those by programs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from microconv.settings.section import Section

Probability = Annotated[float, Field(gt=0, lt=1)]


class BotSettings(Section):
    """What counts as an e-mail event, which clients are bots, and when an event is classified.

    Attributes
    ----------
    enabled : bool
        Without bot detection every event counts as human, and is visible once it is known.
    window_seconds : float
        A click or open is classified, and becomes visible, this long after it happened.
    delivered, opened, clicked, unsubscribed : tuple of str
        The vendors' own event names (globs), before naming rules. They apply to rows with
        the channel `email` or a message id.
    scanner_clients, proxy_clients : tuple of str
        Families of :data:`microconv.ingest.bots.user_agents.FAMILIES`: programs that follow
        links on their own, and programs that fetch images for people.
    prior_clicks, prior_opens : float
        Share of clicks and opens by bots at a domain without earlier events.
    prior_events : float
        Weight of these shares, in events of a domain.
    """

    enabled: bool = True
    window_seconds: Annotated[float, Field(gt=0, le=86_400)] = 60
    delivered: tuple[str, ...] = ("delivered",)
    opened: tuple[str, ...] = ("open", "opened")
    clicked: tuple[str, ...] = ("click", "clicked")
    unsubscribed: tuple[str, ...] = ("unsubscribe", "unsubscribed", "group_unsubscribe")
    scanner_clients: tuple[str, ...] = ("robot", "script")
    proxy_clients: tuple[str, ...] = ("image_proxy", "privacy_proxy")
    prior_clicks: Probability = 0.1
    prior_opens: Probability = 0.3
    prior_events: Annotated[float, Field(gt=0)] = 20

    @property
    def window(self) -> int:
        """The window in microseconds."""
        return round(self.window_seconds * 1_000_000)
