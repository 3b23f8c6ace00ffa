"""Every stateless feature in plain Python, one snapshot at a time: slow and obvious.

Written from the words of the families' docstrings, with sets, slices and
datetimes, and without looking at how the kernels walk.
"""

from __future__ import annotations

import math
import statistics
from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise

NAN = math.nan
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = 24 * 60 * 60 * 1_000_000


def windows(settings):
    """Yield the name and the length in microseconds of each window; ever is endless."""
    for days in settings.windows_days:
        yield (f"{days:g}d", days * DAY)
    yield ("ever", math.inf)


def within(snapshot, span):
    """List the events at ``as_of - span <= t < as_of``."""
    return [event for event in snapshot.events if event[0] >= snapshot.as_of - span]


def persons(snapshot):
    """List the events more likely a person's than a bot's."""
    return [event for event in snapshot.events if event[2] >= 0.5]


def days_before(snapshot, time):
    """Turn an instant into days before `as_of`."""
    return (snapshot.as_of - time) / DAY


def counts(snapshot, journey, settings):
    """Sum `human_probability` over the events of each step, kind and stage in each window."""
    members = {step.name: {step.name} for step in journey.steps}
    for kind in {step.kind for step in journey.steps}:
        members[f"kind={kind}"] = {step.name for step in journey.steps if step.kind == kind}
    for stage in journey.stages:
        members[f"stage={stage}"] = {
            step.name for step in journey.steps if step.stage == stage and step.kind == "micro"
        }
    return {
        f"counts.{group}.{window}": sum(h for _, s, h in within(snapshot, span) if s in steps)
        for group, steps in members.items()
        for window, span in windows(settings)
    }


def recency(snapshot, journey, settings):
    """Return the days since each step's latest and first event, and how long it took."""
    found = {}
    for step in [*journey.step_names, "(any)"]:
        ages = [days_before(snapshot, t) for t, s, _ in persons(snapshot) if step in (s, "(any)")]
        found[f"recency.{step}.last"] = min(ages, default=NAN)
        found[f"recency.{step}.first"] = max(ages, default=NAN)
        if step != "(any)":
            times = [t for t, s, _ in persons(snapshot) if s == step]
            begun = min((t for t, _, _ in persons(snapshot)), default=0)
            found[f"recency.{step}.reached"] = (min(times) - begun) / DAY if times else NAN
    return found


def actions(snapshot, journey):
    """List (time, step) of the micro events that a person more likely did than a bot."""
    micro = {step.name: step for step in journey.steps if step.kind == "micro"}
    return [(t, micro[s]) for t, s, h in snapshot.events if s in micro and h >= 0.5]


def tempo(snapshot, journey, settings):
    """Return gaps, dates, sessions and paces of the actions."""
    times = [t for t, _ in actions(snapshot, journey)]
    gaps = [(b - a) / DAY for a, b in pairwise(times)]
    middle = statistics.median(gaps) if gaps else NAN
    found = {
        "tempo.gap.last": gaps[-1] if gaps else NAN,
        "tempo.gap.min": min(gaps, default=NAN),
        "tempo.gap.median": middle,
        "tempo.gap.max": max(gaps, default=NAN),
        "tempo.gap.trend": statistics.linear_regression(range(len(gaps)), gaps).slope
        if len(gaps) > 1
        else NAN,
        "tempo.gap.overdue": days_before(snapshot, times[-1]) / middle
        if gaps and middle > 0
        else NAN,
    }
    rate = {}
    for name, span in windows(settings):
        inside = [t for t in times if t >= snapshot.as_of - span]
        dates = {(EPOCH + timedelta(microseconds=t)).date() for t in inside}
        pauses = [b - a > settings.session_gap_minutes * 60_000_000 for a, b in pairwise(inside)]
        found[f"tempo.active_days.{name}"] = len(dates)
        found[f"tempo.sessions.{name}"] = sum(pauses) + bool(inside)
        rate[name] = len(inside) / span
    for short, long in pairwise([name for name in rate if name != "ever"]):
        found[f"tempo.pace.{short}/{long}"] = rate[short] / rate[long] if rate[long] else NAN
    return found


def first_completion(events, sequence):
    """Find the earliest completion of a sequence, by trying every choice of positions.

    Returns (start, end) of the completion with the earliest end and, among
    those, the latest start; by position in the history. None if there is none.
    """
    chosen = [
        positions
        for positions in combinations(range(len(events)), len(sequence))
        if all(events[i][1] == step for i, step in zip(positions, sequence, strict=True))
    ]
    if not chosen:
        return None
    best = min(chosen, key=lambda positions: (positions[-1], -positions[0]))
    return events[best[0]][0], events[best[-1]][0]


