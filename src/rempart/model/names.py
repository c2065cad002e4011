"""Domain names as people write them, made into the one form that everything behind this room uses.

That form is the absolute A-label name: lower case, ASCII, no trailing dot (RFC 5890, UTS 46 without
transitional mappings). Every name that enters Rempart passes through here once; what comes out compares
by ``==``. ``to_unicode`` is the way back, for display only.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container
from functools import cache, lru_cache

import idna
from publicsuffixlist import PublicSuffixList

from rempart.model.errors import InvalidInput

NAME_MAX = 253
"""Octets of a name in text without trailing dot (RFC 1035 section 2.3.4: 255 on the wire)."""
LABEL_MAX = 63
_INPUT_MAX = 4 * NAME_MAX
"""Longest text looked at: IDNA work grows faster than its input."""

_LDH = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_OWNER = re.compile(r"[a-z0-9_-]+")
_SIMPLE_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_DOTS = re.compile("[.\u3002\uff0e\uff61]")
"""The full stops of UTS 46 section 4."""
_CODEPOINT = re.compile(r"U\+([0-9A-F]{4,6})")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def parse_hostname(text: str, *, wildcard: bool = False, field: str = "name") -> str:
    """The A-label form of a host name (RFC 1123 section 2.1: letters, digits, hyphens).

    With ``wildcard``, ``*`` may stand as the whole first label. Raises InvalidInput that names the label
    and the reason: empty or over-long labels, more than 253 octets, other characters, IP addresses,
    A-labels that decode to nothing valid.
    """
    if "xn--" not in text and len(text) <= NAME_MAX and _SIMPLE_HOST.fullmatch(text):
        return text
    name = _a_labels(text, field=field, label_form=_LDH, wildcard=wildcard)
    _refuse_address(name, field)
    return name


def parse_domain_name(text: str, *, wildcard: bool = False, field: str = "name") -> str:
    """As ``parse_hostname``, but labels may hold underscores and hyphens anywhere (RFC 8552)."""
    name = _a_labels(text, field=field, label_form=_OWNER, wildcard=wildcard)
    _refuse_address(name, field)
    return name


@lru_cache(maxsize=4096)
def parse_zone_name(text: str) -> str:
    """The A-label form of a zone's name: a domain name of two labels or more."""
    name = parse_domain_name(text)
    if "." not in name:
        raise InvalidInput(
            "a zone's name has two labels or more", field="name", hint="for example example.org"
        )
    return name


def parse_owner(text: str, zone: str) -> str:
    """The absolute name of a record in ``zone`` (canonical): ``@``, a short name or a full one.

    A name that ends in the zone's is a full one; so is one with a trailing dot, which must be inside the
    zone. ``*`` only as the whole first label (RFC 4592 section 2.1.1).
    """
    if text == "@":
        return zone
    name = _a_labels(text, field="name", label_form=_OWNER, wildcard=True)
    if within(name, zone):
        return name
    if text.endswith("."):
        raise InvalidInput(
            f"{shown(name)} is outside the zone {zone}",
            field="name",
            hint="without the trailing dot it is relative",
        )
    name = f"{name}.{zone}"
    if len(name) > NAME_MAX:
        raise InvalidInput(f"the full name has {len(name)} octets, {NAME_MAX} are allowed", field="name")
    return name


def parse_target(text: str, zone: str, *, field: str = "content", root: bool = False) -> str:
    """The name that a record points to, absolute without trailing dot; ``.`` where ``root`` allows it.

    ``@`` is the zone. Other names are full names, with or without a trailing dot, as in Cloudflare's API.
    A single label is refused: meant as a name in the zone, it would silently point into the root.
    """
    if text == "@":
        return zone
    if text == ".":
        if root:
            return "."
        raise InvalidInput("the root is not a target here", field=field)
    name = parse_domain_name(text, field=field)
    if "." not in name:
        raise InvalidInput(
            f"{shown(name)} is not a full name", field=field, hint=f"{name}.{zone}, if it is in this zone"
        )
    return name


def within(name: str, zone: str) -> bool:
    """True when ``name`` is ``zone`` or below it; both canonical."""
    return name == zone or (name.endswith(zone) and name[-len(zone) - 1 : -len(zone)] == ".")


def enclosing(name: str, zones: Container[str]) -> str | None:
    """The longest suffix of ``name``, whole labels only, that is in ``zones``; None when there is none."""
    suffix = name
    while suffix:
        if suffix in zones:
            return suffix
        suffix = suffix.partition(".")[2]
    return None


def registrable_domain(name: str, *, field: str = "name") -> str:
    """The public suffix of ``name`` and one label more (Public Suffix List, both its parts).

    ``name`` is canonical. Raises InvalidInput when it is itself a public suffix, such as ``co.uk``.
    """
    found: str | None = _public_suffixes().privatesuffix(name.removeprefix("*."))
    if found is None:
        bare = name.removeprefix("*.")
        if "." not in bare:
            raise InvalidInput(
                f"{shown(name)} is a name without a domain", field=field, hint="for example www.example.org"
            )
        raise InvalidInput(
            f"{shown(name)} is nobody's own: it is a public suffix, below which anybody registers domains",
            field=field,
            hint=f"name a domain below it, as example.{bare}",
        )
    return found


def is_public_suffix(name: str) -> bool:
    """Whether others register domains directly below ``name`` (canonical), as below ``co.uk``."""
    return _public_suffixes().privatesuffix(name) is None


def relative_to(name: str, zone: str) -> str:
    """``name`` as it is written within ``zone``: ``@`` for the zone itself; unchanged when outside."""
    if name == zone:
        return "@"
    return name[: -len(zone) - 1] if within(name, zone) else name


