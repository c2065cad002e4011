"""Notes, checkpoints, proofs and cosignatures: what is taken, and that nothing altered is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rempart.governance.log.checkpoint import opened, parse_checkpoint
from rempart.governance.log.growing import Edge
from rempart.governance.log.note import (
    KeyKind,
    Note,
    SigningKey,
    parse_note,
    parse_signatures,
    parse_signing_key,
    parse_verifier_key,
)
from rempart.governance.log.proof import Proof, parse_proof, proven
from rempart.governance.log.tiles import hashes_from
from rempart.governance.log.tree import inclusion_path
from rempart.model.errors import InvalidInput
from tests.governance.log import independent
from tests.governance.log.logs import KEY, WITNESS, files_of, signed, steps

ENTRIES = steps(7)
EDGE, FILES = files_of(ENTRIES)
COSIGNED = signed(KEY, EDGE).signed_also([WITNESS.cosign(signed(KEY, EDGE).text, 1_700_000_000)])
LOG, WITNESSES = KEY.verifier, (WITNESS.verifier,)


def test_a_cosigned_checkpoint_is_opened_by_both_implementations() -> None:
    found = opened(COSIGNED.encode(), LOG, WITNESSES)
    assert (found.checkpoint.size, found.checkpoint.root) == (7, EDGE.root)
    assert [one.name for one in found.cosignatures] == [WITNESS.name]
    assert independent.checkpoint(COSIGNED.encode(), str(LOG), [str(WITNESS.verifier)]) == (7, EDGE.root)


@given(st.data())
def test_no_octet_of_a_checkpoint_can_be_altered(data: st.DataObject) -> None:
    content = bytearray(COSIGNED.encode())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(InvalidInput):
        opened(bytes(content), LOG, WITNESSES)
    with pytest.raises(independent.WrongError):
        independent.checkpoint(bytes(content), str(LOG), [str(WITNESS.verifier)])


@given(st.integers(0, 6), st.data())
def test_no_octet_of_a_proof_can_be_altered(index: int, data: st.DataObject) -> None:
    path = inclusion_path(index, 7, hashes_from(FILES.__getitem__, 7))
    proof = Proof(index, path, COSIGNED.encode())
    assert parse_proof(proof.encode()) == proof
    assert proven(proof, ENTRIES[index], LOG, WITNESSES).checkpoint.size == 7
    assert independent.verify_proof(proof.encode().decode(), ENTRIES[index], str(LOG)) == index
    content = bytearray(proof.encode())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(InvalidInput):
        proven(parse_proof(bytes(content)), ENTRIES[index], LOG, WITNESSES)
    with pytest.raises(InvalidInput, match="does not prove"):
        proven(proof, ENTRIES[index - 1], LOG, WITNESSES)


def test_extra_data_of_a_proof_is_kept() -> None:
    proof = Proof(0, (bytes(32),), COSIGNED.encode(), b"\x00whatever")
    assert parse_proof(proof.encode()) == proof


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"c2sp.org/tlog-proof@v1\n\nx",
        b"c2sp.org/tlog-proof@v1\nindex 01\n\nx",
        b"c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\nx",
        b"c2sp.org/tlog-proof@v1\nindex 0" + b"\nAAAA" * 64 + b"\n\nx",
    ],
)
def test_what_is_no_proof(content: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse_proof(content)


def test_who_must_have_signed() -> None:
    other = SigningKey("witness.example/two", KeyKind.COSIGNATURE, bytes(range(2, 34))).verifier
    with pytest.raises(InvalidInput, match=r"missing: witness\.example/two"):
        opened(COSIGNED.encode(), LOG, (*WITNESSES, other))
    assert opened(COSIGNED.encode(), LOG, (*WITNESSES, other), 1).checkpoint.size == 7
    stranger = SigningKey(KEY.name, KeyKind.NOTE, bytes(32)).verifier
    with pytest.raises(InvalidInput, match="not signed by"):
        opened(COSIGNED.encode(), stranger)
    # A signature of a known key that does not hold spoils the note, however many others do.
    forged = Note(COSIGNED.text, (*COSIGNED.signatures[:1], WITNESS.cosign("else\n", 1)))
    with pytest.raises(InvalidInput, match="does not hold"):
        opened(forged.encode(), LOG, WITNESSES, 0)
    # The log's own key cannot be used as a witness's: another kind of key has another id.
    same = SigningKey(KEY.name, KeyKind.COSIGNATURE, KEY.seed).verifier
    assert same.key_id != KEY.verifier.key_id


def test_a_checkpoint_of_another_log_under_this_key_is_not_taken() -> None:
    text = signed(KEY, EDGE).text.replace("log.example/test", "log.example/other")
    with pytest.raises(InvalidInput, match=r"of log\.example/other"):
        opened(Note(text, (KEY.sign(text),)).encode(), LOG)


def test_sixteen_signatures_and_more_are_read_and_far_too_many_are_not() -> None:
    lines = "".join(
        SigningKey(f"w{at}", KeyKind.COSIGNATURE, bytes([at]) * 32).cosign(COSIGNED.text, 1).line
        for at in range(100)
    )
    assert len(parse_signatures(lines)) == 100
    with pytest.raises(InvalidInput):
        parse_signatures(lines + lines)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text\n",
        b"text\n\n",
        "text\n\n— a+b AAAAAAAA\n".encode(),
        "text\n\n— a b AAAAAAAA\n".encode(),
        "text\n\n— a AAAA\n".encode(),
        b"text\n\n- a AAAAAAAA\n",
        "te\txt\n\n— a AAAAAAAA\n".encode(),
        "text\n\n— a AAAAAAAA".encode(),
        "text\n\n— a AAAAAAB=\n".encode(),
        "\xff\n\n— a AAAAAAAA\n".encode("latin1", "replace"),
        b"x" * 70_000,
    ],
)
def test_what_is_no_note(content: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse_note(content)


@pytest.mark.parametrize(
    "text",
    [
        "a\n01\n" + "A" * 43 + "=\n",
        "a\n1\nAAAA\n",
        "a\n1\n",
        "\n1\n" + "A" * 43 + "=\n",
        "a\n-1\n" + "A" * 43 + "=\n",
        "a\n1\n" + "A" * 43 + "=\n\nx\n",
        "a\n99999999999999999999\n" + "A" * 43 + "=\n",
    ],
)
def test_what_is_no_checkpoint(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_checkpoint(text)


def test_extension_lines_are_kept() -> None:
    text = signed(KEY, Edge()).text + "extension\n"
    assert parse_checkpoint(text).text == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a+b",
        "a+00000000+AAAA",
        "a b+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
    ],
)
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_verifier_key(text)
    with pytest.raises(InvalidInput):
        parse_signing_key(text)


def test_a_signing_key_does_not_show_itself() -> None:
    assert parse_signing_key(KEY.text) == KEY
    assert KEY.seed.hex() not in repr(KEY)
    assert KEY.text not in repr(KEY)
    with pytest.raises(InvalidInput) as caught:
        parse_signing_key(KEY.text[:-4] + "AAA=")
    assert KEY.text.split("+")[-1][:20] not in str(caught.value)
