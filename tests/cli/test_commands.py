"""Commands as people and programs call them: what they print where, and their exit status."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rempart.cli.main import COMMANDS, run
from rempart.cli.status import status
from rempart.cli.token import parse_expiry
from rempart.controller.lock import hold
from rempart.model.errors import InvalidInput
from rempart.node.state_folders import prepare
from tests.cli.conftest import CommandLine
from tests.controller.test_certificates import certificate, p256, pem

ZONE_FILE = (
    "$ORIGIN example.org.\n@ 3600 SOA ns hostmaster 1 2 3 4 5\n@ 300 MX 10 mail\nmail 300 A 192.0.2.25\n"
)


def certificate_files(rempart: CommandLine, *names: str) -> tuple[str, str]:
    key, now = p256(), datetime.now(UTC)
    chain = certificate(key, names=names, begins=now - timedelta(days=1), ends=now + timedelta(days=30))
    return rempart.write("chain.pem", chain), rempart.write("key.pem", pem(key))


def test_a_site_from_nothing_to_removed(rempart: CommandLine) -> None:
    added = rempart("site", "add", "shop.example.org", "--origin", "http://192.0.2.1:3000").out
    for words in (
        "shop.example.org is behind the edge",
        "zone         example.org (made now)",
        "shop.example.org answers with 127.0.0.1",
        "issued now by the local CA",
        "goes live with: rempart up",
        "NS  ns1.example.org  with glue 127.0.0.1",
        f"dig @127.0.0.1 -p {rempart.configuration.dns.port} shop.example.org",
        f"--resolve shop.example.org:{rempart.configuration.edge.https_port}:127.0.0.1",
    ):
        assert words in added
    listed = rempart("site", "list", "--json").json()
    assert [one["host"] for one in listed["sites"]] == ["shop.example.org"]
    changed = rempart("site", "change", "shop.example.org", "--requests-per-client", "7", "--json").json()
    assert changed["site"]["limits"]["requests_per_client"] == 7
    assert "7 requests per client" in rempart("site", "show", "shop.example.org").out
    assert rempart("site", "show", "shop.example.org", "--json").json()["site"]["https_redirect"]
    options = (
        "--security-level",
        "under_attack",
        "--exempt-path",
        "/api/",
        "--exempt-network",
        "198.51.100.0/24",
    )
    rempart("site", "change", "shop.example.org", *options)
    shown = rempart("site", "show", "shop.example.org").out
    assert "security level under_attack (its own): everybody is challenged once" in shown
    assert "exempt       /api/" in shown
    rempart("site", "change", "shop.example.org", "--security-level", "zone", "--no-exempt-paths")
    shown = rempart("site", "show", "shop.example.org").out
    assert "(of the zone): no challenges" in shown
    assert "/api/" not in shown
    assert "198.51.100.0/24" in shown
    rempart("site", "remove", "shop.example.org")
    assert rempart("site", "list", "--json").json() == {"sites": []}


def test_origins_as_they_are_written(rempart: CommandLine) -> None:
    rempart(
        "site", "add", "a.example.org", "--no-https-redirect", "--max-connections", "9",
        "--origin", "http://192.0.2.1,weight=50", "--origin", "https://192.0.2.2,backup,tls=full",
    )  # fmt: skip
    shown = rempart("site", "list").out
    assert "http://192.0.2.1,weight=50,max-connections=9" in shown
    assert "https://192.0.2.2,tls=full,backup,max-connections=9" in shown


def test_a_certificate_comes_and_goes(rempart: CommandLine) -> None:
    chain, key = certificate_files(rempart, "*.example.org")
    rempart("site", "add", "www.example.org", "--origin", "http://192.0.2.1")
    added = rempart("certificate", "add", chain, key, "--json").json()
    assert added["certificate"]["source"] == "uploaded"
    assert [one["source"] for one in rempart("certificate", "list", "--json").json()["certificates"]] == [
        "uploaded"
    ]
    rempart("certificate", "remove", added["certificate"]["id"][:16])
    assert "local-ca" in rempart("certificate", "list").out
    shown = rempart("ca", "show", "--json").json()
    assert Path(shown["certificate"]).read_text() == shown["certificate_pem"]
    assert shown["certificate"] in rempart("ca", "show").out


def test_a_site_with_its_own_certificate(rempart: CommandLine) -> None:
    chain, key = certificate_files(rempart, "www.example.org")
    files = ("--certificate", chain, "--key", key)
    assert "uploaded" in rempart("site", "add", "www.example.org", "--origin", "http://192.0.2.1", *files).out


def test_zones_and_records(rempart: CommandLine) -> None:
    file = rempart.write("zone", ZONE_FILE)
    imported = rempart("zone", "import", file)
    assert "2 added" in imported.out
    assert "+ rrset mail.example.org A" in imported.err
    made = rempart("record", "add", "example.org", "txt", "TXT", "hello world", "--json").json()
    assert made["record"]["content"] == '"hello world"'
    assert "hello world" in rempart("record", "list", "example.org", "--name", "txt").out
    rempart("record", "remove", "example.org", made["record"]["id"])
    exported = rempart("zone", "export", "example.org").out
    assert "mail.example.org.\t300\tIN\tA\t192.0.2.25" in exported
    assert rempart("zone", "import", "-", given=exported, status=0).status == 0
    assert rempart("zone", "list", "--json").json()["zones"][0]["zone"]["name"] == "example.org"
    assert "DNSSEC       off" in rempart("zone", "show", "example.org").out
    assert rempart("zone", "dnssec", "example.org", "on", "--json").json()["enabled"]
    assert rempart("zone", "dnssec", "example.org", "show", "--json").json()["ds"] == []
    off = rempart("zone", "dnssec", "example.org", "off", "--ds-removed", "--json")
    assert not off.json()["enabled"]
    refused = rempart("zone", "remove", "example.org", status=1)
    assert "deletes the zone example.org with 2 records" in refused.err
    assert "- rrset mail.example.org A" in refused.err
    digest = re.findall(r"--confirm ([0-9a-f]{16})", refused.err)[0]
    rempart("zone", "remove", "example.org", "--confirm", digest)
    rempart("zone", "add", "example.net")
    assert [one["zone"]["name"] for one in rempart("zone", "list", "--json").json()["zones"]] == [
        "example.net"
    ]


def test_signing_is_not_switched_off_under_a_ds(rempart: CommandLine) -> None:
    rempart("zone", "add", "example.org")
    rempart("zone", "dnssec", "example.org", "off")  # it was off: nothing to lose
    rempart("zone", "dnssec", "example.org", "on")
    refused = rempart("zone", "dnssec", "example.org", "off", status=2)
    assert refused.out == ""
    assert "SERVFAIL" in refused.err
    assert "--ds-removed" in refused.err
    assert rempart("zone", "dnssec", "example.org", "show", "--json").json()["enabled"]
    assert "--ds-removed" in rempart("zone", "dnssec", "example.org", "on", "--ds-removed", status=2).err
    rempart("zone", "dnssec", "example.org", "off", "--ds-removed")
    assert not rempart("zone", "dnssec", "example.org", "show", "--json").json()["enabled"]


def test_settings_of_a_zone(rempart: CommandLine) -> None:
    rempart("zone", "add", "example.org")
    rempart("zone", "dnssec", "example.org", "on")
    answer = rempart(
        "zone", "set", "example.org", "--ssl", "strict", "--pause",
        "--always-use-https", "off", "--flatten-all-cnames", "on",
        "--security-level", "high", "--json",
    ).json()  # fmt: skip
    assert answer["zone"]["paused"]
    assert answer["zone"]["settings"] == {
        "dnssec": True, "ssl": "strict", "always_use_https": False, "flatten_all_cnames": True,
        "security_level": "high", "max_ttl": None,
    }  # fmt: skip
    resumed = rempart("zone", "set", "example.org", "--resume").out
    assert "through the edge" in resumed
    assert "strict" in resumed, "what is not named stays"
    assert "flattened all" in rempart("zone", "show", "example.org").out
    assert "unchanged" in rempart("zone", "set", "example.org", "--resume").out
    assert "nothing to change" in rempart("zone", "set", "example.org", status=2).err
    rempart("zone", "set", "example.org", "--ssl", "maybe", status=2)
    rempart("zone", "set", "example.net", "--pause", status=1)


def test_a_dangerous_plan_is_shown_and_carried_out_by_its_digest(rempart: CommandLine) -> None:
    names = "".join(f"h{number} 300 A 192.0.2.{number}\n" for number in range(20))
    rempart("zone", "import", rempart.write("all", ZONE_FILE + names))
    few = rempart.write("few", ZONE_FILE)
    refused = rempart("zone", "import", few, "--replace", status=1)
    assert refused.out == ""
    assert "- rrset h7.example.org A" in refused.err
    digest = re.search(r"--confirm ([0-9a-f]{16})", refused.err)
    assert digest
    assert len(rempart("record", "list", "example.org", "--json").json()["records"]) == 22
    rempart("zone", "import", few, "--replace", "--confirm", digest[1])
    assert len(rempart("record", "list", "example.org", "--json").json()["records"]) == 2


def test_secondaries_and_their_configuration(rempart: CommandLine) -> None:
    added = rempart("dns", "secondary", "add", "192.0.2.53").out
    for words in ("catalog-role: interpret", "catalog-zones", "request-xfr: 127.0.0.1@"):
        assert words in added
    secret = re.search(r"secret: ([A-Za-z0-9+/=]{40,})", added)
    assert secret
    assert secret[1] not in rempart("dns", "secondary", "list").out
    assert secret[1] not in rempart("dns", "secondary", "list", "--json").out
    assert secret[1] in rempart("dns", "secondary", "list", "--show-secret").out
    rempart("dns", "secondary", "remove", "192.0.2.53")
    assert rempart("dns", "secondary", "list", "--json").json() == {"secondaries": []}


def test_tokens(rempart: CommandLine) -> None:
    rempart("account", "add", "newsroom")
    made = rempart("token", "create", "ci", "--account", "newsroom", "--expires", "90d")
    assert re.fullmatch(r"rp_\S{40,}\n", made.out)
    assert made.out.strip() not in rempart("token", "list").out
    listed = rempart("token", "list", "--json").json()["tokens"]
    assert [(one["name"], one["account"]) for one in listed] == [("ci", "newsroom")]
    rempart("token", "revoke", listed[0]["id"])
    assert "revoked" in rempart("token", "list").out
    rempart("zone", "add", "tokens.example")
    rempart("token", "create", "certbot", "--permission", "dns:edit", "--zone", "tokens.example")
    by_name = {one["name"]: one for one in rempart("token", "list", "--json").json()["tokens"]}
    assert by_name["certbot"]["permissions"] == ["dns:edit"]
    assert by_name["ci"]["permissions"] == ["all"]
    assert "dns:edit" in rempart("token", "list").out
    assert [one["name"] for one in rempart("account", "list", "--json").json()["accounts"]] == [
        "newsroom",
        "operator",
    ]


def test_status_with_everything_down(rempart: CommandLine) -> None:
    ended = rempart("status", status=1)
    assert "nothing was ever started on" in ended.err
    assert "start it with: rempart up" in ended.err
    assert ended.out == ""
    assert len(ended.err.splitlines()) == 1
    said = rempart("status", "--json", status=1).json()
    assert not said["ok"]
    assert said["controller"] is None
    assert [problem for problem in said["problems"] if "rempart up" in problem] == said["problems"]


@pytest.mark.parametrize(
    ("status", "words", "arguments"),
    [
        (2, "No such command", ["bogus"]),
        (2, "Missing argument", ["site", "add"]),
        (2, "Missing option", ["site", "add", "a.example.org"]),
        (2, "--origin", ["site", "add", "a.example.org", "--origin", "ftp://x"]),
        (2, "HOST: label 1", ["site", "add", "a b", "--origin", "http://192.0.2.1"]),
        (2, "edge itself", ["site", "add", "a.example.org", "--origin", "http://127.0.0.1:EDGE"]),
        (2, "--key", ["site", "add", "a.example.org", "--origin", "http://192.0.2.1", "--certificate", "x"]),
        (2, "--requests-per-client", ["site", "change", "a.example.org", "--requests-per-client", "-1"]),
        (2, "nothing to change", ["site", "change", "a.example.org"]),
        (1, "no such site: 'a.example.org'", ["site", "remove", "a.example.org"]),
        (2, "below which anybody registers", ["site", "add", "co.uk", "--origin", "http://192.0.2.1"]),
        (2, "snowman (U+2603)", ["site", "add", "☃☃.example.org", "--origin", "http://192.0.2.1"]),
        (2, "no number from 1 to 65535", ["site", "add", "a.example.org", "--origin", "http://h:99999"]),
        (2, "--origin: every origin", ["site", "add", "a.example.org", "--origin", "http://h.net,weight=0"]),
        (2, "65535 at most", ["record", "add", "example.org", "x", "MX", "a.net", "--priority", "70000"]),
        (2, "'FOO' is not one of A, AAAA", ["record", "add", "example.org", "x", "FOO", "y"]),
        (2, "'nope' is not an IP address", ["dns", "secondary", "add", "nope"]),
        (2, "is empty", ["zone", "import", "/dev/null", "--zone", "example.org"]),
        (1, "no such site", ["site", "show", "a.example.org"]),
        (2, "cannot be read", ["zone", "import", "/nonexistent"]),
        (1, "no such zone: 'example.net'", ["zone", "export", "example.net"]),
        (1, "no such zone", ["record", "list", "example.net"]),
        (2, "Invalid value", ["record", "add", "example.org", "@", "BOGUS", "x"]),
        (2, "CHAIN", ["certificate", "add", "/nonexistent", "/nonexistent"]),
        (2, "hexadecimal", ["certificate", "remove", "x"]),
        (2, "--expires", ["token", "create", "x", "--expires", "soon"]),
        (1, "no such token", ["token", "revoke", "x"]),
        (2, "dns:edit", ["token", "create", "x", "--permission", "dns:write"]),
        (1, "no such zone", ["token", "create", "x", "--zone", "nowhere.example"]),
        (2, "address", ["dns", "secondary", "add", "ns.example.net"]),
        (1, "no such secondary", ["dns", "secondary", "remove", "x"]),
    ],
)
def test_errors_have_words_and_a_status_and_no_result(
    rempart: CommandLine, status: int, words: str, arguments: list[str]
) -> None:
    port = str(rempart.configuration.edge.http_port)
    ended = rempart(*(one.replace("EDGE", port) for one in arguments), status=status)
    assert words in ended.err
    assert ended.out == ""
    assert "Traceback" not in ended.err
    assert rempart("zone", "list", "--json").json() == {"zones": []}


@pytest.mark.slow
def test_a_process_ends_with_the_same_status_and_words(rempart: CommandLine) -> None:
    """Exit status and streams as a shell sees them, one call of each kind."""
    assert rempart.process("site", "list", "--json").json() == {"sites": []}
    for expected, arguments in (
        (1, ("site", "show", "a.example.org")),
        (1, ("status", "--json")),
        (2, ("bogus",)),
        (2, ("site", "add", "a b", "--origin", "http://192.0.2.1")),
        (3, ("--config", "/nonexistent", "site", "list")),
    ):
        ended = rempart.process(*arguments, status=expected)
        assert "Traceback" not in ended.err
        if "--json" in arguments:
            assert not ended.json()["ok"]
        else:
            assert ended.err
            assert ended.out == ""


@pytest.mark.slow
def test_a_reader_that_has_enough_is_no_error(rempart: CommandLine) -> None:
    command = f"{sys.executable} -m rempart --config {rempart.file} ca show | head -1"
    ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=100)
    assert ended.stdout.count("\n") == 1
    assert "Traceback" not in ended.stderr
    assert "BrokenPipe" not in ended.stderr


def test_configuration_errors(rempart: CommandLine) -> None:
    rempart.file.write_text(rempart.file.read_text() + "bogus = 1\n")
    assert "bogus" in rempart("site", "list", status=2).err
    rempart.file.unlink()
    assert "no configuration file" in rempart("site", "list", status=3).err


def test_the_configuration_file_may_be_named_in_the_environment(
    rempart: CommandLine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REMPART_CONFIG", str(rempart.file))
    assert run(["site", "list", "--json"]) == 0
    assert capsys.readouterr().out == '{\n  "sites": []\n}\n'


def test_a_lock_held_by_another_process_is_waited_for_and_then_named(
    rempart: CommandLine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(rempart.configuration, is_root=os.geteuid() == 0)
    monkeypatch.setattr("rempart.cli.session.PATIENCE_S", 0.3)
    with hold(rempart.configuration.paths):
        assert run(["--config", str(rempart.file), "site", "list"]) == 1
    assert "another process works on" in capsys.readouterr().err


def test_an_unexpected_error_is_short_unless_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(**_: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(status, "callback", broken)
    assert run(["status"]) == 1
    short = capsys.readouterr().err
    assert "unexpected ZeroDivisionError: oops" in short
    assert "Traceback" not in short
    assert run(["--debug", "status"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("path", [[name] for name in COMMANDS])
def test_every_command_has_help(path: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*path, "--help"]) == 0
    assert "Usage: rempart" in capsys.readouterr().out


NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12h", NOW + timedelta(hours=12)),
        ("90d", NOW + timedelta(days=90)),
        ("4w", NOW + timedelta(weeks=4)),
        ("2026-03-01", datetime(2026, 3, 2, tzinfo=UTC)),
    ],
)
def test_expiry(text: str, expected: datetime) -> None:
    assert parse_expiry(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "0d", "-1d", "d", "1y", "2026-02-30", "2025-01-01", "99999999d"])
def test_expiry_that_is_none(text: str) -> None:
    with pytest.raises(InvalidInput, match="--expires"):
        parse_expiry(text, NOW)


def test_a_zone_file_that_is_none_makes_no_zone(rempart: CommandLine) -> None:
    refused = rempart(
        "zone", "import", rempart.write("f", "hello world\n"), "--zone", "example.org", status=2
    )
    assert "no record of example.org" in refused.err
    assert "WORLD" in refused.err
    broken = rempart.write("b", ZONE_FILE + "mail 300 CNAME other\n")
    assert "CNAME" in rempart("zone", "import", broken, status=1).err
    assert rempart("zone", "list", "--json").json() == {"zones": []}


def test_a_replacement_that_removes_a_record_is_asked_about(rempart: CommandLine) -> None:
    rempart("zone", "import", rempart.write("a", ZONE_FILE + "gone 300 A 203.0.113.9\n"))
    fewer = rempart.write("b", ZONE_FILE)
    refused = rempart("zone", "import", fewer, "--replace", "--json", status=1)
    assert refused.out == ""
    assert "removes 1 of 3 records from example.org" in refused.err
    digest = re.findall(r"--confirm ([0-9a-f]{16})", refused.err)[0]
    assert rempart("zone", "import", fewer, "--replace", "--confirm", digest, "--json").json()["removed"] == 1


def test_addresses_that_nobody_can_reach_are_warned_of(rempart: CommandLine) -> None:
    added = rempart("zone", "add", "example.org")
    assert "warning: the name server ns1.example.org would have 127.0.0.1, a loopback address" in added.err
    assert "a private address" in rempart("record", "add", "example.org", "x", "A", "10.0.0.1").err
    assert rempart("record", "add", "example.org", "y", "A", "203.0.113.1").err == ""
    assert "public suffix" in rempart("zone", "add", "co.uk").err


def test_a_secondary_has_the_key_that_its_plan_names(rempart: CommandLine) -> None:
    rempart("zone", "add", "example.org")
    command = ("dns", "secondary", "add", "203.0.113.53", "--ns-name", "ns2.example.net")
    plan = rempart(*command, status=1).err
    digest = re.findall(r"--confirm ([0-9a-f]{16})", plan)[0]
    planned = re.findall(r"[0-9a-f]{8}\.secondary\.rempart", plan)[0]
    made = rempart(*command, "--confirm", digest, "--json").json()
    assert made["secondary"]["tsig_name"] == planned
