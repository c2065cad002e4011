"""The charter: who are the arbiters, and which policy stands. Pure.

Until the first case is opened the operator founds it. From then on nobody is appointed, nobody is dismissed
and no policy is adopted but with the signatures of a quorum of the arbiters there are; an arbiter may leave
alone.
So whoever runs the machine cannot fill the bench with friends, or write the rule after the deed.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import Field, TypeAdapter

from rempart.governance.log.canonical import canonical
from rempart.model.base import Value
from rempart.model.cases import Arbiter, Policy, Slug
from rempart.model.cases_remedies import Moment
from rempart.model.errors import Conflict, InvalidInput

RESOLUTION = b"rempart charter resolution v1\n"
CHARTER = "charter"


class Consent(Value):
    """An arbiter's signature under `resolution_bytes`."""

    arbiter: Slug
    signature: str = Field(pattern=r"^[A-Za-z0-9+/]{86}==$")


class Appointed(Value):
    kind: Literal["appointed"] = "appointed"
    arbiter: Arbiter
    consents: tuple[Consent, ...] = ()


class Retired(Value):
    kind: Literal["retired"] = "retired"
    arbiter: Slug
    consents: tuple[Consent, ...] = ()


class Adopted(Value):
    kind: Literal["adopted"] = "adopted"
    policy: Policy
    consents: tuple[Consent, ...] = ()


CharterEvent = Annotated[Appointed | Retired | Adopted, Field(discriminator="kind")]
CHARTER_EVENT: TypeAdapter[CharterEvent] = TypeAdapter(CharterEvent)


class Charter(Value):
    """As its steps have made it."""

    seq: int = 0
    arbiters: tuple[Arbiter, ...] = ()
    retired: tuple[str, ...] = ()
    policies: tuple[Policy, ...] = ()
    last_at: Moment | None = None

    @property
    def policy(self) -> Policy | None:
        """The newest."""
        return self.policies[-1] if self.policies else None

    def is_active(self, arbiter: str) -> bool:
        return any(one.id == arbiter for one in self.arbiters)


def resolution_bytes(charter: Charter, event: CharterEvent, arbiter: str) -> bytes:
    """What ``arbiter`` signs to consent. Names the step's number, so that it is good once."""
    body = event.model_dump(mode="json", exclude={"consents"})
    return RESOLUTION + canonical({"step": charter.seq + 1, "consents": arbiter, "to": body})


def amend(charter: Charter, event: CharterEvent, now: datetime, *, founding: bool) -> Charter:
    """The charter after ``event``. ``founding``: no case was ever opened. Conflict or InvalidInput."""
    if charter.last_at is not None:
        now = max(now, charter.last_at)
    _check_consents(charter, event, founding)
    update: dict[str, object] = {"seq": charter.seq + 1, "last_at": now}
    match event:
        case Appointed(arbiter=arbiter):
            if arbiter.id in charter.retired or charter.is_active(arbiter.id):
                raise Conflict(f"there is an arbiter {arbiter.id}, or there was one", field="arbiter")
            if any(one.key == arbiter.key for one in charter.arbiters):
                raise Conflict("another arbiter has this key", field="key")
            _check_key(arbiter)
            update["arbiters"] = (*charter.arbiters, arbiter)
        case Retired(arbiter=id_):
            if not charter.is_active(id_):
                raise Conflict(f"{id_} is no arbiter", field="arbiter")
            update["arbiters"] = tuple(one for one in charter.arbiters if one.id != id_)
            update["retired"] = (*charter.retired, id_)
        case Adopted(policy=policy):
            if any(one.version == policy.version for one in charter.policies):
                raise Conflict(f"there is a policy {policy.version}: versions do not change", field="version")
            update["policies"] = (*charter.policies, policy)
    return charter.model_copy(update=update)


def _check_consents(charter: Charter, event: CharterEvent, founding: bool) -> None:
    by = {one.id: one for one in charter.arbiters}
    names = [one.arbiter for one in event.consents]
    if len(set(names)) != len(names):
        raise InvalidInput("an arbiter consents once", field="consents")
    for consent in event.consents:
        arbiter = by.get(consent.arbiter)
        if arbiter is None:
            raise InvalidInput(f"{consent.arbiter} is no arbiter", field="consents")
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(arbiter.key))
        try:
            key.verify(base64.b64decode(consent.signature), resolution_bytes(charter, event, arbiter.id))
        except InvalidSignature:
            raise InvalidInput(
                f"the signature is not {arbiter.id}'s under this resolution", field="consents"
            ) from None
    if founding or (isinstance(event, Retired) and names == [event.arbiter]):
        return
    needed = _needed(charter.policies)
    without = [one for one in names if not (isinstance(event, Retired) and one == event.arbiter)]
    if len(without) < needed:
        raise Conflict(
            f"{needed} arbiters must consent, {len(without)} do",
            field="consents",
            hint="a case has been opened: the operator alone changes neither rules nor arbiters any more",
        )


def _needed(policies: Sequence[Policy]) -> int:
    return max((one.quorum for one in policies[-1:]), default=2)


def _check_key(arbiter: Arbiter) -> None:
    raw = base64.b64decode(arbiter.key)
    # A key of small order would let anybody make signatures that verify.
    if raw in _SMALL_ORDER or len(raw) != 32:
        raise InvalidInput("this is no key that only its owner can sign with", field="key")


_SMALL_ORDER = frozenset(
    bytes.fromhex(one)
    for one in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    )
)
"""Encodings of the points of order 1, 2, 4 and 8 on edwards25519, the non-canonical ones included."""
