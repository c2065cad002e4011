from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from rempart.model.configuration import Configuration, EdgeSection
from rempart.model.errors import EnvironmentLacks, InvalidInput
from rempart.node.settings import (
    configuration_from,
    default_configuration,
    files_wanted,
    own_addresses,
    read_configuration,
    what_is_off,
    within_limits,
)


def test_defaults_of_root_and_of_everybody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/srv/somebody")
    root, user = (default_configuration(is_root=is_root) for is_root in (True, False))
    assert (root.edge.http_port, root.edge.https_port, root.dns.port) == (80, 443, 53)
    assert root.state == Path("/var/lib/rempart")
    assert (user.edge.http_port, user.edge.https_port, user.dns.port) == (8080, 8443, 8053)
    assert user.state == Path("/srv/somebody/rempart")


def test_the_file_wins_over_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "rempart.toml"
    file.write_text('state = "/srv/r"\n[edge]\nhttp_port = 81\naddresses = ["192.0.2.9"]\n')
    read = read_configuration(file, is_root=False)
    assert (read.state, read.edge.http_port, read.edge.https_port) == (Path("/srv/r"), 81, 8443)
    assert read.edge.addresses == ("192.0.2.9",)


def test_without_addresses_the_machines_own_are_taken() -> None:
    read = configuration_from({"state": "/srv/r"}, source="test", is_root=True)
    assert read.edge.addresses == own_addresses()
    assert all(not ipaddress.ip_address(one).is_link_local for one in read.edge.addresses)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stat = '/srv/r'", ("stat in", "unknown key", "did you mean state?")),
        ("[edge]\nhtp_port = 1", ("edge.htp_port in", "did you mean http_port?")),
        ("[edge]\nhttp_port = 70000", ("edge.http_port in", "65535 at most is meant")),
        ("[dns]\nlisten = ['nowhere']", ("dns.listen.0 in", "nowhere")),
        ("edge = 5", ("edge in",)),
        ("state = 'here'", ("not an absolute path",)),
        (f"state = '/{'x' * 90}'", ("too long a path",)),
        ("[edge", ("not TOML",)),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    file = tmp_path / "rempart.toml"
    file.write_text(text)
    with pytest.raises(InvalidInput) as caught:
        read_configuration(file, is_root=False)
    assert all(word in str(caught.value) for word in (*words, str(file)))


def test_a_file_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentLacks):
        read_configuration(tmp_path / "none.toml")


def test_what_is_off_says_why() -> None:
    root = default_configuration(is_root=True)
    assert what_is_off(root, is_root=True) == ()
    words = "\n".join(what_is_off(default_configuration(is_root=False), is_root=False))
    assert "separate users" in words
    assert "DNS on 8053 instead of 53" in words


def test_connections_are_as_many_as_open_files_allow() -> None:
    wanted = Configuration(state=Path("/srv/r"), edge=EdgeSection(max_connections=5_000, prepared_sites=100))
    assert within_limits(wanted, files_wanted(wanted)) == (wanted, None)
    narrowed, words = within_limits(wanted, 10_000)
    assert files_wanted(narrowed) <= 10_000
    assert narrowed.edge.max_connections > 3_000
    assert words is not None
    assert "instead of 5000" in words
    with pytest.raises(EnvironmentLacks):
        within_limits(wanted, 700)