def path(snapshot, journey, settings):
    """Return which pairs and sequences were completed, and what the last steps were."""
    events = persons(snapshot)
    done = actions(snapshot, journey)
    micro = [step.name for step in journey.steps if step.kind == "micro"]
    pairs = settings.pairs
    if pairs == "all":
        pairs = [(a, b) for a in micro for b in micro if a != b]
    found = {}
    for sequence in [*pairs, *settings.sequences]:
        name = f"path.{'>'.join(sequence)}"
        completion = first_completion(events, sequence)
        start, end = completion or (NAN, NAN)
        found[f"{name}.done"] = completion is not None
        found[f"{name}.days"] = (end - start) / DAY
        found[f"{name}.since"] = days_before(snapshot, end)
        if len(sequence) == 2 and set(sequence) <= set(micro):
            in_a_row = pairwise([step.name for _, step in done])
            found[f"{name}.next"] = sum(pair == tuple(sequence) for pair in in_a_row)
    for k in range(1, settings.last_steps + 1):
        time, step = done[-k] if k <= len(done) else (NAN, None)
        stage = journey.stages.index(step.stage) + 1 if step else NAN
        found[f"path.last_{k}.stage"] = stage
        found[f"path.last_{k}.commitment"] = step.commitment if step else NAN
        found[f"path.last_{k}.days"] = days_before(snapshot, time)
    if settings.last_steps:
        for name in micro:
            found[f"path.last={name}"] = bool(done) and done[-1][1].name == name
    return found


def ladder(snapshot, journey, settings):
    """Return how high the actions have climbed, how unevenly, and when."""
    done = [
        (t, journey.stages.index(s.stage) + 1, s.commitment) for t, s in actions(snapshot, journey)
    ]
    if not done:
        names = ("stage.days_since", "stage.days_in", "stage.days_to", "commitment.days_since")
        unknown = {f"ladder.{name}": NAN for name in (*names, "commitment.largest_jump")}
        zeros = ("stage.highest", "commitment.highest", "stage.skips", "stage.steps_back")
        return unknown | {f"ladder.{name}": 0 for name in zeros}
    stage, commitment = max(s for _, s, _ in done), max(c for _, _, c in done)
    at_top = [t for t, s, _ in done if s == stage]
    steps = list(pairwise(done))
    return {
        "ladder.stage.highest": stage,
        "ladder.commitment.highest": commitment,
        "ladder.commitment.largest_jump": max((b[2] - a[2] for a, b in steps), default=NAN),
        "ladder.stage.skips": sum(b[1] - a[1] > 1 for a, b in steps),
        "ladder.stage.steps_back": sum(b[1] < a[1] for a, b in steps),
        "ladder.stage.days_since": days_before(snapshot, at_top[0]),
        "ladder.stage.days_in": (at_top[-1] - at_top[0]) / DAY,
        "ladder.stage.days_to": (at_top[0] - done[0][0]) / DAY,
        "ladder.commitment.days_since": max(
            days_before(snapshot, t) for t, _, c in done if c == commitment
        ),
    }


def exposure(snapshot, journey, settings):
    """Return what the exposures met with."""
    kinds = {step.name: step.kind for step in journey.steps}
    found = {}
    for name, span in windows(settings):
        inside = within(snapshot, span)
        shown = sum(h for _, s, h in inside if kinds[s] == "exposure")
        done = sum(h for _, s, h in inside if kinds[s] == "micro")
        found[f"exposure.response.{name}"] = (done + 0.5) / (shown + 1) if shown else NAN
    answers = [i for i, (_, s, h) in enumerate(snapshot.events) if kinds[s] == "micro" and h >= 0.5]
    after = snapshot.events[answers[-1] + 1 :] if answers else snapshot.events
    found["exposure.unanswered.ever"] = sum(h for _, s, h in after if kinds[s] == "exposure")
    found["exposure.days.last"] = min(
        (days_before(snapshot, t) for t, s, _ in persons(snapshot) if kinds[s] == "exposure"),
        default=NAN,
    )
    return found


def calendar(snapshot, journey, settings):
    """Return at which hours and on which weekdays the actions fall."""
    when = [EPOCH + timedelta(microseconds=t) for t, _ in actions(snapshot, journey)]

    def share(holds):
        return sum(map(holds, when)) / len(when) if when else NAN

    found = {
        "calendar.weekend.share": share(lambda at: at.strftime("%a") in ("Sat", "Sun")),
        "calendar.office.share": share(lambda at: at.isoweekday() < 6 and 9 <= at.hour < 17),
        "calendar.hour.sin": share(lambda at: math.sin(math.radians(15 * at.hour))),
        "calendar.hour.cos": share(lambda at: math.cos(math.radians(15 * at.hour))),
    }
    for first in (0, 6, 12, 18):
        name = f"calendar.hours_{first:02d}_{first + 6:02d}.share"
        found[name] = share(lambda at, first=first: first <= at.hour < first + 6)
    shares = [share(lambda at, hour=hour: at.hour == hour) for hour in range(24)]
    found["calendar.hour.entropy"] = sum(-p * math.log2(p) for p in shares if p != 0)
    return found
