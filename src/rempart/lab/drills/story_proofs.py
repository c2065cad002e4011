"""What the story has to prove beside the phases' figures, and the bars that follow. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rempart.governance.quorum import FOR
from rempart.governance.reports.outcomes import Stage
from rempart.lab.drills.story_case import DECIDING, NOTICE_S
from rempart.lab.figures import Bar, at_least, at_most
from rempart.model.cases_events import Announced, Appealed, Moved, Stated, TookEffect, Verified
from rempart.model.cases_kept import CaseStep

SHOWS_WITHIN_S = 10.0
"""From the effective time, or the last signature of an appeal, to what a resolver is told. It is a second or
two; the bar is for a machine that is busy with the lab itself."""


@dataclass(slots=True)
class Proofs:
    """What was seen; None and 0: it was not."""

    looks_in_notice: int = 0
    elsewhere_in_notice: int = 0
    """Looks during the notice that found the site anywhere but at the first operator's edge."""
    lifted_after_s: float | None = None
    """From the announced time to the resolver's first answer with the origin's addresses."""
    back_after_s: float | None = None
    """From the last arbiter's signature on the appeal to the first operator's answer with its own."""
    records_kept: int = 0
    """Of the records that only the exit could bring: those that the second operator answers alike."""
    vouched: int = 0
    """Changes of the delegation after which the DS that the parent had all along vouches for the answers."""
    log_sound: int = 0
    """Times that it was, of two: when the decision was made, and in the end against a mirror of then."""
    log_entries: int = 0
    told: str = ""
    """How far the report has come, as its reporter is told in the end (``outcomes.Stage``)."""
    naming_the_reporter: int | None = None
    """Files and texts that name who reported: the log's mirror, what the owner is given, the exit."""


def bars_of(steps: Sequence[CaseStep], proofs: Proofs) -> tuple[Bar, ...]:
    """``steps``: the case's, as the operator has them."""
    decided, appellate = signers(steps)
    unlogged = sum(one.log_index is None for one in steps)
    looked = [one.event for one in steps if isinstance(one.event, Verified)]
    return (
        at_least("decision: arbiters who signed it", len(DECIDING), len(decided)),
        at_least("appeal: arbiters who signed it", len(DECIDING), len(appellate)),
        at_most("appeal: arbiters who had signed the decision", 0, len(decided & appellate)),
        at_least("notice: seconds from the announcement to the effect", NOTICE_S, notice_given(steps)),
        at_least("notice: looks from outside meanwhile", 1, proofs.looks_in_notice),
        at_most("notice: of them not at the first operator's edge", 0, proofs.elsewhere_in_notice),
        at_most("lifted: seconds until it is seen from outside", SHOWS_WITHIN_S, proofs.lifted_after_s),
        at_least("moved: records that came along", 1, proofs.records_kept),
        at_least("DNSSEC: moves after which the parent's DS vouches for the answers", 2, proofs.vouched),
        at_most("reversed: seconds until it is seen from outside", SHOWS_WITHIN_S, proofs.back_after_s),
        at_least(
            "case: effects that the operator saw from outside itself", 2, sum(one.seen for one in looked)
        ),
        at_least("log: times it was sound, verified from outside", 2, proofs.log_sound),
        at_least("log: entries in it", len(steps), proofs.log_entries),
        at_most("log: steps of the case without an entry", 0, unlogged),
        at_least("reporter: is told that it was lifted", 1, int(proofs.told == Stage.LIFTED)),
        at_most("reporter: public and owner's texts that name them", 0, proofs.naming_the_reporter),
    )


def signers(steps: Sequence[CaseStep]) -> tuple[frozenset[str], frozenset[str]]:
    """Who signed the decision that took effect; who agreed to what became of the appeal."""
    decided: frozenset[str] = frozenset()
    appellate: set[str] = set()
    appealed = False
    for one in steps:
        match one.event:
            case TookEffect(decision=decision):
                decided = decision.signers
            case Appealed():
                appealed = True
            case Moved(signed=signed) | Stated(signed=signed) if appealed:
                if signed.statement.act in FOR:
                    appellate.add(signed.statement.arbiter)
            case _:
                pass
    return decided, frozenset(appellate)


def notice_given(steps: Sequence[CaseStep]) -> float | None:
    """Seconds from the notice of the decision to its effect; None: one of them is missing."""
    announced = [one.at for one in steps if isinstance(one.event, Announced)]
    effects = [one.at for one in steps if isinstance(one.event, TookEffect)]
    return (effects[0] - announced[0]).total_seconds() if announced and effects else None
