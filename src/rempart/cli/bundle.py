"""Exit kits on the command line: ``rempart zone export --format bundle`` and ``rempart import bundle``."""

from __future__ import annotations

import base64
import hashlib
import sys
from pathlib import Path

import click

from rempart.cli.bundle_extras import with_extras
from rempart.cli.files import read_octets, write_new
from rempart.cli.output import counted, document, json_option, note, say, working
from rempart.cli.results import delegation_lines, finish
from rempart.cli.session import Session, pass_session, route
from rempart.controller.admin_api.messages import BundleAnswer, BundleView
from rempart.controller.bundles.archive import PACKED_MAX, read_archive
from rempart.model.errors import Conflict, InvalidInput


def export_bundle(session: Session, name: str, output: Path | None, *, partial: bool, as_json: bool) -> None:
    """Write the zone's exit kit to ``output``, or to a new file here."""
    to_stdout = str(output) == "-"
    if to_stdout and (as_json or sys.stdout.isatty()):
        raise InvalidInput("an archive with private keys is for a file", field="--output")
    if output is not None and not to_stdout and output.exists():
        raise Conflict(f"{output} is there already", field="--output", hint="name another file, or remove it")
    with session.controller() as controller, working(f"gathering {name}"):
        view = controller.ask(BundleView, route("zones", name, "bundle"), partial="true" if partial else None)
    octets = with_extras(base64.b64decode(view.content), session.configuration.paths)
    manifest = read_archive(octets).manifest
    for warning in view.warnings:
        note(f"rempart: warning: without DNSSEC keys: {warning}")
    if to_stdout:
        sys.stdout.buffer.write(octets)
        return
    path = output or Path(f"{view.zone}-{manifest.made_at:%Y%m%dT%H%M%SZ}.rempart.zip")
    write_new(path, octets, "--output", mode=0o600)
    sha256 = hashlib.sha256(octets).hexdigest()
    if as_json:
        head = {"zone": view.zone, "file": str(path), "sha256": sha256, "warnings": view.warnings}
        document({**head, "manifest": manifest.model_dump(mode="json")})
        return
    say(f"The exit kit of {view.zone} is in {path}")
    say(f"  holds        {counted(len(manifest.members), 'file')}, {len(octets):,} octets")
    say(f"  SHA-256      {sha256}")
    say("  PRIVATE KEYS are in it: it is readable by you alone. Keep it so.")
    for one in manifest.absent:
        say(f"  without      {one.what}: {one.why}")
    say("Its README.txt says how to move. At another operator: rempart import bundle FILE")


@click.group("import")
def import_() -> None:
    """Take in what came from another operator."""


@import_.command("bundle")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--confirm", metavar="DIGEST", help="Carry out the plan with this digest.")
@json_option
@pass_session
def bundle(session: Session, file: Path, confirm: str | None, as_json: bool) -> None:
    """Bring up the zone in an exit kit: records, settings, sites, certificates, DNSSEC keys.

    All of it or nothing. FILE is what rempart zone export --format bundle wrote at the other operator; it may
    be - for standard input. The DS at the registrar stays right; the name servers to set there are printed.
    """
    octets = read_octets(file, "FILE", PACKED_MAX)
    with session.controller() as controller, working(f"importing {file}"):
        answer = controller.write(
            BundleAnswer, "POST", "/v1/bundle-imports", query={"confirm": confirm}, content=octets
        )
    if not as_json:
        note(answer.summary or "no change")
    lines = [
        f"{answer.zone.name} is {'brought up' if answer.zone_created else 'here already, and the same'}.",
        f"  made         {answer.made_at:%Y-%m-%d %H:%M} UTC by {answer.made_by}",
        f"  holds        {counted(answer.records, 'record')}, {counted(answer.sites, 'site')}, "
        f"{counted(answer.certificates, 'certificate')}",
        f"  DNSSEC       {_dnssec(answer)}",
    ]
    finish(answer, online=controller.online, as_json=as_json, lines=lines)
    if not as_json:
        for one in answer.absent:
            say(f"  without      {one.what}: {one.why}")
        for line in delegation_lines(answer.zone.name, answer.nameservers, answer.ds):
            say(line)


def _dnssec(answer: BundleAnswer) -> str:
    if not answer.zone.settings.dnssec:
        return "off"
    if not answer.ds:
        return "on, WITH A NEW KEY: the bundle has none; the DS at the registrar must be changed"
    return "on, with the keys it had: the DS at the registrar stays"
