"""A simulated world: its prospects, what they do, and who converts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from microconv.demo import catalogue as c
from microconv.demo.goals import DONE, Decisions, decide
from microconv.demo.hazard import Spans, convert, hazard_of, list_spans
from microconv.demo.mail import Mail, send_mail
from microconv.demo.opportunities import Opportunities, list_opportunities
from microconv.demo.outcomes import Outcomes, draw_outcomes
from microconv.demo.people import DAY, Bools, Floats, Ints, People, draw_people
from microconv.demo.random_streams import Streams
from microconv.demo.visits import Visits, draw_visits
from microconv.settings import SimulateSettings


@dataclass(frozen=True)
class SimulatedWorld:
    """Everything that happens in a world.

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
    outcomes: Outcomes
    mail: Mail
    visits: Visits
    opportunities: Opportunities
    decisions: Decisions
    spans: Spans
    hazard: Floats
    converted: Ints

    @property
    def until(self) -> Ints:
        """End of each prospect's time at risk: conversion, disqualification or the last day."""
        last = np.minimum(self.outcomes.disqualified, self.period)
        return np.asarray(np.minimum(self.converted, last))

    def happens(self, prospect: Ints, message: Ints, time: Ints) -> Bools:
        """Return which rows, drawn as if nobody converted, happen, and within the period.

        Whoever converts gets no further message, so nothing follows from one;
        visits go on.

        Parameters
        ----------
        prospect, message, time : ndarray of int64
        """
        sent = self.mail.sent[prospect, np.maximum(message, 0)]
        stands = (message < 0) | (sent < self.converted[prospect])
        return stands & (time >= 0) & (time < self.period)


def simulate_world(settings: SimulateSettings, *, effect: float | None = None) -> SimulatedWorld:
    """Simulate a world.

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
    outcomes = draw_outcomes(people, streams.outcomes)
    mail = send_mail(people, outcomes.disqualified, streams.mail)
    visits = draw_visits(people, period, streams.visits)
    opportunities = list_opportunities(people, mail, visits, period, streams.goals)
    decisions = decide(opportunities, len(people))
    done = decisions.outcome == DONE
    at_risk_until = np.minimum(outcomes.disqualified, period)
    steps = opportunities.prospect[done], opportunities.time[done], opportunities.step[done]
    spans = list_spans(people, *steps, at_risk_until)
    strength = world.effect if effect is None else effect
    hazard = hazard_of(people, spans, world, effect=strength)
    converted = convert(spans, hazard, outcomes.threshold)
    return SimulatedWorld(
        period,
        streams,
        people,
        outcomes,
        mail,
        visits,
        opportunities,
        decisions,
        spans,
        hazard,
        converted,
    )
