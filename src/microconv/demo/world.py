"""One world from its settings: who lives in it, what they do, who converts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from microconv.demo import catalogue as c
from microconv.demo.goals import DONE, Decisions, decide
from microconv.demo.hazard import Spans, convert, hazard_of, lay_spans
from microconv.demo.mail import Mail, send_mail
from microconv.demo.offers import Chances, list_chances
from microconv.demo.outcomes import Fates, draw_fates
from microconv.demo.people import DAY, Bools, Floats, Ints, People, draw_people
from microconv.demo.streams import Streams
from microconv.demo.visits import Visits, draw_visits
from microconv.settings import SimulateSettings


@dataclass(frozen=True)
class Story:
    """All that happens in a world, before anybody writes it down.

    Attributes
    ----------
    period : int
        µs from the start to the end.
    streams : Streams
        Advanced past everything drawn so far; the exports draw on.
    spans, hazard
        The time at risk of all, and the hazard of the conversion in it.
    converted : ndarray of int64, shape (n_prospects,)
        When, or :data:`~microconv.demo.mail.NEVER`.
    """

    period: int
    streams: Streams
    people: People
    fates: Fates
    mail: Mail
    visits: Visits
    chances: Chances
    decisions: Decisions
    spans: Spans
    hazard: Floats
    converted: Ints

    @property
    def until(self) -> Ints:
        """End of each prospect's time at risk: conversion, disqualification or the last day."""
        last = np.minimum(self.fates.disqualified, self.period)
        return np.asarray(np.minimum(self.converted, last))

    def happens(self, prospect: Ints, message: Ints, time: Ints) -> Bools:
        """Say which of the rows drawn as if nobody converted do happen, and within the period.

        Whoever converts gets no further message, so nothing follows from one;
        visits go on.
        """
        sent = self.mail.sent[prospect, np.maximum(message, 0)]
        stands = (message < 0) | (sent < self.converted[prospect])
        return stands & (time >= 0) & (time < self.period)


def tell_story(settings: SimulateSettings, *, effect: float | None = None) -> Story:
    """Let a world happen.

    Parameters
    ----------
    settings : SimulateSettings
    effect : float, optional
        Takes the place of the world's own effect of the sequence; 1 switches it
        off. Everything but the conversions, and what they put an end to, stays
        as it was.
    """
    world = c.WORLDS[settings.world]
    period = settings.days * DAY
    streams = Streams.of(settings.seed)
    people = draw_people(settings.prospects, period, streams, scanners=settings.scanner_share)
    fates = draw_fates(people, streams.outcomes)
    mail = send_mail(people, fates.disqualified, streams.mail)
    visits = draw_visits(people, period, streams.visits)
    chances = list_chances(people, mail, visits, period, streams.goals)
    decisions = decide(chances, len(people))
    done = decisions.outcome == DONE
    at_risk_until = np.minimum(fates.disqualified, period)
    steps = chances.prospect[done], chances.time[done], chances.step[done]
    spans = lay_spans(people, *steps, at_risk_until)
    strength = world.effect if effect is None else effect
    hazard = hazard_of(people, spans, world, effect=strength)
    converted = convert(spans, hazard, fates.threshold)
    return Story(
        period, streams, people, fates, mail, visits, chances, decisions, spans, hazard, converted
    )
