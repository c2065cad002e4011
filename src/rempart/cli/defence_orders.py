"""What commands about the defence loops share: finding what is meant, giving an order, waiting for its
answer.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from datetime import UTC, datetime

from rempart.cli.defence_views import OrderedView
from rempart.cli.output import document, note, say
from rempart.model.attacks import Layer, Term
from rempart.model.configuration import Configuration
from rempart.model.errors import Conflict, EnvironmentLacks, InvalidInput, NotFound
from rempart.node.defending import orders
from rempart.node.defending.entries import Account, Entry, read_identity
from rempart.node.defending.journal import read_account, read_accounts, read_history
from rempart.node.defending.running import not_running, runs
from rempart.node.requests.words import network_words

WAIT_SECONDS = 5.0
"""How long an order's answer is waited for."""
_LOOKING = 0.02


def all_accounts(configuration: Configuration) -> tuple[Account, ...]:
    if not configuration.paths.defence.is_dir():
        raise EnvironmentLacks(
            "defence loop",
            f"nothing was ever started on {configuration.paths.root}",
            hint="start it with: rempart up",
        )
    return read_accounts(configuration.paths)


def past(configuration: Configuration) -> list[Entry]:
    lines = (one for layer in Layer for one in read_history(configuration.paths, layer))
    return [one.mitigation for one in lines if one.mitigation is not None]


def found_entry(configuration: Configuration, id_: str) -> Entry:
    layer, count = read_identity(id_)
    for account in all_accounts(configuration):
        for one in account.standing:
            if (one.layer, one.number) == (layer, count):
                return one
    for one in past(configuration):
        if (one.layer, one.number) == (layer, count):
            return one
    raise NotFound(f"there is no mitigation {id_}", hint="rempart mitigations --all lists them")


def order(
    configuration: Configuration,
    made: Callable[[orders.Orders], orders.Orders],
    layers: tuple[Layer, ...],
    words: str,
    as_json: bool,
    revoked: Entry | None = None,
) -> None:
    if not configuration.defence.enabled:
        raise Conflict(
            "the defence loop is switched off",
            field="defence.enabled",
            hint="nothing stands that it has made",
        )
    began = time.monotonic()
    given = orders.change(configuration.paths, made)
    followed = _followed(configuration, given.number, layers)
    waited = time.monotonic() - began
    if as_json:
        document(
            OrderedView(order=given.number, followed=followed, waited_ms=round(1_000 * waited)).model_dump()
        )
    else:
        say(words + (f"; followed after {1_000 * waited:.0f} ms" if followed else ""))
    if not followed and Layer.PACKET in layers and revoked is not None:
        _taken_out(configuration, revoked)
    if not followed:
        missing = not_running(configuration.paths, layers)
        why = f"{', '.join(missing)} does not run" if missing else f"no answer within {WAIT_SECONDS:g} s"
        note(f"rempart: it is stored and holds from the next start of the loop: {why}")


def _taken_out(configuration: Configuration, found: Entry) -> None:
    """Where no process would: its rule out of the packet program, which goes on by itself."""
    from rempart.engines.shield import rules
    from rempart.node.shield.by_hand import opened
    from rempart.node.shield.rule_files import kept_rules
    from rempart.node.shield.rule_sets import is_derived, mitigation_of

    held = opened(configuration)
    if held is None:
        return
    try:
        rules.replace(
            held,
            kept_rules(configuration.paths),
            keep=lambda number: is_derived(number) and mitigation_of(number) != found.number,
        )
    finally:
        held.close()


def _followed(configuration: Configuration, given: int, layers: tuple[Layer, ...]) -> bool:
    paths, deadline = configuration.paths, time.monotonic() + WAIT_SECONDS
    if not all(runs(paths, one) for one in layers):
        return False
    while time.monotonic() < deadline:
        accounts = (read_account(paths, one) for one in layers)
        if all(one is not None and one.orders >= given for one in accounts):
            return True
        time.sleep(_LOOKING)
    return False


def revocation(found: Entry, address: str | None = None) -> orders.Revocation:
    """The order that ends it and keeps it from coming back.

    What is over keeps no address, so ``address`` says whose it was. Raises InvalidInput when it is needed and
    not given, or is not of the network that is kept.
    """
    signature = found.signature
    if found.shortened:
        terms = tuple(_with_address(one, address, found) for one in signature.terms)
        signature = signature.model_copy(update={"terms": terms})
    elif address is not None:
        raise InvalidInput(f"{found.id} is not about one address that was forgotten", field="--address")
    return orders.Revocation(
        id=found.id, layer=found.layer, subject=found.subject, signature=signature, at=datetime.now(UTC)
    )


def _with_address(term: Term, address: str | None, found: Entry) -> Term:
    if term.field != "source":
        return term
    kept = term.text or network_words(term.first)
    if address is None:
        raise InvalidInput(
            f"{found.id} is over, and of its address only {kept} is kept; to forbid it for all of that would "
            "be more than it was",
            field="--address",
            hint="say --address with the address that it was about",
        )
    try:
        given = ipaddress.ip_address(address)
        if given not in ipaddress.ip_network(kept):
            raise ValueError(address)
    except ValueError:
        raise InvalidInput(f"{address!r} is not an address of {kept}", field="--address") from None
    if term.text:
        return term.model_copy(update={"text": str(ipaddress.ip_network(given))})
    number = int(given) if given.version == 4 else int(given) >> 64
    return term.model_copy(update={"first": number, "last": number})
