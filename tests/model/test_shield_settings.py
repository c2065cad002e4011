"""What can be said about the packet shield in the configuration file, and what is answered to mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from rempart.model.configuration import PINS, Configuration
from rempart.model.errors import InvalidInput
from rempart.model.shield_settings import ShieldSection, service_index
from rempart.node.settings import read_configuration


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("enabled = 'yes'", ("shield.enabled", '"auto", true or false is meant')),
        ("enable = true", ("shield.enable", "did you mean enabled?")),
        ("interfaces = ['eth0/1']", ("shield.interfaces.0", "cannot be the name of an interface")),
        ("interfaces = ['a-name-longer-than-15']", ("shield.interfaces.0", "cannot be the name")),
        ("mode = 'offload'", ("shield.mode", "'native'")),
        ("also_serves = ['ssh']", ("shield.also_serves.0", "tcp/PORT, udp/PORT or protocol/NUMBER")),
        ("also_serves = ['tcp/0']", ("shield.also_serves.0", "a port is 1 to 65535")),
        ("also_serves = ['tcp/65536']", ("shield.also_serves.0", "a port is 1 to 65535")),
        ("also_serves = ['protocol/6']", ("shield.also_serves.0", "tcp/PORT")),
        ("also_serves = ['protocol/58']", ("shield.also_serves.0", "always served")),
        ("also_serves = ['protocol/300']", ("shield.also_serves.0", "255 at most")),
        ("also_serves = ['tcp/²']", ("shield.also_serves.0", "is meant")),
        ("allow = ['192.0.2.1/24']", ("shield.allow.0", "192.0.2.0/24 is the prefix")),
        ("allow = ['0.0.0.0/0']", ("shield.allow.0", "enabled = false says that")),
        ("allow = ['office']", ("shield.allow.0", "an address or prefix")),
        ("syn_per_source = -1", ("shield.syn_per_source", "at least 0")),
        ("syn_threshold = 0", ("shield.syn_threshold", "at least 10")),
        ("syn_cookies = 'sometimes'", ("shield.syn_cookies", "'above'")),
        ("fragments = false", ("shield.fragments", "'drop'")),
        ("sample_dropped = 100", ("shield.sample_dropped", "a power of two")),
        ("burst_seconds = 0", ("shield.burst_seconds", "at least 0.01")),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    file = tmp_path / "rempart.toml"
    file.write_text(f"[shield]\n{text}\n")
    with pytest.raises(InvalidInput) as caught:
        read_configuration(file, is_root=True)
    assert all(word in str(caught.value) for word in (*words, str(file)))


def test_what_is_right_is_taken_in_one_spelling(tmp_path: Path) -> None:
    file = tmp_path / "rempart.toml"
    file.write_text(
        """\
[shield]
enabled = true
interfaces = ["eth0", "vlan.7"]
also_serves = ["TCP/022", "udp/51820", "protocol/050"]
allow = ["198.51.100.7", "2001:DB8:0::/32"]
"""
    )
    section = read_configuration(file, is_root=True).shield
    assert section.enabled is True
    assert section.also_serves == ("tcp/22", "udp/51820", "protocol/50")
    assert section.allow == ("198.51.100.7/32", "2001:db8::/32")
    assert ShieldSection().also_serves == ("tcp/22",), "nobody locks himself out by upgrading"


def test_services_have_places_of_their_own() -> None:
    assert [service_index(one) for one in ("tcp/22", "udp/22", "protocol/22")] == [22, 65_558, 131_094]


def test_every_node_of_a_machine_has_pins_of_its_own() -> None:
    nodes = [Configuration(state=Path(state), node_name="Edge.1/Wien") for state in ("/srv/a", "/srv/b")]
    pins = {node.shield_pins for node in nodes}
    assert len(pins) == 2
    assert all(one.parent == PINS and one.name.startswith("edge-1-wien-") for one in pins)
    assert all("." not in one.name for one in pins), "the kernel takes no dots"
