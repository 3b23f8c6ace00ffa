"""Studies of hand-made logs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from microconv.demo import catalogue
from microconv.demo.estimands import rate_ratios
from microconv.demo.goals import DONE
from microconv.demo.mail import NEVER
from microconv.demo.world import simulate_world
from microconv.histories.arrays import DAY, microseconds
from microconv.journey import JourneyMap
from microconv.measurement.study.load import load_study
from microconv.measurement.study.message_sends import list_message_sends
from microconv.settings import read_settings
from microconv.storage.log import MemoryLog
from microconv.storage.schema import INSTANT
from worlds.demo import world
from worlds.logs import AS_OF, JOURNEY, instant, log_of


def study_of(*rows, until=AS_OF, journey=JOURNEY, messages=None):
    """Load the study of some rows, up to an instant."""
    return load_study(log_of(*rows), journey, observed_until=until, messages=messages, threads=1)


def sends_of(study, response_days=4.0):
    """List the message sends of a study, as the shipped settings define a response."""
    return list_message_sends(study, response_days=response_days, min_human_probability=0.5)


HOUR = DAY // 24
"""In µs."""

LENGTH = 30
"""Hours before AS_OF at which hand-made histories begin."""


def at(hour):
    """Return the instant so many hours after the beginning of hand-made histories."""
    return instant((hour - LENGTH) * 3600)


SHIPPED = read_settings(Path(__file__).parents[2] / "params.yaml")
JOURNEY_BY_STEP_NAME = JourneyMap.from_settings(
    SHIPPED.journey.model_copy(
        update={
            "ignore": (),
            "multi_step": {},
            "steps": {
                name: step.model_copy(update={"events": ()})
                for name, step in SHIPPED.journey.steps.items()
            },
        }
    )
)
"""The shipped journey, every event named after its step."""


def study_of_world(name, *, prospects, seed, days=270):
    """Load the study of a demo world with perfect tracking: no bots, bad rows or anonymous visits.

    It takes seconds where exports and ingest take a minute, so many seeds can be tried. Returns
    the study and the rate ratios of truth.json.
    """
    simulated = simulate_world(world(name, prospects=prospects, seed=seed, days=days))
    who, time, step, value = (
        np.concatenate(parts) for parts in zip(*_story_events(simulated), strict=True)
    )
    inside = (time >= 0) & (time < simulated.period)
    order = np.lexsort((time[inside], who[inside]))
    who, time, step, value = (column[inside][order] for column in (who, time, step, value))
    instants = pa.array(time + microseconds(story_start())).cast(INSTANT)
    names = pa.array([f"p{number:06d}" for number in range(len(simulated.people))])
    count = len(who)
    events = pa.table(
        {
            "prospect_id": pa.DictionaryArray.from_arrays(who.astype(np.int32), names),
            "time": instants,
            "known_at": instants,
            "visible_at": instants,
            "visible_until": pa.nulls(count, INSTANT),
            "event_name": pa.DictionaryArray.from_arrays(
                step.astype(np.int32), list(JOURNEY_BY_STEP_NAME.step_names)
            ),
            "value": pa.array(value, from_pandas=True),
            **{name: pa.nulls(count, pa.string()) for name in TEXT_COLUMNS},
            "human_probability": np.ones(count, np.float32),
        }
    )
    study = load_study(
        MemoryLog(events),
        JOURNEY_BY_STEP_NAME,
        observed_until=story_start() + timedelta(microseconds=simulated.period),
        threads=1,
    )
    return study, rate_ratios(simulated.people, simulated.spans, catalogue.WORLDS[name])


TEXT_COLUMNS = ("message_id", "campaign_id", "variant", "client")


def story_start():
    """Return the first day of every demo world of the tests."""
    return world().start


def _story_events(simulated):
    """Yield prospect, time, step and value of all events of a simulated world."""
    opportunities, mail = simulated.opportunities, simulated.mail
    names = JOURNEY_BY_STEP_NAME.step_names
    nobody = np.full(0, np.nan)

    def rows_of(who, time, step, value=nobody):
        codes = np.broadcast_to(np.array(step), who.shape)
        return who, time, codes, value if len(value) else np.full(who.shape, np.nan)

    done = simulated.happens(opportunities.prospect, opportunities.message, opportunities.time)
    done &= simulated.decisions.outcome == DONE
    code_of_step = np.array([names.index(step.name) for step in catalogue.STEPS])
    yield rows_of(
        opportunities.prospect[done],
        opportunities.time[done],
        code_of_step[opportunities.step[done]],
    )
    who, number = np.nonzero(mail.reached & (mail.sent < simulated.converted[:, None]))
    yield rows_of(who, mail.delivered[who, number], names.index("email_sent"))
    opened = mail.opened[who, number] < NEVER
    who, number = who[opened], number[opened]
    yield rows_of(who, mail.opened[who, number], names.index("email_opened"))
    for step, moment in (
        ("disqualified", simulated.outcomes.disqualified),
        ("unsubscribed", mail.left),
        ("deal_won", simulated.converted),
    ):
        who = np.flatnonzero(moment < NEVER)
        value = simulated.outcomes.amount[who] if step == "deal_won" else nobody
        yield rows_of(who, moment[who], names.index(step), value)
    who = np.flatnonzero(mail.bounces)
    yield rows_of(who, mail.sent[who, 0], names.index("bounced"))
