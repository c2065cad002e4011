"""README.txt of an exit kit: what it is, and how to move, with the zone's own values. Pure.

docs/operate/leaving.md says the same for everybody.
"""

from __future__ import annotations

from datetime import datetime

from rempart.model.base import Value
from rempart.model.bundle import Absent, Belongings


class Present(Value):
    """How the zone is served by the operator that is left."""

    nameservers: tuple[str, ...]
    ds: tuple[str, ...]
    longest_ttl: int
    """Seconds for which a resolver may remember an answer that it is given now."""


_TEXT = """\
Exit kit of {zone}, made {made_at} UTC

THIS FILE HOLDS PRIVATE KEYS. Whoever has it can pretend to be the site.
Keep it where nobody else reads it, hand it to the next operator over an
encrypted channel (scp, age, an encrypted disk), and delete it once you
have moved.

It holds {holds}.
manifest.json names every file with its SHA-256, and says what is not here
and why.

1. Bring the zone up at the next operator, before anything changes at the
   registrar.
     Another Rempart:  rempart import bundle FILE
     Other servers:    zone/{zone}.zone is a zone file (RFC 1035);
                       dnssec/ has the keys as PEM and in BIND's form.
                       Names marked cf-proxied:true stand there with their
                       origins: put the next operator's edge in their
                       place if you want to stay behind one.
     Try it:           dig @NEW-SERVER {zone} SOA

2. Wait for what is remembered. At the operator that you leave answers are
   given for up to {ttl} seconds today. There
     rempart zone set {zone} --max-ttl 300
   makes it five minutes; then wait as long as it was before. From the
   notice of a case that takes the site away this is done for you.

3. At the registrar of {zone}, today:
{present}
   Replace the NS by those that the next operator names (rempart import
   bundle prints them), with glue where they lie in the zone itself.
{ds}

4. Wait until the old NS are forgotten: the TTL of the delegation at the
   parent, often one or two days. Leave the zone at the operator that you
   leave until then. It answers for you throughout, also in the time
   between the notice of a case and its effect.

5. Then remove the zone there, and delete this file. If the keys may have
   been seen by others, have new certificates made, and roll the DNSSEC key
   at the next operator.
"""
_NOT_SIGNED = "   The zone is not signed: there is no DS to look after."
_KEYS_HERE = """\
   Leave the DS as it is: the keys in this kit are the ones that it names,
   and the next operator signs with them. Should the next operator sign
   with a key of its own, have that key's DS added before the NS change,
   and the old DS deleted two days after."""
_KEYS_AWAY = """\
   The zone is signed, and its key is NOT in this kit: delete the DS at the
   registrar, wait until its TTL is over, and only then change the NS.
   Else validating resolvers refuse every answer."""


def walkthrough(
    belongings: Belongings, present: Present, made_at: datetime, absent: tuple[Absent, ...]
) -> str:
    """The text."""
    counts = [
        (len(belongings.records), "record"),
        (len(belongings.sites), "site"),
        (len(belongings.certificates), "certificate"),
        (len(belongings.keys.keys) if belongings.keys else 0, "DNSSEC key"),
    ]
    signed = belongings.zone.settings.dnssec
    text = _TEXT.format(
        zone=belongings.zone.name,
        made_at=f"{made_at:%Y-%m-%d %H:%M}",
        holds=", ".join(f"{number} {what}{'' if number == 1 else 's'}" for number, what in counts),
        ttl=present.longest_ttl,
        present="\n".join(
            [
                *(f"     NS  {server}." for server in present.nameservers),
                *(f"     DS  {ds}" for ds in present.ds),
            ]
        ),
        ds=_NOT_SIGNED if not signed else _KEYS_HERE if belongings.keys else _KEYS_AWAY,
    )
    if not absent:
        return text
    return "\n".join([text, "What is not in here:", *(f"  {one.what}: {one.why}" for one in absent), ""])
