"""Response rates of messages against those of comparable messages."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.stats import beta

from microconv.measurement.benchmarks import benchmarks, count_responses, expected_rates
from microconv.settings import BenchmarkSettings, IndustryPrior
from microconv.storage.schema import MESSAGES
from worlds.logs import JOURNEY, event, instant
from worlds.studies import sends_of, study_of

DAYS = 86_400


def day(number, seconds=0):
    """Return an instant so many days before the end of the study."""
    return instant(-number * DAYS + seconds)


def table_of(*groups):
    """Make groups and their counts from (step, stage, commitment, gap, sends, responses)."""
    rows, names = [], []
    for position, (step, stage, commitment, gap, sends, responses) in enumerate(groups):
        who = {"step": step, "campaign": "c", "position": position}
        names.append({**who, "stage": stage, "commitment": commitment})
        state = {"commitment_gap": gap, "stage_position": "same stage"}
        rows.append({**who, **state, "sends": sends, "responses": responses})
    return pd.DataFrame(names), pd.DataFrame(rows)


def test_a_message_is_never_compared_with_itself():
    """A message far below the others must not lower what is expected of it."""
    groups = [("a", "s", 1, 0, 400, 80), ("b", "s", 1, 0, 400, 80), ("c", "s", 1, 0, 400, 0)]
    rate, _ = expected_rates(*table_of(*groups), BenchmarkSettings())
    assert rate[2] == pytest.approx(0.2, abs=0.002)
    assert rate[0] < 0.15


def test_messages_that_come_too_early_are_compared_with_others_that_do():
    """Both have 4 % responses from prospects two levels below: as expected of that state."""
    groups = [
        ("a", "s", 1, 0, 1000, 200), ("b", "s", 1, 0, 1000, 200),
        ("c", "t", 3, 2, 1000, 40), ("d", "u", 4, 2, 1000, 40),
    ]  # fmt: skip
    rate, _ = expected_rates(*table_of(*groups), BenchmarkSettings())
    assert rate[3] == pytest.approx(0.04, abs=0.005)
    assert rate[0] == pytest.approx(0.2, abs=0.005)


def test_an_industry_prior_counts_as_so_many_sends():
    """A prior of 10 % with a weight of 1,000 sends beside 1,000 sends at 20 % makes 15 %."""
    groups = [("a", "s", 1, 0, 1000, 200), ("b", "s", 1, 0, 1000, 200)]
    prior = IndustryPrior(stage="s", commitment=1, rate=0.1, weight=1000)
    rate, weight = expected_rates(*table_of(*groups), BenchmarkSettings(priors=(prior,)))
    assert rate == pytest.approx(np.full(2, 0.15))
    assert weight == pytest.approx(np.full(2, 2000))


def test_a_single_message_is_compared_with_the_industry_prior_only():
    """Without one there is no expected rate; it is not one half."""
    groups = table_of(("a", "s", 1, 0, 100, 20))
    assert np.isnan(expected_rates(*groups, BenchmarkSettings())[0]).all()
    prior = IndustryPrior(stage="s", commitment=1, rate=0.1, weight=50)
    assert expected_rates(*groups, BenchmarkSettings(priors=(prior,)))[0] == pytest.approx([0.1])


def many(messages, percents):
    """Send messages to 300 people; of every hundred so many respond to each."""
    rows = []
    for who in range(300):
        name = f"p{who:03d}"
        for k, (message, percent) in enumerate(zip(messages, percents, strict=True)):
            sent = day(200 - 20 * k)
            rows.append(event(name, "sent", sent, message_id=message))
            if who % 100 < percent:
                rows.append(event(name, "guide", day(200 - 20 * k, 60)))
    return rows


def test_the_section_states_actual_expected_and_target_rate():
    """The target is the quantile of the comparable sends' distribution, by scipy."""
    letters = pa.Table.from_pylist(
        [{"message_id": f"m{k}", "position": k, "goal": "guide"} for k in (1, 2, 3)],
        schema=MESSAGES,
    )
    rows = many(["m1", "m2", "m3"], [20, 24, 4])
    study = study_of(*rows, journey=JOURNEY, messages=letters)
    sends = sends_of(study)
    found = benchmarks(study, sends, BenchmarkSettings(), confidence=0.95)
    table = found.tables["benchmarks"].set_index("position")
    assert table["sends"].tolist() == [300] * 3
    row = table.loc[3]
    assert row["responses"] == 12
    assert row["versus_expected"] == "below"
    target = beta.ppf(
        0.75,
        row["prior_weight"] * row["expected_rate"],
        row["prior_weight"] * (1 - row["expected_rate"]),
    )
    assert row["target_rate"] == pytest.approx(target)
    assert row["additional_responses"] == pytest.approx((target - row["shrunk_rate"]) * 300)
    assert "`guide` (message 3 of no campaign): response rate 4.0%" in found.summary[1]


def test_without_messages_the_section_says_what_to_bring():
    """The way out is named."""
    study = study_of(event("ada", "sent", day(9)), journey=JOURNEY)
    sends = sends_of(study)
    found = benchmarks(study, sends, BenchmarkSettings(), confidence=0.95)
    assert "no table of messages" in found.missing[0]
    assert found.tables == {}


def test_sends_are_counted_by_message_state_and_previous_step():
    """Two recipients of one message: one had read the blog, one had done nothing."""
    letters = pa.Table.from_pylist(
        [{"message_id": "m1", "campaign_id": "c", "position": 1, "goal": "pricing"}],
        schema=MESSAGES,
    )
    study = study_of(
        event("ada", "blog", day(30)), event("ada", "sent", day(20), message_id="m1"),
        event("ada", "pricing", day(19)), event("bob", "sent", day(20), message_id="m1"),
        messages=letters,
    )  # fmt: skip
    table = count_responses(
        study.journey,
        study.messages,
        sends_of(study),
    ).sort_values("previous")
    assert table["previous"].tolist() == ["(none)", "blog"]
    assert table["commitment_gap"].tolist() == [2, 1]
    assert table["stage_position"].tolist() == ["stage ahead", "stage ahead"]
    assert (table["sends"].tolist(), table["responses"].tolist()) == ([1, 1], [0, 1])
