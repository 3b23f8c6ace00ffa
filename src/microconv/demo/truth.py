"""truth.json: every planted effect, in numbers and in words."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np

from microconv.demo import catalogue as c
from microconv.demo.bottlenecks import planted_bottlenecks
from microconv.demo.estimands import rate_ratios
from microconv.demo.goals import DONE
from microconv.demo.hazard import find_completions
from microconv.demo.mail import NEVER
from microconv.demo.people import Bools
from microconv.demo.world import SimulatedWorld
from microconv.settings import SimulateSettings


def describe_truth(
    settings: SimulateSettings,
    simulated: SimulatedWorld,
    lines: dict[str, dict[str, int]],
    expected: float,
) -> dict[str, Any]:
    """Return the content of truth.json.

    Parameters
    ----------
    lines : dict
        File → what :meth:`~microconv.demo.collection.CollectedLines.counts` says of it.
    expected : float
        The sum of the true hazard over all time at risk.
    """
    opportunities = simulated.opportunities
    happened = simulated.happens(opportunities.prospect, opportunities.message, opportunities.time)
    converts = simulated.converted < NEVER
    return {
        "world": settings.world,
        "seed": settings.seed,
        "prospects": settings.prospects,
        "start": settings.start.isoformat(),
        "end": (settings.start + timedelta(days=settings.days)).isoformat(),
        "conversions": int(converts.sum()),
        "expected_conversions": expected,
        "conversion_rate": float(converts.mean()),
        "files": lines,
        "hazard": _hazard(settings),
        "sequence": _sequence(settings, simulated, happened),
        "opens": {
            "probability": "logit^-1(intercept + taste * o), o standard normal",
            "intercept": c.OPEN_INTERCEPT,
            "taste": c.OPEN_TASTE,
        },
        "goals": _goals(),
        "visits": {
            "rate_per_day": "exp(a + 0.6 u + 0.4 w); `rate_per_day` of a step is its exp(a)",
            "week": {"correlation": c.WEEK_CORRELATION, "sd": c.WEEK_SD},
        },
        "steps": {
            s.name: {
                "stage": c.STAGES[s.stage], "commitment": s.commitment, "a_step": s.appeal,
                "rate_per_day": s.rate,
            }
            for s in c.STEPS
        },
        "bots": _bots(settings, simulated),
        "bottlenecks": planted_bottlenecks(opportunities, simulated.decisions, happened),
        "experiments": _experiments(simulated, happened),
        "multi_step": _multi_step(),
        "tracking": TRACKING,
        "data_errors": {
            "duplicate_share": c.DUPLICATE_SHARE, "late_share": c.LATE_SHARE,
            "late_days_at_most": c.LATE_DAYS, "malformed_share": c.MALFORMED_SHARE,
            "note": "A damaged line is a copy: the row that it tells of also arrived whole.",
        },
        "drift": {
            "from": (settings.start + timedelta(days=settings.days * c.DRIFT_AT)).isoformat(),
            "sources": dict(zip(c.SOURCES, zip(*c.SOURCE_WEIGHTS, strict=True), strict=True)),
            "countries": dict(zip(c.COUNTRIES, zip(*c.COUNTRY_WEIGHTS, strict=True), strict=True)),
            "note": "Who arrives from then on comes from another mix: weights before and after.",
        },
    }  # fmt: skip


TRACKING = {
    "after_conversion": "No message any more; visits go on at the same rate, and are tracked.",
    "after_unsubscribing": "No message any more; visits, and the chance of converting, go on.",
    "after_disqualification": "No message and no conversion any more; visits go on.",
    "silent_drop_outs": "None: nobody's hazard ends without a record, so that in the world `null` "
    "nothing at all predicts. Activity fades where engagement is low, and most browsers of "
    "imported contacts are anonymous until a form or a click in an email; some for ever.",
    "opens_behind_a_proxy": "The proxy's own open hides whether the person read the message.",
    "exits_per_day": {"disqualified": c.DISQUALIFIED_PER_DAY},
    "bounce_share": c.BOUNCE_SHARE,
    "unsubscribe_per_open": "logit^-1(intercept + slope * u)",
    "unsubscribe": [c.UNSUBSCRIBE_INTERCEPT, c.UNSUBSCRIBE_ENGAGEMENT],
    "spam_report_per_open": c.SPAM_REPORT_PROBABILITY,
}


def _hazard(settings: SimulateSettings) -> dict[str, Any]:
    world = c.WORLDS[settings.world]
    return {
        "per_day": "h0 * exp(b_fit f + b_engagement u + b_level * level) * F(t)",
        "h0": c.BASE_HAZARD,
        "b_fit": world.fit,
        "b_engagement": world.engagement,
        "b_level": world.level,
        "note": "`level` is the highest commitment of any step done so far. hazard.parquet holds "
        "the rate at the start of each day at risk and its integral over that day.",
    }


def _sequence(
    settings: SimulateSettings, simulated: SimulatedWorld, happened: Bools
) -> dict[str, Any]:
    world = c.WORLDS[settings.world]
    opportunities = simulated.opportunities
    done = happened & (simulated.decisions.outcome == DONE)
    who, time = opportunities.prospect[done], opportunities.time[done]
    in_order, together = find_completions(who, time, opportunities.step[done])
    converts = simulated.converted < NEVER
    completed, before = np.zeros(len(converts), bool), np.zeros(len(converts), bool)
    completed[who[in_order]] = True
    before[who[in_order & (time < simulated.converted[who])]] = True
    return {
        "steps": c.SEQUENCE,
        "within_days": c.SEQUENCE_WITHIN_DAYS,
        "effect_days": c.EFFECT_DAYS,
        "effect": world.effect,
        "completed_in_order": int(completed.sum()),
        "completed_in_order_before_converting": int(before.sum()),
        "came_together_in_any_order": len(np.unique(who[together])),
        "unadjusted_ratio": float(converts[completed].mean() / converts[~completed].mean())
        if 0 < completed.sum() < len(completed) and converts[~completed].any()
        else None,
        "rate_ratios": rate_ratios(simulated.people, simulated.spans, world),
        "note": RATIOS,
    }


RATIOS = (
    "`ratio` is the marginal rate ratio: expected conversions per person-day at risk within "
    "effect_days after completing the sequence in order, over the same prospects' rate in the "
    "same days with the effect switched off and every random number kept. Expectations are taken "
    "over the conversion's own random number: C = sum of the integral of S h, T = sum of the "
    "integral of S, S = exp(-integrated hazard), ratio = (C_on / T_on) / (C_off / T_off). "
    "`against_not_yet_completed`: the exposed time is the effect_days after every completion in "
    "order; the comparator is all time at risk before the first. `against_another_order`: the "
    "exposed time is the effect_days from the instant at which all three steps first lay within "
    "within_days, for those who had then done them in order; the comparator is the same days of "
    "those who had not, until they complete it in order after all. `crude_on` and `crude_off` "
    "divide by the comparator's rate, with the effect on and off: `crude_off` is what confounding "
    "alone shows. `unadjusted_ratio` is the share converted among all who ever completed the "
    "sequence, over the share among the others, after conversions and all."
)


def _goals() -> dict[str, Any]:
    return {
        "probability": "logit^-1(a_step + 0.8 u + 0.5 w - 0.9 max(0, c_goal - level - 1) "
        "- 0.7 |stage_goal - stage|), given that the person opened the message",
        "note": "A person who does not open a message cannot do its goal. `stage` is the "
        "furthest stage of any step done so far, awareness at first; a goal that the website "
        "reports counts when its last page is done.",
        "footer_probability": c.FOOTER_PROBABILITY,
        "click_only_probability": c.CLICK_ONLY_PROBABILITY,
    }


def _bots(settings: SimulateSettings, simulated: SimulatedWorld) -> dict[str, Any]:
    return {
        "proxy_share": c.PROXY_SHARE,
        "proxies": int(simulated.people.proxy.sum()),
        "scanner_share": settings.scanner_share,
        "scanners": int(simulated.people.scanner.sum()),
        "scanner_seconds": c.SCANNER_SECONDS,
        "note": "A scanner clicks every link of a message 1 to 20 s after delivery. bots.parquet "
        "says of each open and click in email_events.jsonl whether a machine made it.",
    }


KINDS = {"brand_video": "A/A", "preference_survey": "A/B", "demo_video": "broken split"}


def _experiments(simulated: SimulatedWorld, happened: Bools) -> list[dict[str, Any]]:
    opportunities = simulated.opportunities
    done = happened & (simulated.decisions.outcome == DONE)
    stated = []
    for number, message in enumerate(c.MESSAGES):
        if len(message.arms) < 2:
            continue
        got = simulated.mail.reached[:, number] & (simulated.mail.sent[:, number] < simulated.until)
        goal = (
            done & (opportunities.message == number) & (opportunities.step == c.CODE[message.goal])
        )
        arms = {}
        for second, (variant, (subject, cta, factor)) in enumerate(message.arms.items()):
            arm = simulated.people.variant[:, number] == second
            arms[variant] = {
                "subject": subject,
                "cta": cta,
                "factor": factor,
                "received": int((got & arm).sum()),
                "goal_by_message": int((goal & arm[opportunities.prospect]).sum()),
            }
        stated.append(
            {
                "kind": KINDS[message.goal],
                "message_position": number + 1,
                "step": message.goal,
                "intended_share": 0.5,
                "true_share_of_second": message.share,
                "true_relative_effect": max(arm[2] for arm in message.arms.values()) - 1,
                "arms": arms,
            }
        )
    return stated


def _multi_step() -> dict[str, Any]:
    labels = {
        "demo_video": ["25 %", "50 %", "75 %", "100 %"],
        "solution_assessment": ["page 1", "page 2", "page 3", "page 4", "page 5", "sent"],
    }
    return {
        name: {
            "reach": dict(zip(points, c.STEPS[c.CODE[name]].reach, strict=True)),
            "note": "Share of those who start that get so far, browsers that fail apart.",
        }
        for name, points in labels.items()
    }
