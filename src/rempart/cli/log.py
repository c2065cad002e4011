"""``rempart log``: the public log of the process, this instance's or anybody's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rempart.cli.log_keys import keys, log_state, rotate_key
from rempart.cli.log_witness import witness
from rempart.cli.output import counted, document, json_option, note, say, table, working
from rempart.cli.session import Session, pass_session, route
from rempart.model.errors import EnvironmentLacks, InvalidInput, NotFound

if TYPE_CHECKING:
    from rempart.controller.transparency.checking import Checked, Trust
    from rempart.controller.transparency.sources import Source
    from rempart.governance.log.checkpoint import Signed

NO = 1
"""Exit status: the answer is no."""

_key = click.option("--key", metavar="KEY", help="The log's verifier key, as its operator publishes it.")
_witnesses = click.option(
    "--witness", "witnesses", multiple=True, metavar="KEY",
    help="Verifier key of a witness that must have cosigned; may be repeated.",
)  # fmt: skip
_quorum = click.option(
    "--quorum", type=click.IntRange(min=0), help="So many of the witnesses are enough.  [default: all]"
)


@click.group()
def log() -> None:
    """The public log: every step of the process, for everybody to check."""


for command in (witness, keys, rotate_key):
    log.add_command(command)


@log.command()
@click.argument("index", type=click.IntRange(min=0), required=False)
@click.option("--last", default=20, show_default=True, type=click.IntRange(1, 1000), help="So many entries.")
@click.option("--under", metavar="ID", help="Steps whose id begins so: those of one case.")
@json_option
@pass_session
def show(session: Session, index: int | None, last: int, under: str | None, as_json: bool) -> None:
    """Entries of this instance's log: the last ones, or the one at INDEX."""
    from rempart.controller.admin_api.messages import LogEntries, LogEntry

    with session.controller() as controller:
        if index is not None:
            one = controller.ask(LogEntry, route("log", "entries", str(index)))
            say(json.dumps(one.model_dump(mode="json"), indent=2, ensure_ascii=False))
            return
        found = controller.ask(LogEntries, "/v1/log/entries", number=last, under=under)
    if as_json:
        document(found.model_dump(mode="json"))
        return
    rows = [
        (str(one.index), f"{one.step.at:%Y-%m-%d %H:%M:%S}", one.step.id, one.step.kind)
        for one in found.entries
    ]
    table(("INDEX", "WHEN", "ID", "STEP"), rows, empty="no entries")


@log.command()
@click.argument("index", type=click.IntRange(min=0))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the proof there.")
@pass_session
def prove(session: Session, index: int, out: Path | None) -> None:
    """A proof that entry INDEX is in this instance's log.

    One file that holds the entry too, to be checked by anybody without the log: rempart log check.
    """
    from rempart.controller.admin_api.messages import LogProof

    with session.controller() as controller:
        made = controller.ask(LogProof, route("log", "proofs", str(index)))
    if out is None:
        click.echo(made.proof, nl=False)
        return
    try:
        out.write_text(made.proof, encoding="utf-8")
    except OSError as error:
        raise EnvironmentLacks(str(out), f"{out} cannot be written: {error.strerror}") from error
    note(f"The proof is in {out}.")


@log.command()
@click.argument("proof_file", metavar="PROOF", type=click.Path(path_type=Path))
@click.option(
    "--entry", type=click.Path(path_type=Path), help="The entry's octets, if the proof has them not."
)
@_key
@_witnesses
@_quorum
@json_option
@click.pass_context
def check(
    context: click.Context,
    proof_file: Path,
    entry: Path | None,
    key: str | None,
    witnesses: tuple[str, ...],
    quorum: int | None,
    as_json: bool,
) -> None:
    """Check a PROOF (.tlog-proof) that an entry is in a log, without the log."""
    from rempart.governance.log.proof import parse_proof, proven

    trust = _trust(context.find_object(Session), key, witnesses, quorum)
    proof = parse_proof(_content(proof_file))
    content = proof.extra if entry is None else _content(entry)
    if content is None:
        raise InvalidInput("the proof does not hold the entry", field="--entry", hint="give it: --entry FILE")
    try:
        signed = proven(proof, content, trust.key, trust.witnesses, trust.quorum)
    except InvalidInput as error:
        if as_json:
            document({"proven": False, "why": error.message})
        else:
            note(f"rempart: NOT PROVEN: {error.message}")
        context.exit(NO)
    if as_json:
        document({"proven": True, "index": proof.index, **_signed(signed), "entry": _readable(content)})
        return
    at = signed.checkpoint
    say(f"Proven: this is entry {proof.index} of the {at.size:,} of {at.origin}.")
    _say_witnesses(signed)
    say(json.dumps(_readable(content), indent=2, ensure_ascii=False))


