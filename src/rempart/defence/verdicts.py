"""From candidates to what may be done: each stands trial, is narrowed where that helps, or weakened. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from rempart.defence.classes import PacketClass
from rempart.defence.matching import matching
from rempart.defence.policy import Policy
from rempart.defence.signatures import Candidate, joined, mined
from rempart.defence.trial import client_part, tried
from rempart.model.attacks import Action, Layer, Records, Signature, Trial

CHALLENGED = (PacketClass.SYN, PacketClass.TCP, PacketClass.DNS)
"""Classes of packets whose sources can be asked to prove themselves."""
_NARROWED_KEEPS = 0.8
_STRENGTH = {Action.DROP: 4, Action.LIMIT: 3, Action.CHALLENGE: 2, Action.QUEUE: 1, None: 0}


@dataclass(frozen=True, slots=True)
class Passed:
    """A signature with what it may do."""

    signature: Signature
    action: Action
    trial: Trial
    covered: float
    records: int
    share: float
    """Of what comes now, the part that its clients are."""


def stronger(one: Action | None, other: Action | None) -> bool:
    return _STRENGTH[one] > _STRENGTH[other]


def judged(
    candidate: Candidate,
    window: Records,
    good: Records,
    own: Records,
    key: int,
    kind: PacketClass | None,
    policy: Policy,
    *,
    harmed: bool,
) -> Passed | None:
    """The strongest that the candidate may do, or narrowed, that it may; None: nothing."""
    best = _tried(candidate.signature, candidate, window, good, own, key, kind, policy, harmed=harmed)
    if best is not None and best.action is Action.DROP:
        return best
    narrow = _narrowed(candidate, window, good, own, kind, policy)
    if narrow is not None:
        other = _tried(narrow, candidate, window, good, own, key, kind, policy, harmed=harmed)
        if other is not None and stronger(other.action, best.action if best else None):
            return other
    return best


def _tried(
    signature: Signature,
    candidate: Candidate,
    window: Records,
    good: Records,
    own: Records,
    key: int,
    kind: PacketClass | None,
    policy: Policy,
    *,
    harmed: bool,
) -> Passed | None:
    clients = signature if signature.layer is Layer.PACKET else client_part(signature)
    means = matching(clients, window)
    share = float(window["weight"][means].sum() / window["weight"].sum())
    trial = tried(signature, good, own, key, policy, share_now=share, harmed=harmed)
    action = permitted(trial.action, kind)
    if action is None:
        return None
    return Passed(
        signature=signature,
        action=action,
        trial=trial.model_copy(update={"action": action}),
        covered=candidate.covered,
        records=candidate.records,
        share=share,
    )


def permitted(action: Action | None, kind: PacketClass | None) -> Action | None:
    """What the layer can do: packets of some classes can be challenged, none can be queued."""
    if kind is None or action in (Action.DROP, Action.LIMIT):
        return action
    return Action.CHALLENGE if kind in CHALLENGED else None


def _narrowed(
    candidate: Candidate,
    window: Records,
    good: Records,
    own: Records,
    kind: PacketClass | None,
    policy: Policy,
) -> Signature | None:
    """With terms that tell what it means from the good records that it hits."""
    signature = candidate.signature
    covered = window[matching(signature, window)]
    whom = client_part(signature) if signature.layer is Layer.REQUEST else signature
    hit = good[matching(whom, good)]
    if not hit.size or covered.size < policy.least_records:
        return None
    share = min(0.5, hit.size / max(1, good.size))
    more = mined(signature.layer, signature.site, kind, covered, hit, share, policy)
    if not more or more[0].share < _NARROWED_KEEPS:
        return None
    terms = joined((*signature.terms, *more[0].signature.terms))
    return signature.model_copy(update={"terms": terms}) if terms != signature.terms else None
