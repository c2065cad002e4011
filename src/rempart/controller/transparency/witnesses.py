"""Asking witnesses for cosignatures (c2sp.org/tlog-witness, the log's side)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass

import httpx

from rempart.governance.log.checkpoint import decimal
from rempart.governance.log.note import Note, Signature, VerifierKey, parse_signatures, parse_verifier_key
from rempart.governance.log.witnessing import SIZE_TYPE, Submission
from rempart.model.errors import InvalidInput
from rempart.model.log_settings import WitnessSetting

ANSWER_BYTES_MAX = 65_536
ATTEMPTS = 3
"""The first attempt may only learn what the witness has; somebody may come between the next two."""


@dataclass(frozen=True, slots=True)
class Witness:
    """One of the log's witnesses."""

    url: str
    key: VerifierKey


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking one witness: a cosignature, or a problem in words."""

    witness: Witness
    signature: Signature | None = None
    problem: str | None = None
    size: int | None = None
    """The size the witness has cosigned last, where it has said so."""
    refused: bool = False
    """The witness has seen another history of this log than the one it was shown now."""


def witness_of(setting: WitnessSetting) -> Witness:
    """A witness of the configuration; InvalidInput when its key is none."""
    return Witness(setting.url.rstrip("/"), parse_verifier_key(setting.key))


def ask_all(
    witnesses: Sequence[Witness],
    note: Note,
    size: int,
    path_from: Callable[[int], tuple[bytes, ...]],
    known: Callable[[Witness], int],
    seconds: float,
) -> tuple[Answer, ...]:
    """Ask all of them at the same time; after ``seconds``, whoever has not answered is left out.

    ``path_from`` gives the consistency proof from an older size to ``size``, ``known`` the size that a
    witness has as far as is known.
    """
    if not witnesses:
        return ()
    client = httpx.Client(timeout=seconds)
    pool = ThreadPoolExecutor(len(witnesses))
    try:
        asked = {one: pool.submit(_ask, client, one, note, size, path_from, known(one)) for one in witnesses}
        answered = wait(asked.values(), timeout=seconds).done
        return tuple(
            future.result()
            if future in answered
            else Answer(one, problem=f"has not answered in {seconds:g} s")
            for one, future in asked.items()
        )
    finally:
        # One that sends an octet now and then would hold up everything: it is left to its own timeouts.
        pool.shutdown(wait=False, cancel_futures=True)
        client.close()


def _ask(
    client: httpx.Client,
    witness: Witness,
    note: Note,
    size: int,
    path_from: Callable[[int], tuple[bytes, ...]],
    old: int,
) -> Answer:
    for _ in range(ATTEMPTS):
        body = Submission(old, path_from(old), note.encode()).encode()
        try:
            answer = _posted(client, f"{witness.url}/add-checkpoint", body)
        except (httpx.HTTPError, RuntimeError, OSError, InvalidInput) as error:
            return Answer(witness, problem=f"does not answer: {error or type(error).__name__}")
        status, kind, content = answer
        if status == 409 and kind == SIZE_TYPE:
            try:
                has = decimal(content.decode("ascii").removesuffix("\n"), "size")
            except (InvalidInput, UnicodeDecodeError):
                return Answer(witness, problem="answers with a size that is none")
            if has > size:
                return Answer(
                    witness, size=has, refused=True,
                    problem=f"has cosigned {has} entries of this log, which has only {size} now",
                )  # fmt: skip
            if has == old:
                return Answer(witness, size=has, problem="contradicts itself about the size it has")
            old = has
            continue
        if status == 200:
            return _taken(witness, note, size, content)
        said = content[:200].decode(errors="replace").strip()
        return Answer(witness, problem=f"refuses with {status}: {said}", refused=status in (409, 422))
    return Answer(witness, problem=f"was asked {ATTEMPTS} times, and had another size each time")


def _posted(client: httpx.Client, url: str, body: bytes) -> tuple[int, str, bytes]:
    with client.stream("POST", url, content=body) as answer:
        content = b""
        for part in answer.iter_bytes():
            content += part
            if len(content) > ANSWER_BYTES_MAX:
                raise InvalidInput(f"more than {ANSWER_BYTES_MAX} bytes", field="answer")
        return answer.status_code, answer.headers.get("content-type", "").partition(";")[0], content


def _taken(witness: Witness, note: Note, size: int, content: bytes) -> Answer:
    key = witness.key
    try:
        lines = parse_signatures(content.decode("utf-8"))
    except (InvalidInput, UnicodeDecodeError) as error:
        return Answer(witness, problem=f"answers with no signature lines: {error}")
    for one in lines:
        if (one.name, one.key_id) == (key.name, key.key_id) and key.holds(note.text, one.value):
            return Answer(witness, signature=one, size=size)
    return Answer(witness, problem=f"does not sign with the key {key}")
