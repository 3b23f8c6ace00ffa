"""Write a demo world: the exports, and the truth in a folder of its own."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from microconv.demo.crm_export import close_deals, write_deals, write_messages, write_prospects
from microconv.demo.daily_hazard import write_hazard
from microconv.demo.directory import Directory
from microconv.demo.email_export import EmailExport, write_email_events
from microconv.demo.email_rows import list_email_rows
from microconv.demo.truth import describe_truth
from microconv.demo.web_export import write_web_events
from microconv.demo.web_rows import list_web_rows
from microconv.demo.world import SimulatedWorld, simulate_world
from microconv.errors import SettingsError, listed
from microconv.settings import SimulateSettings
from microconv.storage.files import atomic_write

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

EXPORTS = frozenset(
    ["email_events.jsonl", "web_events.jsonl", "deals.csv", "prospects.csv", "messages.csv"]
)
TRUTH = frozenset(["truth.json", "hazard.parquet", "bots.parquet"])


def simulate(settings: SimulateSettings, *, out: str | Path, truth: str | Path) -> dict[str, Any]:
    """Write the exports of a demo world and the truth behind them.

    The same settings give the same bytes. The worlds `planted`, `confounded`
    and `null` of one seed are the same people doing the same things; only who
    converts, and so what follows a conversion, differs.

    Parameters
    ----------
    settings : SimulateSettings
    out : path
        Folder for `email_events.jsonl`, `web_events.jsonl`, `deals.csv`,
        `prospects.csv` and `messages.csv`; replaced as a whole.
    truth : path
        Folder for `truth.json`, `hazard.parquet` (the true hazard of every
        prospect and day at risk) and `bots.parquet` (which opens and clicks
        a machine made); replaced as a whole.

    Returns
    -------
    dict
        The content of `truth.json`.

    Raises
    ------
    SettingsError
        If one of the two folders lies in the other, or holds anything but an
        earlier world: what is replaced there would be lost.
    """
    out, truth = Path(out), Path(truth)
    inside, outside = sorted([out.absolute(), truth.absolute()], key=lambda p: -len(p.parts))
    if inside.is_relative_to(outside):
        raise SettingsError(
            f"The exports ({out}) and the truth ({truth}) need folders of their own, neither "
            "inside the other: what reads the exports must not find the truth."
        )
    _require_replaceable(out, EXPORTS)
    _require_replaceable(truth, TRUTH)
    simulated = simulate_world(settings)
    directory = Directory.of(
        simulated.people, (settings.start - EPOCH) // timedelta(microseconds=1)
    )
    with atomic_write(truth) as truth_folder, atomic_write(out) as out_folder:
        out_folder.mkdir()
        truth_folder.mkdir()
        email, lines = _write_exports(out_folder, simulated, directory)
        expected = write_hazard(truth_folder / "hazard.parquet", simulated, directory)
        pq.write_table(email.bots, truth_folder / "bots.parquet", compression="zstd")
        facts = describe_truth(settings, simulated, lines, expected)
        text = json.dumps(facts, indent=1, ensure_ascii=False)
        (truth_folder / "truth.json").write_text(f"{text}\n", encoding="utf-8")
    return facts


def _require_replaceable(folder: Path, ours: frozenset[str]) -> None:
    """Refuse a folder that is neither absent nor empty nor written by an earlier call."""
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if there and there != ours:
        raise SettingsError(
            f"{folder} would be replaced as a whole, and holds other files than a simulated "
            f"world's: {listed(sorted(there - ours or there))}. Name another folder, or empty "
            "this one."
        )


def _write_exports(
    folder: Path, simulated: SimulatedWorld, directory: Directory
) -> tuple[EmailExport, dict[str, dict[str, int]]]:
    """Write the five exports and count their lines."""
    people, opportunities, decisions, draws = (
        simulated.people,
        simulated.opportunities,
        simulated.decisions,
        simulated.streams,
    )
    mails = list_email_rows(people, simulated.mail, opportunities, decisions, draws.email_rows)
    sent = simulated.happens(mails.prospect, mails.message, mails.time)
    email = write_email_events(
        folder / "email_events.jsonl", mails, sent, people, directory, draws.email_rows
    )
    calls = list_web_rows(people, simulated.visits, opportunities, decisions, draws.web_rows)
    made = simulated.happens(calls.prospect, calls.message, calls.time)
    web = write_web_events(
        folder / "web_events.jsonl", calls, made, people, directory, draws.web_rows
    )
    deals, closed = close_deals(simulated.outcomes, simulated.converted, simulated.period)
    lines = {
        "email_events.jsonl": email.counts,
        "web_events.jsonl": web,
        "deals.csv": write_deals(
            folder / "deals.csv", deals, closed, simulated.outcomes, directory, draws.deals
        ),
        "prospects.csv": write_prospects(
            folder / "prospects.csv", people, directory, draws.crm_rows
        ),
    }
    write_messages(folder / "messages.csv", people, simulated.mail, directory)
    return email, lines
