"""`microconv audit`: compare past lists with today's log, write `audit.json` and `audit.html`."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from microconv.feedback.list_audit import AuditInputs, audit_past_lists
from microconv.feedback.outcomes import read_past_lists
from microconv.model.prospect_model import ProspectModel
from microconv.report.audit_page import audit_page
from microconv.settings import read_settings
from microconv.stages.runner import phase, progress
from microconv.storage.files import atomic_write
from microconv.storage.log import EventLog
from microconv.tracking.fetch_model import model_at


@dataclass(frozen=True)
class AuditRequest:
    """What `microconv audit` was called with.

    Attributes
    ----------
    lists : Path
        A folder of past lists, each in a folder of its own.
    log : Path
        The event log as it is today.
    model : str or None
        Folder or address of the model; without it prospect drift is not checked.
    """

    lists: Path
    log: Path
    model: str | None


def audit_lists(request: AuditRequest, *, params: Path, out: Path) -> str:
    """Compare past lists with what happened, and write the figures and a page.

    Parameters
    ----------
    request : AuditRequest
    params : Path
        The params.yaml.
    out : Path
        Folder for `audit.json` and `audit.html`.

    Returns
    -------
    str
        Whether to retrain, and why.
    """
    settings = read_settings(params)
    with ExitStack() as stack:
        stack.enter_context(progress("audit"))
        model = None
        if request.model is not None:
            with phase("audit", "model"):
                model = ProspectModel.load(stack.enter_context(model_at(request.model)).folder)
        with phase("audit", "lists") as says:
            lists, unreadable = read_past_lists(request.lists)
            says |= {"lists": len(lists), "unreadable": len(unreadable)}
        with phase("audit", "outcomes"):
            inputs = AuditInputs(lists, EventLog.open(request.log), model)
            findings = audit_past_lists(inputs, settings, unreadable=unreadable)
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
