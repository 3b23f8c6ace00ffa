"""What `microconv audit` does: past lists and today's log → `audit.json` and `audit.html`."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from microconv.feedback.audit import Evidence, audit
from microconv.feedback.past_lists import gather
from microconv.model.prospect_model import ProspectModel
from microconv.report.audit_page import audit_page
from microconv.settings import read_settings
from microconv.stages.phases import phase
from microconv.stages.shell import progress
from microconv.storage.files import atomic_write
from microconv.storage.log import EventLog
from microconv.tracking.registry import model_at


@dataclass(frozen=True)
class Ask:
    """What is asked for.

    Attributes
    ----------
    lists : Path
        A folder that holds lists, each in a folder of its own.
    log : Path
        As it is today.
    model : str or None
        A folder or the address of a registered model; without it nothing is said of shift.
    """

    lists: Path
    log: Path
    model: str | None


def audit_lists(ask: Ask, *, params: Path, out: Path) -> str:
    """Hold past lists against what happened; write the figures and a page.

    Returns
    -------
    str
        Whether a new model is due, and why.
    """
    settings = read_settings(params)
    with ExitStack() as stack:
        stack.enter_context(progress("audit"))
        model = None
        if ask.model is not None:
            with phase("audit", "model"):
                model = ProspectModel.load(stack.enter_context(model_at(ask.model)).folder)
        with phase("audit", "lists") as says:
            lists, refused = gather(ask.lists)
            says |= {"lists": len(lists), "refused": len(refused)}
        with phase("audit", "outcomes"):
            evidence = Evidence(lists, EventLog.open(ask.log), model)
            findings = audit(evidence, settings, refused=refused)
        with phase("audit", "write"):
            page = audit_page(findings)
            with atomic_write(out / "audit.json") as fresh:
                text = json.dumps(findings, indent=2, ensure_ascii=False, allow_nan=False)
                fresh.write_text(f"{text}\n", encoding="utf-8")
            with atomic_write(out / "audit.html") as fresh:
                fresh.write_text(page, encoding="utf-8")
    answer = findings["retrain"]
    return (
        f"{findings['lists']} lists, {len(findings['open_until'])} of them still open; retrain "
        f"now? {answer['answer']}; in {out}" + "".join(f"\n  {why}" for why in answer["reasons"])
    )
