"""With `unit: account`, accounts are counted, not their contacts."""

from __future__ import annotations

import json

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from microconv.measurement.measure import measure, write_measurement
from microconv.measurement.study.load import load_study
from microconv.storage.log import EventLog
from worlds.exports import Exports, day, iso
from worlds.logs import JOURNEY
from worlds.ranking import settings

ACCOUNTS = 150
CRM = {
    "format": "prospects",
    "files": "crm.csv",
    "columns": {"prospect_id": "id", "known_at": "since", "account_id": "firm"},
}
VISITS = {"files": "visits.csv", "complete_until": iso(200)}


def happenings():
    """List account, day and step: what 150 accounts did, each a few times."""
    rng = np.random.default_rng(4)
    rows = []
    for account in range(ACCOUNTS):
        days = np.sort(rng.uniform(1, 190, rng.integers(2, 12)))
        steps = rng.choice(["blog", "guide", "pricing", "reference"], len(days))
        won = rng.random() < 0.2 + 0.4 * ("pricing" in steps)
        rows += [(account, when, step) for when, step in zip(days, steps, strict=True)]
        rows += [(account, min(days[-1] + rng.uniform(0.1, 5), 199), "won")] if won else []
    return rows


def measured(folder, contacts):
    """Ingest by account, where contacts take turns in acting, and measure all of it."""
    exports = Exports(folder)
    people = [(a, c) for a in range(ACCOUNTS) for c in range(contacts)]
    crm = "".join(f"c{a}-{c},{iso(0)},F{a:03d}\n" for a, c in people)
    exports.write("crm.csv", f"id,since,firm\n{crm}")
    visits = "".join(
        f"c{account}-{turn % contacts},{iso(round(when, 4))},{step}\n"
        for turn, (account, when, step) in enumerate(happenings())
    )
    exports.write("visits.csv", f"who,when,what\n{visits}")
    exports.ingest(CRM, VISITS, unit="account")
    log = EventLog.open(exports.outputs.log)
    until = log.observed_until(JOURNEY)
    assert until == day(200)
    study = load_study(log, JOURNEY, observed_until=until, threads=1)
    report = folder / "journey.json"
    write_measurement(
        study, measure(study, settings(), threads=1), report=report, tables=folder / "journey"
    )
    return json.loads(report.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Measure accounts of one contact each."""
    return measured(tmp_path_factory.mktemp("alone"), contacts=1)


def test_no_figure_and_no_interval_depends_on_how_many_contacts_share_the_work(alone, tmp_path):
    """Were contacts counted, seven of them would make every interval narrower."""
    assert measured(tmp_path, contacts=7) == alone


def test_intervals_are_of_as_many_as_there_are_accounts(alone):
    """By statsmodels: reached by so many of 150 accounts, however many events they made."""
    did = {account for account, _, step in happenings() if step == "pricing"}
    won = {account for account, _, step in happenings() if step == "won"}
    assert alone["overview"]["prospects"] == ACCOUNTS
    assert alone["overview"]["converted"] == len(won)
    rows = alone["completion"]["tables"]["steps"]
    row = next(row for row in rows if row["step"] == "pricing")
    low, high = proportion_confint(len(did), ACCOUNTS, method="wilson")
    assert (row["completed_low"], row["completed_high"]) == pytest.approx((low, high))
