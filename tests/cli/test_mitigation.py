"""What people see of the defence loop and tell it, while no loop runs: files alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rempart.cli.status import loops
from rempart.model.attacks import Action, Evidence, Layer, Mode, Signature, State, Term, Trial
from rempart.model.sites import SiteLimits
from rempart.node.defending.entries import Account, AttackEntry, Entry
from rempart.node.defending.journal import Journal, read_accounts
from rempart.node.defending.orders import read_orders
from rempart.node.last_good import LastGood
from rempart.node.state_folders import prepare
from rempart.snapshot.items import Delta, ItemChange, SiteItem
from tests.cli.conftest import CommandLine

DAWN = datetime(2026, 11, 21, 6, tzinfo=UTC)
TERMS = (Term(field="protocol", first=17, last=17), Term(field="source", text="203.0.113.77/32"))


def entry(identity: str, state: State = State.ENFORCED) -> Entry:
    trial = Trial(
        records=4_000, hit=0, own_records=900, own_hit=0, upper=0.00075, bound=0.001, action=Action.DROP
    )
    return Entry(
        id=identity,
        layer=Layer.PACKET,
        subject="node",
        cause="udp-flood: 90,000/s where 500/s is usual; source 203.0.113.77/32",
        signature=Signature(layer=Layer.PACKET, terms=TERMS),
        words="UDP, from 203.0.113.77/32",
        action=Action.DROP,
        evidence=Evidence(rate=90_000, usual=500, covered=0.97, sampled=800, trial=trial),
        hits=1_234_567,
        since=DAWN,
        expires=DAWN + timedelta(seconds=30),
        state=state,
    )


@pytest.fixture
def known(rempart: CommandLine) -> CommandLine:
    """One that stands, and one that did."""
    configuration = rempart.configuration
    prepare(configuration, is_root=False)
    journal = Journal(configuration.paths, Layer.PACKET, configuration.defence)
    journal.opened(DAWN)
    attack = AttackEntry(
        layer=Layer.PACKET,
        subject="node",
        kind="udp-flood",
        begin=DAWN,
        peak=90_000,
        usual=500,
        signatures=("UDP, from 203.0.113.77/32",),
        mitigations=("P-2",),
    )
    over = {"ended": datetime.now(UTC), "why": "it is over", "state": State.EXPIRED}
    journal.over([entry("P-1").model_copy(update=over)], [], DAWN)
    journal.write(Account(layer=Layer.PACKET, at=DAWN, next=3, standing=(entry("P-2"),), attacks=(attack,)))
    return rempart


def test_before_the_first_start_there_is_nothing_to_show(rempart: CommandLine) -> None:
    ended = rempart("mitigations", status=3)
    assert "start it with: rempart up" in ended.err


def test_what_stands_and_what_did(known: CommandLine) -> None:
    listed = known("mitigations")
    assert "P-2\tnode\tdrop\tenforced\t1,234,567\t2026-11-21 06:00:00" in listed.out
    assert "P-1" not in listed.out
    assert "the packet shield does not run: this is what it said last, at 2026-11-21 06:00:00" in listed.err
    assert "its rules stay in the kernel" in known("mitigations", "--json").json()["stale"][0]
    assert "its rules stay in the kernel" in known("attacks").err
    assert [one["id"] for one in known("mitigations", "--all", "--json").json()["mitigations"]] == [
        "P-2",
        "P-1",
    ]
    assert "udp-flood" in known("attacks").out
    (loop,) = loops(read_accounts(known.configuration.paths), {Layer.PACKET: "it is dead"})
    assert loop.line == "packets 1 attack on node, 1 mitigation, but it is dead"
    assert known("attacks", "--json").json()["attacks"][0]["mitigations"] == ["P-2"]


def test_one_with_the_figures_that_it_stands_on(known: CommandLine) -> None:
    shown = known("mitigation", "show", "p2").out
    for words in (
        "P-2  drop, enforced",
        "90,000/s where 500/s is usual",
        "97% of the excess, found in 800 samples",
        "hits 0 of 4,000 known-good records (0 of 900 of the same kind)",
        "at most 0.075 % of good traffic; 0.1 % may be dropped",
        "expires      2026-11-21 06:00:30",
    ):
        assert words in shown
    past = known("mitigation", "show", "P-1").out
    assert "it is over" in past
    assert "203.0.113.77" not in past, "who is gone has no address here"
    assert "203.0.113.0/24" in past


def test_orders_are_kept_for_a_loop_that_does_not_run(known: CommandLine) -> None:
    paths = known.configuration.paths
    revoked = known("mitigation", "revoke", "P-2")
    assert "P-2 is revoked" in revoked.out
    assert "holds from the next start" in revoked.err
    (one,) = read_orders(paths).revocations
    assert (one.id, one.signature.terms) == ("P-2", TERMS)
    assert known("mitigation", "revoke", "P-2", "--json").json()["followed"] is False
    known("mitigation", "restore", "p-2")
    assert read_orders(paths).revocations == ()
    assert "is not revoked" in known("mitigation", "restore", "P-2", status=1).err

    known("mitigation", "mode", "observe", "--packets")
    known("mitigation", "mode", "observe", "--site", "Shop.Example.ORG")
    assert read_orders(paths).modes == {"node": Mode.OBSERVE, "shop.example.org": Mode.OBSERVE}
    assert "shop.example.org\tobserve" in known("mitigation", "mode").out
    known("mitigation", "mode", "default", "--packets")
    assert known("mitigation", "mode", "--json").json() == {
        "default": "enforce",
        "modes": {"shop.example.org": "observe"},
    }


def test_of_one_that_is_over_only_its_address_is_forbidden(known: CommandLine) -> None:
    paths = known.configuration.paths
    for wrong in ((), ("--address", "203.0.114.77"), ("--address", "perhaps")):
        ended = known("mitigation", "revoke", "P-1", *wrong, status=2)
        assert "203.0.113.0/24" in ended.err
    assert read_orders(paths).revocations == ()
    known("mitigation", "revoke", "P-1", "--address", "203.0.113.77")
    (one,) = read_orders(paths).revocations
    assert one.signature.terms == TERMS
    assert (
        "is not about one address"
        in known("mitigation", "revoke", "P-2", "--address", "203.0.113.77", status=2).err
    )


def test_a_mode_is_of_a_site_that_there_is(known: CommandLine) -> None:
    paths = known.configuration.paths
    store = LastGood(paths.last_good)
    item = SiteItem(host="shop.example.org", origins=(), https_redirect=False, limits=SiteLimits())
    delta = Delta(from_revision=0, to_revision=1, full=True, changes=(ItemChange(key=item.key, item=item),))
    store.apply(delta, full=True, begins=True)
    known("mitigation", "mode", "observe", "--site", "shop.example.org")
    ended = known("mitigation", "mode", "observe", "--site", "shpo.example.org", status=1)
    assert "this node serves no site shpo.example.org" in ended.err
    # One that has gone can still be forgotten.
    store.apply(Delta(from_revision=1, to_revision=2, full=True, changes=()), full=True, begins=True)
    store.close()
    known("mitigation", "mode", "default", "--site", "shop.example.org")
    assert read_orders(paths).modes == {}


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("show", "P-99"), 1, "there is no mitigation P-99"),
        (("show", "12"), 2, "no mitigation's id"),
        (("revoke", "X-1"), 2, "no mitigation's id"),
        (("mode", "perhaps", "--packets"), 2, "enforce, observe or default is meant"),
        (("mode", "observe"), 2, "--packets or --site HOST is meant"),
        (("mode", "observe", "--site", "192.0.2.1"), 2, "--site"),
    ],
)
def test_what_cannot_be_changes_nothing(
    known: CommandLine, words: tuple[str, ...], status: int, said: str
) -> None:
    assert said in known("mitigation", *words, status=status).err
    assert read_orders(known.configuration.paths).number == 0
