"""Where accounts convert: all of the measurement, from exports to its files, counts accounts."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from exports import Exports, iso
from microconv.stages.measure import measure
from ranked_world import settings

FIRMS, DAYS = 60, 100

CRM = {
    "format": "prospects",
    "files": "crm.csv",
    "columns": {"prospect_id": "id", "known_at": "since", "account_id": "firm"},
}
VISITS = {"files": "visits.csv"}
DEALS = {
    "format": "deals",
    "files": "deals.csv",
    "complete_until": iso(DAYS),
    "columns": {"prospect_id": "contact", "account_id": "firm", "time": "at", "event": "stage",
                "value": "amount"},
}  # fmt: skip


def story():
    """Draw what the people of each firm do, and which firm buys, on which day."""
    rng = np.random.default_rng(4)
    visits = [
        (firm, step, day_)
        for firm in range(FIRMS)
        for step in ("blog", "guide", "pricing")
        for day_ in rng.uniform(1, 80, rng.poisson(1.0))
    ]
    bought = {firm: rng.uniform(20, 95) for firm in range(FIRMS) if rng.random() < 0.4}
    return visits, bought


def measured(folder, contacts):
    """Write the firms with so many contacts each, all doing the same, and run both stages."""
    visits, bought = story()
    exports = Exports(folder)
    who = [(firm, number) for firm in range(FIRMS) for number in range(contacts)]
    exports.write(
        "crm.csv",
        "id,since,firm\n" + "".join(f"c{f}-{n},{iso(0)},firm{f:02d}\n" for f, n in who),
    )
    exports.write(
        "visits.csv",
        "who,when,what\n"
        + "".join(f"c{f}-{n},{iso(0)},sent\n" for f, n in who)
        + "".join(
            f"c{firm}-{number},{iso(when + number / 1440)},{step}\n"
            for firm, step, when in visits
            for number in range(contacts)
        ),
    )
    deals = "".join(f",firm{f:02d},{iso(when)},won,{100 + f}\n" for f, when in bought.items())
    exports.write("deals.csv", f"contact,firm,at,stage,amount\n{deals}")
    exports.ingest(CRM, VISITS, DEALS, unit="account")
    report = folder / "journey.json"
    said = measure(settings(), log=exports.outputs.log, journey=report, tables=folder / "journey")
    return json.loads(report.read_text(encoding="utf-8")), said


@pytest.mark.parametrize("contacts", [1, 3])
def test_accounts_are_measured_from_the_exports_on(tmp_path, contacts):
    """Shares and their intervals, and who bought, are of firms, however many work there."""
    found, said = measured(tmp_path, contacts)
    visits, bought = story()
    assert said.startswith(f"{FIRMS} prospects, 9 sections")
    assert found["overview"]["prospects"] == FIRMS
    assert found["overview"]["converted"] == len(bought)
    did = pd.DataFrame(visits, columns=["firm", "step", "day"])
    did = did[did["day"] < did["firm"].map(bought).fillna(DAYS)]
    firms = did.groupby("step")["firm"].nunique()
    steps = {row["step"]: row for row in found["completion"]["tables"]["steps"]}
    for step in ("blog", "guide", "pricing"):
        row = steps[step]
        low, high = proportion_confint(firms[step], FIRMS, method="wilson")
        assert row["completed"] == firms[step]
        assert row["prospects"] == FIRMS
        assert (row["completed_low"], row["completed_high"]) == pytest.approx((low, high))
    for row in found["impact"]["tables"]["steps"]:
        assert row["completers"] + row["others"] == FIRMS
        assert row["converted_with"] + row["converted_without"] == len(bought)


def test_three_contacts_who_do_the_same_are_no_more_evidence_than_one(tmp_path):
    """Intervals cluster by what converts: copies of a firm's people do not narrow them."""
    widths = []
    for contacts in (1, 3):
        found, _ = measured(tmp_path / str(contacts), contacts)
        rows = pd.DataFrame(found["impact"]["tables"]["steps"]).set_index("sequence")
        widths.append(np.log(rows["timed_high"].astype(float) / rows["timed_low"].astype(float)))
    one, three = pd.concat(widths, axis=1).dropna().to_numpy().T
    assert len(one) >= 2
    assert (three > 0.75 * one).all()  # as thrice as many people they would be 0.58 as wide
