"""What contenders' own logs tell of them, and their configuration files."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from rempart.lab.contenders.catalogue import CONTENDERS
from rempart.lab.contenders.crowdsec import decisions
from rempart.lab.contenders.fail2ban import bans
from rempart.lab.contenders.nftables import window_shift, window_shift_here
from rempart.lab.contenders.writing import filled, lacking, versions_of
from rempart.model.errors import RempartError


def test_bans_of_fail2ban(tmp_path: Path) -> None:
    log = tmp_path / "fail2ban.log"
    now = time.localtime()
    when = time.strftime("%Y-%m-%d %H:%M:%S", now)
    log.write_text(
        f"{when},250 fail2ban.filter  [7]: INFO  [nginx-limit-req] Found 192.0.2.7\n"
        f"{when},500 fail2ban.actions [7]: NOTICE  [nginx-limit-req] Ban 192.0.2.7\n"
    )
    (ban,) = bans(log)
    assert ban.what == "nginx-limit-req bans 192.0.2.7"
    assert ban.at == pytest.approx(time.monotonic() - time.time() + time.mktime(now) + 0.5, abs=0.05)
    assert bans(tmp_path / "none.log") == ()


def test_decisions_of_crowdsec(tmp_path: Path) -> None:
    log = tmp_path / "crowdsec.log"
    when = time.strftime("%d-%m-%Y %H:%M:%S")
    log.write_text(
        f'time="{when}" level=info msg="Adding leaky bucket" cfg=x\n'
        f'time="{when}" level=info msg="(lab/crowdsec) crowdsecurity/http-crawl-non_statics by ip 192.0.2.7'
        ' : 4h ban on Ip 192.0.2.7"\n'
    )
    (decision,) = decisions(log)
    assert decision.what == "crowdsecurity/http-crawl-non_statics by ip 192.0.2.7 : 4h ban on Ip 192.0.2.7"
    assert abs(decision.at - time.monotonic()) < 5


def test_a_configuration_without_a_value_is_a_fault() -> None:
    with pytest.raises(RempartError, match="a value is missing"):
        filled("haproxy", "haproxy.cfg", {})


def test_what_is_not_installed_is_named() -> None:
    assert lacking(("sh", "dash"))() is None
    assert (
        lacking(("no-such-program", "its-package"))()
        == "no-such-program is not installed (Debian: its-package)"
    )


def test_versions_are_what_programs_say() -> None:
    (python,) = versions_of(("python3", "--version"), ("no-such-program", "-V"))()
    assert python.startswith("python3 3.")
    assert versions_of(("true",))() == ("true of no known version",)


def test_the_window_shift_is_that_of_a_listener_here() -> None:
    assert window_shift(6_291_456, 212_992) == 7
    assert window_shift(33_554_432, 4_194_304) == 10
    assert window_shift(4_096, 0) == 0
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
    ):
        # tcpi_snd_wscale and tcpi_rcv_wscale, four bits each (linux/tcp.h): the other side's, then its own.
        info = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)
    assert info[6] & 0x0F == window_shift_here()


def test_contenders_are_called_what_the_table_says() -> None:
    assert all(contender.name == name for name, contender in CONTENDERS.items())
