"""What is seen from outside, and what of it says that a remedy is in force."""

from __future__ import annotations

import pytest

from rempart.controller.cases.probing import Seen, is_in_force, look
from rempart.lab.processes import free_port
from rempart.model.cases_remedies import Measure, Remedy, Target
from rempart.model.configuration import Configuration
from tests.governance.cast import HOST

EDGE = frozenset({"192.0.2.80"})
AT_EDGE = Seen(HOST, "NOERROR", EDGE, 200, False)
CHALLENGED = Seen(HOST, "NOERROR", EDGE, 503, True)
AT_ORIGIN = Seen(HOST, "NOERROR", frozenset({"203.0.113.7"}), 421, False)
HALF = Seen(HOST, "NOERROR", frozenset({"203.0.113.7"}), 200, False)
GONE = Seen(HOST, "NXDOMAIN", frozenset(), 421, False)
DOWN = Seen(HOST, "NOERROR", EDGE, 503, False)
SILENT = Seen(HOST, None, frozenset(), None, False)


@pytest.mark.parametrize(
    ("remedy", "seen", "expected"),
    [
        (Remedy.CHALLENGE, CHALLENGED, True),
        (Remedy.CHALLENGE, AT_EDGE, False),
        (Remedy.CHALLENGE, DOWN, False),
        (Remedy.DROP_PROXY, AT_ORIGIN, True),
        (Remedy.DROP_PROXY, HALF, False),
        (Remedy.DROP_PROXY, AT_EDGE, False),
        (Remedy.DROP_PROXY, GONE, False),
        (Remedy.DROP_DNS, GONE, True),
        (Remedy.DROP_DNS, AT_ORIGIN, False),
        (Remedy.DROP_DNS, SILENT, None),
        (Remedy.CHALLENGE, SILENT, None),
        (Remedy.FORWARD, AT_EDGE, None),
    ],
)
def test_judged_by_what_visitors_see(remedy: Remedy, seen: Seen, expected: bool | None) -> None:
    assert is_in_force(Measure(remedy=remedy, target=Target(host=HOST)), seen, EDGE) is expected


def test_no_address_is_in_what_is_recorded() -> None:
    for one in (AT_EDGE, AT_ORIGIN, HALF, GONE, SILENT):
        assert not any(address in one.in_words(EDGE) for address in (*EDGE, "203.0.113.7"))


def test_where_nobody_answers_nothing_is_seen(tmp_path: object) -> None:
    configuration = Configuration.model_validate(
        {
            "state": str(tmp_path),
            "edge": {"listen": ["127.0.0.1"], "https_port": free_port()},
            "dns": {"listen": ["127.0.0.1"], "port": free_port()},
        }
    )
    assert look(configuration, HOST, ()) == SILENT