@log.command()
@click.argument("source", metavar="[URL|FOLDER]", required=False)
@_key
@_witnesses
@_quorum
@click.option(
    "--mirror", "mirror_folder", type=click.Path(path_type=Path, file_okay=False),
    help="Keep a copy there, and compare with what it had.",
)  # fmt: skip
@click.option(
    "--seen", type=click.Path(path_type=Path, dir_okay=False),
    help="Compare with the checkpoint in this file, and keep the new one there.",
)  # fmt: skip
@json_option
@click.pass_context
def verify(
    context: click.Context,
    source: str | None,
    key: str | None,
    witnesses: tuple[str, ...],
    quorum: int | None,
    mirror_folder: Path | None,
    seen: Path | None,
    as_json: bool,
) -> None:
    """Check all of a log: signatures, every entry, every hash, and that nothing was ever taken back.

    Without URL or FOLDER it is this instance's own. Exit status 0: sound; 1: it is not.
    """
    session = context.find_object(Session)
    if mirror_folder is not None and seen is not None:
        raise InvalidInput("a mirror remembers by itself: --mirror or --seen", field="--seen")
    trust = _trust(session, key, witnesses, quorum, own=source is None)
    with _source(session, source) as opened_source, working("checking the log"):
        checked = _checked(opened_source, trust, mirror_folder, seen, whole=source is not None)
    _finish(context, checked, as_json)


@log.command()
@click.argument("source", metavar="URL|FOLDER")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@_key
@_witnesses
@_quorum
@json_option
@click.pass_context
def mirror(
    context: click.Context,
    source: str,
    folder: Path,
    key: str | None,
    witnesses: tuple[str, ...],
    quorum: int | None,
    as_json: bool,
) -> None:
    """Copy a log to FOLDER, or bring the copy up to date, once everything was checked.

    The copy is a log like the one it is of: any web server can serve it, rempart log verify checks it.
    """
    session = context.find_object(Session)
    trust = _trust(session, key, witnesses, quorum)
    with _source(session, source) as opened_source, working("copying and checking the log"):
        checked = _checked(opened_source, trust, folder, None, whole=False)
    _finish(context, checked, as_json)


def _checked(
    source: Source, trust: Trust, mirror_folder: Path | None, seen: Path | None, *, whole: bool
) -> Checked:
    from rempart.controller.transparency.checking import check
    from rempart.controller.transparency.checking import mirror as make_mirror
    from rempart.controller.transparency.folder import Folder

    if mirror_folder is not None:
        return make_mirror(source, mirror_folder, trust)
    earlier = None
    if seen is not None and seen.exists():
        earlier = _content(seen)
    checked = check(source, trust, earlier, whole=whole)
    if seen is not None and checked.sound and checked.signed is not None:
        kept = Folder(seen.absolute().parent)
        kept.write(seen.name, checked.signed.note.encode())
        kept.settle()
    return checked


@contextmanager
def _source(session: Session | None, source: str | None) -> Iterator[Source]:
    """Where the log is read from; None: this instance's files."""
    from rempart.controller.transparency.sources import FolderSource, HttpSource

    if source is not None and source.startswith(("http://", "https://")):
        with HttpSource.at(source) as opened_source:
            yield opened_source
        return
    if source is None:
        assert session is not None  # noqa: S101
        yield FolderSource(session.configuration.paths.public_log)
        return
    if not Path(source).is_dir():
        raise NotFound(f"{source} is neither a folder nor an http:// or https:// URL")
    yield FolderSource(Path(source))


def _trust(
    session: Session | None,
    key: str | None,
    witnesses: tuple[str, ...],
    quorum: int | None,
    *,
    own: bool = False,
) -> Trust:
    from rempart.controller.transparency.checking import Trust
    from rempart.governance.log.note import parse_verifier_key

    if key is None and own and session is not None:
        key = log_state(session).key
    if key is None:
        raise InvalidInput(
            "the log's key is not given",
            field="--key",
            hint="its operator publishes it; whoever runs the log sees it with: rempart log keys",
        )
    parsed = tuple(map(parse_verifier_key, witnesses))
    if quorum is not None and quorum > len(parsed):
        raise InvalidInput(f"{quorum} of {counted(len(parsed), 'witness key')} cannot be", field="--quorum")
    return Trust(parse_verifier_key(key), parsed, quorum)


def _finish(context: click.Context, checked: Checked, as_json: bool) -> None:
    faults = [{"path": one.path, "what": one.what} for one in checked.faults]
    if as_json:
        about = {} if checked.signed is None else _signed(checked.signed)
        counts = {"entries": checked.entries, "files": checked.files, "bytes": checked.octets}
        document({"sound": checked.sound, **about, **counts, "faults": faults})
    elif checked.sound and checked.signed is not None:
        at = checked.signed.checkpoint
        say(
            f"{at.origin} is sound: {at.size:,} entries in {checked.files:,} files, {checked.octets:,} bytes."
        )
        _say_witnesses(checked.signed)
    else:
        for one in checked.faults:
            note(f"  ! {one}")
        note("rempart: the log is NOT SOUND. Keep what you have of it: it is the evidence.")
    context.exit(0 if checked.sound else NO)


def _signed(signed: Signed) -> dict[str, Any]:
    from rempart.governance.log.note import cosigned_at, encode64

    at = signed.checkpoint
    cosigned = [{"name": one.name, "at": cosigned_at(one)} for one in signed.cosignatures]
    return {"origin": at.origin, "size": at.size, "root": encode64(at.root), "witnesses": cosigned}


def _say_witnesses(signed: Signed) -> None:
    from rempart.governance.log.note import cosigned_at

    for one in signed.cosignatures:
        at = datetime.fromtimestamp(cosigned_at(one), UTC)
        say(f"  cosigned by {one.name} on {at:%Y-%m-%d %H:%M:%S} UTC")


def _readable(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.decode("utf-8", "replace")


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EnvironmentLacks(str(path), f"{path} cannot be read: {error.strerror}") from error
