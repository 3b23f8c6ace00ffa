"""Messages that get fewer answers than they could: a jump, a mismatch, a weak promise, unknown.

Recipients for whom a message asks too much, or too late, are compared with
others within strata of how much they had done and opened before: the less
engaged answer less whatever is asked of them. Only then are the messages
compared with each other, by those recipients whom they suit.
"""

from __future__ import annotations

import numpy as np

from microconv.measurement.bottlenecks.bottleneck import Bottleneck
from microconv.measurement.stats.intervals import Ratio
from microconv.measurement.study.message_sends import MessageSends
from microconv.measurement.study.sequence_messages import (
    Sent,
    compare,
    compare_within,
    group_sends,
    is_beside,
)
from microconv.measurement.study.study import Bools, Study

MAJORITY = 0.5
"""What hits fewer than half of the recipients is not the message's fault."""

WEAK = 0.5
"""A message is weak if, with confidence, it gets less than this times what the others get."""

AS_OFTEN_OPENED = 0.9
ACROSS_SEGMENTS = 0.8
FEW = 50


def find_underperforming_messages(
    study: Study, sends: MessageSends, aside: Bools, *, least: int, confidence: float
) -> list[Bottleneck]:
    """Find the messages that get fewer answers than they could, and say why.

    Parameters
    ----------
    sends : MessageSends
    aside : ndarray of bool, shape (n_asks,)
        MessageSends that something else explains; messages are not compared by them.
    least : int
        Messages with fewer sends are not judged.
    """
    sent = [each for each in group_sends(study, sends, aside) if len(each.sends) >= least]
    found = []
    for each in sent:
        reason = _too_much(each, confidence) or _beside_the_stage(study, each, sent, confidence)
        reason = reason or _weak_promise(study, each, sent, confidence)
        if reason is not None:
            found.append(reason)
    return found


def _too_much(sent: Sent, confidence: float) -> Bottleneck | None:
    """Look for a commitment far above what was asked and done before."""
    far = sent.jump > 0
    if sent.rise < 2 or far.mean() < MAJORITY:
        return None
    ratio = compare(sent.sends, far, sent.sends.responded, confidence=confidence)
    return _lost(
        "commitment_jump", sent, far, ratio,
        f"It asks for {sent.rise} levels more than any message before; {far.mean():.0%} of its "
        "recipients had done nothing within one level of it. They answer {} as often as its other "
        "recipients who had done and opened as much.",
    )  # fmt: skip


def _beside_the_stage(
    study: Study, sent: Sent, every: list[Sent], confidence: float
) -> Bottleneck | None:
    """Look for content that lies behind its recipients, or more than one stage ahead.

    Few of a message's recipients are left to compare with where most are beside
    it; so what being beside the stage costs is measured within all messages.
    """
    beside = is_beside(sent.apart)
    if beside.mean() < MAJORITY:
        return None
    parts = [(each.sends, is_beside(each.apart), each.sends.responded) for each in every]
    ratio = compare_within(parts, confidence=confidence)
    stage = study.journey.stages[int(np.median(sent.apart + sent.sends.stage))]
    return _lost(
        "stage_mismatch", sent, beside, ratio,
        f"{beside.mean():.0%} of its recipients are at another stage than `{stage}`, which it "
        "speaks to (and not just one before it). In all messages such recipients answer {} as "
        "often as the others who had done and opened as much.",
    )  # fmt: skip


def _lost(kind: str, sent: Sent, hit: Bools, ratio: Ratio, why: str) -> Bottleneck | None:
    """State what is lost, if those who are hit do answer less often than the like of them."""
    if not ratio.high < 1:
        return None
    answered = float(sent.sends.responded[hit].sum())
    most = float(hit.sum()) - answered
    lost, high, low = (
        min(most, answered * (1 / r - 1)) for r in (ratio.ratio, ratio.low, ratio.high)
    )
    times = f"{ratio.ratio:.2f} times ({ratio.low:.2f} to {ratio.high:.2f})"
    evidence = why.format(times)
    met = int(hit.sum())
    return Bottleneck(kind, sent.step, sent.position, met, lost, low, high, evidence)


def _weak_promise(
    study: Study, sent: Sent, every: list[Sent], confidence: float
) -> Bottleneck | None:
    """Look for a message that suits its recipients, is opened as others are, and not answered."""
    mine = _suited(sent)
    others = [_suited(each) for each in every if each is not sent]
    if not others or len(mine) < FEW:
        return None
    both = _join([mine, *others])
    here = np.arange(len(both)) < len(mine)
    answers = compare(both, here, both.responded, confidence=confidence)
    if not answers.high < WEAK:
        return None
    opened = both.opened
    if not opened.any():
        return _weak("unknown", sent, answers, "Opens are not recorded.")
    opens = float(opened[here].mean() / opened[~here].mean())
    readers = both.where(opened)
    clicks = compare(readers, here[opened], readers.clicked, confidence=confidence)
    spread, levels = _across_segments(study, readers, here[opened], confidence)
    seen = opens >= AS_OFTEN_OPENED
    if seen and clicks.high < WEAK and spread >= ACROSS_SEGMENTS:
        return _weak(
            "value_proposition", sent, answers,
            f"It is opened {opens:.2f} times as often as the others, and its readers click "
            f"{clicks.ratio:.2f} times ({clicks.low:.2f} to {clicks.high:.2f}) as often as theirs"
            + (f", in {spread:.0%} of {levels} segments" if levels else "") + ".",
        )  # fmt: skip
    return _weak(
        "unknown", sent, answers,
        f"It is opened {opens:.2f} and clicked {clicks.ratio:.2f} times as often as others.",
    )  # fmt: skip


def _suited(sent: Sent) -> MessageSends:
    return sent.sends.where((sent.jump <= 0) & (sent.apart >= 0) & ~sent.aside)


def _join(parts: list[MessageSends]) -> MessageSends:
    names = vars(parts[0])
    return MessageSends(
        **{name: np.concatenate([getattr(p, name) for p in parts]) for name in names}
    )


def _across_segments(
    study: Study, readers: MessageSends, here: Bools, confidence: float
) -> tuple[float, int]:
    """Say in what share of the segments the readers click less; 1 where there are none."""
    judged = []
    for groups in study.segments.values():
        codes = groups.codes[readers.prospect]
        for code in range(len(groups.labels)):
            inside = codes == code
            if (inside & here).sum() >= FEW and (inside & ~here).sum() >= FEW:
                among = readers.where(inside)
                judged.append(
                    compare(among, here[inside], among.clicked, confidence=confidence).high < 1
                )
    return (float(np.mean(judged)) if judged else 1.0), len(judged)


def _weak(kind: str, sent: Sent, answers: Ratio, evidence: str) -> Bottleneck:
    answered = float(sent.sends.responded.sum())
    most = len(sent.sends) - answered
    lost, high, low = (
        min(most, answered * (1 / r - 1)) for r in (answers.ratio, answers.low, answers.high)
    )
    told = (
        f"Of recipients whom it suits, {answers.ratio:.2f} times ({answers.low:.2f} to "
        f"{answers.high:.2f}) as many answer as of those whom the other messages suit. {evidence}"
    )
    return Bottleneck(kind, sent.step, sent.position, len(sent.sends), lost, low, high, told)
