"""A signature stands trial: replayed against known-good records, and what it may do follows from whom it
hits.

Statistical honesty: of few records nothing small can be said. The share is judged by its upper 95 % bound:
Wilson's (1927), and with no hit at all the rule of three (Hanley and Lippman-Hand 1983), 3/n. So nothing is
dropped at 0.1 % before 3,000 good records were spared. A challenge refuses nobody, and is for clients that
are twice as frequent now as they can be among the good.
"""

from __future__ import annotations

import math

import numpy as np

from rempart.defence.matching import matching
from rempart.defence.policy import Policy
from rempart.model.attacks import Action, Layer, Records, Signature, Trial

_Z = 1.645
"""One-sided 95 %."""
FEW = 16
"""Fewer good records say nothing of who may be challenged."""
CLIENT_FIELDS = frozenset({"agent", "language", "tls", "headers", "version", "source", "network"})
"""What says who asks. The others say what is asked, which a crowd of readers has in common too."""


def upper_bound(hit: int, records: int) -> float:
    """The upper 95 % confidence bound of hit/records; 1 of nothing."""
    if records == 0:
        return 1.0
    if hit == 0:
        return min(1.0, 3 / records)
    share, z2 = hit / records, _Z * _Z
    middle = share + z2 / (2 * records)
    spread = _Z * math.sqrt(share * (1 - share) / records + z2 / (4 * records * records))
    return min(1.0, max(share, (middle + spread) / (1 + z2 / records)))


def client_part(signature: Signature) -> Signature:
    """What of a request's signature says who asks, whatever is asked and of whichever site."""
    terms = tuple(one for one in signature.terms if one.field in CLIENT_FIELDS)
    return Signature(layer=signature.layer, terms=terms)


def tried(
    signature: Signature,
    good: Records,
    own: Records,
    key: int,
    policy: Policy,
    *,
    share_now: float,
    harmed: bool,
) -> Trial:
    """The strongest action that the signature passes for.

    ``good`` is the whole reservoir, ``own`` that of the site or class; ``share_now`` the share of what comes
    now that the client part matches.
    """
    bound = policy.bound_of(key)
    of_clients = signature if signature.layer is Layer.PACKET else client_part(signature)
    hit, own_hit = int(matching(of_clients, good).sum()), int(matching(signature, own).sum())
    own_clients = int(matching(of_clients, own).sum()) if of_clients is not signature else own_hit
    upper = upper_bound(hit, good.size)
    own_share = own_hit / own.size if own.size else 0.0
    clients_share = own_clients / own.size if own.size else 0.0
    # What people's programs look like is never dropped, whatever they ask for; a small site's own share
    # speaks against a signature, but alone not for it.
    action: Action | None = None
    if of_clients.terms:
        if upper <= bound and own_share <= bound and clients_share <= bound:
            action = Action.DROP
        elif max(upper, own_share, clients_share) <= bound * policy.limit_ease:
            action = Action.LIMIT
        elif signature.layer is Layer.PACKET:
            action = (
                Action.CHALLENGE
            )  # who opens a connection or asks again over TCP has passed: it costs the good little
        elif (
            harmed
            and (own.size < FEW or own_share <= policy.challenge_bound)
            and _lifted(share_now, upper, good.size, policy)
        ):
            action = Action.CHALLENGE
    if action is None and harmed and signature.layer is Layer.REQUEST:
        action = Action.QUEUE
    return Trial(
        records=good.size,
        hit=hit,
        own_records=own.size,
        own_hit=own_hit,
        upper=upper,
        bound=bound,
        action=action,
    )


def _lifted(share_now: float, upper: float, records: int, policy: Policy) -> bool:
    """Among the good these clients are surely much rarer than in what comes now: of many marks, some
    differ by chance."""
    return share_now >= policy.lift * upper if records >= FEW else share_now > 0.5


def own_records(records: Records, keys: np.ndarray, key: int) -> Records:
    """Of a reservoir, the records of one stratum."""
    return np.asarray(records[keys == key])
