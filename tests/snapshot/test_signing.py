"""What a node takes is signed and sound, and what it says of the rest gives nothing away."""

from __future__ import annotations

import base64
import json

import pytest

from rempart.model.errors import InvalidInput
from rempart.snapshot.items import CertificateItem, Delta, ItemChange, SignedDelta
from rempart.snapshot.signing import new_key_pair, private_key, public_key, sign, verify

PRIVATE, PUBLIC = new_key_pair()
KEY, TRUSTED = private_key(PRIVATE), public_key(PUBLIC)
SECRET = "-----BEGIN PRIVATE KEY-----abc"


def delta() -> Delta:
    item = CertificateItem(id="x", hosts=("a.example",), chain_pem="chain", key_pem=SECRET)
    return Delta(from_revision=0, to_revision=1, changes=(ItemChange(key=item.key, item=item),))


def resigned(payload: str) -> SignedDelta:
    return SignedDelta(payload=payload, signature=base64.b64encode(KEY.sign(payload.encode())).decode())


def test_there_and_back() -> None:
    assert verify(sign(delta(), KEY), TRUSTED) == delta()


def test_another_key_or_another_text_is_refused() -> None:
    signed = sign(delta(), KEY)
    other = public_key(new_key_pair()[1])
    changed = signed.model_copy(update={"payload": signed.payload.replace("a.example", "b.example")})
    for one, trusted in ((signed, other), (changed, TRUSTED), (changed, other)):
        with pytest.raises(InvalidInput) as raised:
            verify(one, trusted)
        assert raised.value.field == "delta signature"


@pytest.mark.parametrize("where", ["changed", "missing", "more"])
def test_a_refusal_names_the_place_and_never_the_content(where: str) -> None:
    """It goes into a log; a controller of another version is enough to bring it about."""
    body = json.loads(delta().model_dump_json())
    item = body["changes"][0]["item"]
    if where == "changed":
        item["key_pem"] = [SECRET]
    elif where == "missing":
        del item["chain_pem"]
    else:
        item["more"] = 1
    with pytest.raises(InvalidInput) as raised:
        verify(resigned(json.dumps(body)), TRUSTED)
    assert raised.value.field == "delta schema"
    assert "changes.0.item" in str(raised.value)
    assert "PRIVATE KEY" not in str(raised.value)
    assert "PRIVATE KEY" not in str(raised.value.__cause__)


def test_another_schema_is_said_to_be_so() -> None:
    newer = delta().model_copy(update={"schema_version": 99})
    with pytest.raises(InvalidInput, match="99"):
        verify(sign(newer, KEY), TRUSTED)
