"""Which origins are refused, and by whom they may be named."""

from __future__ import annotations

import pytest

from rempart.model.configuration import Configuration, OriginsSection
from rempart.snapshot.origin_policy import why_never, why_refused
from rempart.snapshot.surroundings import Surroundings, reachable

CLOSED = OriginsSection(private=False)
DEFAULT = OriginsSection()
OPEN = OriginsSection(loopback=True, link_local=True, private=True)
NONE = Surroundings(edge_addresses=())


@pytest.mark.parametrize(
    ("address", "closed", "default", "open_"),
    [
        ("203.0.114.1", True, True, True),
        ("2a00:1450::1", True, True, True),
        ("10.0.0.1", False, True, True),
        ("192.168.1.1", False, True, True),
        ("100.64.0.1", False, True, True),
        ("fd00::1", False, True, True),
        ("127.0.0.1", False, False, True),
        ("127.8.8.8", False, False, True),
        ("::1", False, False, True),
        ("::ffff:127.0.0.1", False, False, True),
        ("64:ff9b::7f00:1", False, False, True),
        ("2002:7f00:1::", False, False, True),
        ("2002:7f00:1::1", False, False, True),
        ("2002:0808:0808::1", True, True, True),
        ("2002:0a00:0001::1", False, True, True),
        ("64:ff9b::808:808", True, True, True),
        ("64:ff9b:1::7f00:1", False, False, True),
        ("64:ff9b:1:7f00:0:100::", False, False, True),
        ("64:ff9b:1:7f:0:1::", False, False, True),
        ("64:ff9b:1:0:7f:0:100:0", False, False, True),
        ("64:ff9b:1::808:808", True, True, True),
        ("64:ff9b:1:808:8:800::", True, True, True),
        # Teredo: server 127.0.0.1; client 127.0.0.1 behind 8.8.8.8 (its bits are inverted).
        ("2001:0:7f00:1:8000:63bf:f7f7:f7f7", False, False, True),
        ("2001:0:808:808:8000:63bf:80ff:fffe", False, False, True),
        ("2001:0:808:808:8000:63bf:f7f7:f7f7", True, True, True),
        ("::7f00:1", False, False, True),
        ("::ffff:0:7f00:1", False, False, True),
        ("64:ff9b:1::", False, False, False),
        ("169.254.169.254", False, False, True),
        ("::ffff:169.254.169.254", False, False, True),
        ("64:ff9b::a9fe:a9fe", False, False, True),
        ("fe80::1", False, False, True),
        ("fd00:ec2::254", False, False, True),
        ("100.100.100.200", False, False, True),
        ("0.0.0.0", False, False, False),
        ("::", False, False, False),
        ("::ffff:0.0.0.0", False, False, False),
        ("224.0.0.1", False, False, False),
        ("ff02::1", False, False, False),
        ("255.255.255.255", False, False, False),
    ],
)
def test_who_may_name_what(address: str, closed: bool, default: bool, open_: bool) -> None:
    allowed = [why_refused(address, 80, NONE, policy) is None for policy in (CLOSED, DEFAULT, OPEN)]
    assert allowed == [closed, default, open_]


def surroundings(**edge: object) -> Surroundings:
    configuration = Configuration.model_validate(
        {"state": "/x", "edge": {"addresses": ["192.0.2.80"], **edge}}
    )
    return Surroundings.of(configuration, own_addresses=("10.0.0.5",))


@pytest.mark.parametrize(
    ("address", "port", "refused"),
    [
        ("192.0.2.80", 80, True),
        ("192.0.2.80", 443, True),
        ("192.0.2.80", 53, True),
        ("192.0.2.80", 8080, False),
        ("10.0.0.5", 80, True),
        ("::ffff:10.0.0.5", 80, True),
        ("127.0.0.1", 80, True),
        ("127.0.0.1", 9180, True),
        ("127.0.0.1", 8080, False),
        ("203.0.113.1", 80, False),
    ],
)
def test_nobody_may_name_the_edge_itself(address: str, port: int, refused: bool) -> None:
    assert (why_never(address, port, surroundings()) is not None) is refused


@pytest.mark.parametrize("address", ["10.0.0.5", "::ffff:10.0.0.5", "2002:a00:5::1"])
def test_the_edges_own_machine_is_as_near_as_loopback(address: str) -> None:
    """What listens on every address answers there too, whatever its port."""
    for policy, allowed in ((CLOSED, False), (DEFAULT, False), (OPEN, True)):
        assert (why_refused(address, 6379, surroundings(), policy) is None) is allowed
    assert why_refused("10.0.0.6", 6379, surroundings(), DEFAULT) is None


def test_an_edge_that_listens_at_one_address_leaves_the_others_to_origins() -> None:
    one = surroundings(listen=["192.0.2.80"])
    assert why_never("127.0.0.1", 80, one) is None
    assert why_never("192.0.2.80", 80, one) is not None


@pytest.mark.parametrize(
    ("addresses", "found"),
    [
        (("127.0.0.1", "10.0.0.5", "8.8.8.8", "fe80::1", "::1"), ("8.8.8.8",)),
        (("127.0.0.1", "10.0.0.5", "::1"), ("10.0.0.5",)),
        (("10.0.0.5", "2a00:1450::1", "fd00::1"), ("10.0.0.5", "2a00:1450::1")),
        (("127.0.0.1", "::1"), ("127.0.0.1", "::1")),
        ((), ()),
    ],
)
def test_which_of_its_own_addresses_an_edge_answers_with(
    addresses: tuple[str, ...], found: tuple[str, ...]
) -> None:
    assert reachable(addresses) == found
