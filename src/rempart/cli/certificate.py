"""``rempart certificate`` and ``rempart ca``: what visitors are shown."""

from __future__ import annotations

from pathlib import Path

import click

from rempart.cli.files import read_text
from rempart.cli.output import document, json_option, say, table, working
from rempart.cli.results import day, finish
from rempart.cli.session import Session, pass_session, route
from rempart.controller.admin_api.messages import (
    AuthorityView,
    CertificateAnswer,
    Certificates,
    Made,
    NewCertificate,
)


@click.group()
def certificate() -> None:
    """Certificates of sites."""


@certificate.command("add")
@click.argument("chain", type=click.Path(path_type=Path))
@click.argument("key", type=click.Path(path_type=Path))
@json_option
@pass_session
def add(session: Session, chain: Path, key: Path, as_json: bool) -> None:
    """Store a certificate: CHAIN (PEM, leaf first) and its private KEY (PEM).

    It is used from now on for every host that it names, by SNI.
    """
    new = NewCertificate(chain_pem=read_text(chain, "CHAIN"), key_pem=read_text(key, "KEY"))
    with session.controller() as controller, working("storing the certificate"):
        answer = controller.write(CertificateAnswer, "POST", "/v1/certificates", body=new)
    one = answer.certificate
    lines = [
        f"{' '.join(one.hosts)}: the certificate is stored.",
        f"  id           {one.id}",
        f"  valid        {day(one.not_before)} to {day(one.not_after)}",
    ]
    finish(answer, online=controller.online, as_json=as_json, lines=lines)


@certificate.command("list")
@json_option
@pass_session
def list_(session: Session, as_json: bool) -> None:
    """All certificates."""
    with session.controller() as controller:
        found = controller.ask(Certificates, "/v1/certificates")
    if as_json:
        document(found.model_dump(mode="json"))
        return
    rows = [
        (" ".join(one.hosts), one.source.value, day(one.not_after), one.id[:16]) for one in found.certificates
    ]
    table(("HOSTS", "SOURCE", "VALID UNTIL", "ID"), rows, empty="no certificates yet")


@certificate.command("remove")
@click.argument("certificate_id", metavar="ID")
@json_option
@pass_session
def remove(session: Session, certificate_id: str, as_json: bool) -> None:
    """Remove a certificate; ID may be its first 8 or more digits.

    Sites that no other certificate covers are given one by the local CA.
    """
    with session.controller() as controller, working("removing the certificate"):
        answer = controller.write(Made, "DELETE", route("certificates", certificate_id))
    finish(answer, online=controller.online, as_json=as_json, lines=[f"{certificate_id} is removed."])


@click.group()
def ca() -> None:
    """The local certificate authority."""


@ca.command("show")
@json_option
@pass_session
def show(session: Session, as_json: bool) -> None:
    """Where the root certificate is, and how to trust it."""
    with session.controller() as controller:
        authority = controller.ask(AuthorityView, "/v1/ca")
    if as_json:
        document(authority.model_dump(mode="json"))
        return
    say("Sites without a certificate of their own get one from this machine's own authority.")
    say(f"  root         {authority.certificate}")
    say(f"  SHA-256      {authority.fingerprint}")
    say(f"  valid until  {day(authority.not_after)}")
    say("To trust it on a machine of yours, and only there:")
    say(
        f"  Debian       cp {authority.certificate} /usr/local/share/ca-certificates/rempart.crt "
        "&& update-ca-certificates"
    )
    say(f"  curl         curl --cacert {authority.certificate} …")
    say("  Firefox      Settings → Privacy & Security → View Certificates → Authorities → Import")
    say(f"  Chromium     certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n rempart -i {authority.certificate}")
    say("For the public, upload certificates of a public authority: rempart certificate add CHAIN KEY")
