"""Arbiters and policies: founded by the operator, changed by the arbiters."""

from __future__ import annotations

import base64

import pytest

from rempart.governance.charter import (
    Adopted,
    Appointed,
    Charter,
    CharterEvent,
    Consent,
    Retired,
    amend,
    resolution_bytes,
)
from rempart.model.cases import Policy
from rempart.model.errors import Conflict, InvalidInput
from tests.governance.cast import NOW, POLICY, arbiter, key_of

TWO = POLICY.model_copy(update={"quorum": 2})


def founded() -> Charter:
    charter = Charter()
    for name in ("ada", "ben", "cleo"):
        charter = amend(charter, Appointed(arbiter=arbiter(name)), NOW, founding=True)
    return amend(charter, Adopted(policy=TWO), NOW, founding=True)


def consent(charter: Charter, event: CharterEvent, name: str, key: str | None = None) -> Consent:
    signature = key_of(key or name).sign(resolution_bytes(charter, event, name))
    return Consent(arbiter=name, signature=base64.b64encode(signature).decode())


def consented(charter: Charter, event: CharterEvent, *names: str) -> CharterEvent:
    return event.model_copy(update={"consents": tuple(consent(charter, event, name) for name in names)})


def test_the_operator_founds_it_and_a_quorum_changes_it() -> None:
    charter = founded()
    assert charter.policy == TWO
    event = Appointed(arbiter=arbiter("dan"))
    with pytest.raises(Conflict, match="2 arbiters must consent, 1 do"):
        amend(charter, consented(charter, event, "ada"), NOW, founding=False)
    after = amend(charter, consented(charter, event, "ada", "ben"), NOW, founding=False)
    assert after.is_active("dan")
    with pytest.raises(InvalidInput, match="under this resolution"):
        amend(after, consented(charter, event, "ada", "ben"), NOW, founding=False)


@pytest.mark.parametrize("kind", ["other resolution", "other key", "twice", "no arbiter"])
def test_consents_are_for_one_resolution_by_one_arbiter(kind: str) -> None:
    charter = founded()
    event = Adopted(policy=TWO.model_copy(update={"version": "v2"}))
    other = Adopted(policy=TWO.model_copy(update={"version": "v3"}))
    good = consent(charter, event, "ada")
    bad = {
        "other resolution": consent(charter, other, "ben"),
        "other key": consent(charter, event, "ben", "mallory"),
        "twice": good,
        "no arbiter": consent(charter, event, "mallory"),
    }[kind]
    with pytest.raises(InvalidInput):
        amend(charter, event.model_copy(update={"consents": (good, bad)}), NOW, founding=False)


def test_one_leaves_alone_but_does_not_vote_on_being_dismissed() -> None:
    charter = founded()
    event = Retired(arbiter="cleo")
    with pytest.raises(Conflict):
        amend(charter, consented(charter, event, "ada"), NOW, founding=False)
    with pytest.raises(Conflict):
        amend(charter, consented(charter, event, "ada", "cleo"), NOW, founding=False)
    assert not amend(charter, consented(charter, event, "cleo"), NOW, founding=False).is_active("cleo")
    gone = amend(charter, consented(charter, event, "ada", "ben"), NOW, founding=False)
    with pytest.raises(Conflict, match="there was one"):
        amend(gone, Appointed(arbiter=arbiter("cleo")), NOW, founding=True)
    with pytest.raises(Conflict, match="is no arbiter"):
        amend(gone, event, NOW, founding=True)


def test_keys_and_versions_are_used_once() -> None:
    charter = founded()
    twin = arbiter("ada").model_copy(update={"id": "ada2"})
    with pytest.raises(Conflict, match="has this key"):
        amend(charter, Appointed(arbiter=twin), NOW, founding=True)
    with pytest.raises(Conflict, match="versions do not change"):
        amend(charter, Adopted(policy=TWO), NOW, founding=True)
    anybodys = twin.model_copy(update={"key": base64.b64encode(bytes([1]) + bytes(31)).decode()})
    with pytest.raises(InvalidInput, match="only its owner"):
        amend(charter, Appointed(arbiter=anybodys), NOW, founding=True)


@pytest.mark.parametrize("field", ["answer_s", "notice_s", "appeal_days"])
def test_a_policy_gives_no_time_that_no_calendar_holds(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        Policy.model_validate({**TWO.model_dump(), field: 10**12})