def to_unicode(name: str) -> str:
    """``name`` for people to read. Labels that mix scripts stay A-labels (UTS 39 section 5.2)."""
    return ".".join(_unicode_label(label) for label in name.split("."))


def shown(text: str) -> str:
    """Text from a stranger, quoted and cut for an error message."""
    return repr(text if len(text) <= 80 else text[:77] + "…")


def _a_labels(text: str, *, field: str, label_form: re.Pattern[str], wildcard: bool) -> str:
    if not text:
        raise InvalidInput("a name is needed", field=field)
    if len(text) > _INPUT_MAX:
        raise InvalidInput(f"a name of {len(text)} characters; {NAME_MAX} are allowed", field=field)
    if text.startswith("[") or ":" in text:
        raise InvalidInput(f"{shown(text)} is an address or a URL, not a name", field=field)
    labels = _DOTS.split(text)
    if labels[-1] == "" and len(labels) > 1:
        labels.pop()
    canonical = []
    for number, label in enumerate(labels, start=1):
        if wildcard and number == 1 and label == "*":
            canonical.append(label)
        else:
            canonical.append(_a_label(label, _Place(field, number, label), label_form))
    if canonical == ["*"] and label_form is _LDH:
        raise InvalidInput("a wildcard stands for the names below a domain: *.example.org", field=field)
    name = ".".join(canonical)
    if len(name) > NAME_MAX:
        raise InvalidInput(f"the name has {len(name)} octets, {NAME_MAX} are allowed", field=field)
    return name


class _Place:
    """Where a label stands, for the errors it causes."""

    __slots__ = ("field", "label", "number")

    def __init__(self, field: str, number: int, label: str) -> None:
        self.field = field
        self.number = number
        self.label = label

    def error(self, why: str, hint: str | None = None) -> InvalidInput:
        return InvalidInput(f"label {self.number} ({shown(self.label)}): {why}", field=self.field, hint=hint)


def _a_label(label: str, place: _Place, form: re.Pattern[str]) -> str:
    if not label:
        raise place.error("empty: two dots in a row, or one at the start")
    if len(label) > LABEL_MAX:
        raise place.error(f"{len(label)} characters; {LABEL_MAX} are allowed")
    if not label.isascii():
        try:
            label = idna.uts46_remap(label, std3_rules=False, transitional=False)
            if not label.isascii():
                label = idna.alabel(label).decode("ascii")
        except UnicodeError as error:  # IDNAError is one
            raise place.error(_why_no_label(error)) from None
    label = label.lower()
    if label.startswith("xn--"):
        return _checked_a_label(label, place)
    if not form.fullmatch(label):
        raise place.error(_why_not(label, form))
    if len(label) > LABEL_MAX:
        raise place.error(f"{len(label)} octets; {LABEL_MAX} are allowed")
    return label


def _checked_a_label(label: str, place: _Place) -> str:
    """An A-label that is the encoding of the valid U-label it decodes to (RFC 5891 section 5.4)."""
    try:
        again = idna.alabel(idna.ulabel(label)).decode("ascii")
    except UnicodeError as error:
        raise place.error(_why_no_label(error)) from None
    if again != label:
        raise place.error(f"not the encoding of the label it decodes to; that is {again}")
    if len(label) > LABEL_MAX:
        raise place.error(f"{len(label)} octets; {LABEL_MAX} are allowed")
    return label


def _why_no_label(error: UnicodeError) -> str:
    """What is wrong with an internationalised label, in our words; the library's are for programmers."""
    found = _CODEPOINT.search(str(error))
    if found and isinstance(error, idna.InvalidCodepoint | idna.InvalidCodepointContext):
        character = chr(int(found[1], 16))
        name = unicodedata.name(character, "").lower() or "a character without a name"
        where = " here" if isinstance(error, idna.InvalidCodepointContext) else ""
        return f"{name} (U+{found[1]}) is not allowed{where} in an internationalised name (RFC 5892)"
    if isinstance(error, idna.IDNABidiError):
        return "not a valid internationalised name: it mixes writing directions (RFC 5893)"
    return "not a valid internationalised name (RFC 5891)"


def _why_not(label: str, form: re.Pattern[str]) -> str:
    if not label:
        return "nothing is left of it after normalisation"
    if "*" in label:
        return "a wildcard is a whole label, and the first one"
    if form is _LDH and _OWNER.fullmatch(label):
        return "host names have no underscores" if "_" in label else "begins or ends with a hyphen"
    bad = next(character for character in label if not _OWNER.fullmatch(character))
    name = unicodedata.name(bad, "").lower() or f"character U+{ord(bad):04X}"
    return f"{name} is not allowed"


def _refuse_address(name: str, field: str) -> None:
    """A name that ends in a number is read as an IPv4 address by browsers (URL Standard, section 3.5)."""
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        raise InvalidInput(f"{shown(name)} is an IP address or looks like one, not a name", field=field)


def _unicode_label(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        decoded: str = idna.ulabel(label)
    except UnicodeError:
        return label
    return decoded if _one_writing_system(decoded) else label


_TOGETHER = (
    frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "IDEOGRAPHIC"}),
    frozenset({"LATIN", "CJK", "BOPOMOFO"}),
    frozenset({"LATIN", "CJK", "HANGUL"}),
)
"""Scripts that one language writes together (UTS 39 section 5.2, highly restrictive)."""


def _one_writing_system(label: str) -> bool:
    # The first word of a character's name is its script for every script that IDNA letters come from.
    scripts = {unicodedata.name(letter, "?").split()[0] for letter in label if letter.isalpha()}
    return len(scripts) <= 1 or any(scripts <= together for together in _TOGETHER)


@cache
def _public_suffixes() -> PublicSuffixList:
    return PublicSuffixList()
