"""Figures follow from truths, and nothing else."""

from __future__ import annotations

import pytest

from rempart.lab.attacks.contract import Sample, Sent, Unit
from rempart.lab.drills.contract import BarWanted, Metric
from rempart.lab.drills.measures import Evidence, Phases, bars, false_positives, judge
from rempart.lab.drills.timeline import Moment, rates, timeline
from rempart.lab.network.addressing import Prefixes
from rempart.lab.origins.contract import OriginRequest
from rempart.lab.visitors.contract import Kind, Outcome, Truth

PHASES = Phases(begin=100, calm=102, attack=107, attack_end=117, end=120)
BOTS = Prefixes(v4=("198.51.100.0/25",), v6=())


def truth(at: float, outcome: Outcome = Outcome.SERVED, visit: int = 0, took: float = 0.01) -> Truth:
    return Truth(at, at + took, visit, Kind.BROWSER, "192.0.2.1", "GET", "/", outcome, 200, 0)


def seen(*truths: Truth, sent_from: float | None = 107.0, origin: tuple[OriginRequest, ...] = ()) -> Evidence:
    sent = () if sent_from is None else (
        Sent(samples=(Sample(at=106.9, units=0), Sample(at=sent_from, units=10), Sample(at=117, units=500))),
    )  # fmt: skip
    return Evidence(
        name="x",
        phases=PHASES,
        truths=truths,
        sent=sent,
        origin=origin,
        bots=BOTS,
        cpu_seconds=1.5,
        units=(Unit.REQUESTS,) * len(sent),
    )


def steady(fails: tuple[float, float] | None) -> tuple[Truth, ...]:
    """Fifty requests a second from 102 to 120; those between two moments fail."""
    moments = [102 + n / 50 for n in range(900)]
    return tuple(
        truth(at, Outcome.FAILED if fails and fails[0] <= at < fails[1] else Outcome.SERVED, visit=n)
        for n, at in enumerate(moments)
    )


def test_only_the_attack_and_its_aftermath_count() -> None:
    result = judge(seen(*steady(None), truth(103, Outcome.FAILED), truth(121, Outcome.FAILED)))
    assert (result.legit_total, result.legit_ok, result.goodput) == (650, 650, 1.0)


def test_time_to_mitigate_is_zero_when_nothing_fell() -> None:
    assert judge(seen(*steady(None))).time_to_mitigate_s == 0.0


def test_time_to_mitigate_runs_from_the_first_unit_to_the_lasting_recovery() -> None:
    # Bad until 110: the second that begins at 109.95 is the last with less than 95 %.
    assert judge(seen(*steady((107.5, 110.0)))).time_to_mitigate_s == pytest.approx(3.0, abs=0.15)
    assert judge(seen(*steady((107.5, 110.0)), sent_from=107.5)).time_to_mitigate_s == pytest.approx(
        2.5, abs=0.15
    )


def test_a_relapse_puts_the_recovery_off() -> None:
    truths = [one if not 113 <= one.intended < 113.5 else truth(one.intended, Outcome.REFUSED, one.visit)
              for one in steady((107.5, 108.0))]  # fmt: skip
    assert judge(seen(*truths)).time_to_mitigate_s == pytest.approx(6.5, abs=0.15)


def test_what_never_recovers_has_no_time() -> None:
    assert judge(seen(*steady((107.5, 120.0)))).time_to_mitigate_s is None
    assert judge(seen(*steady((107.5, 117.5)))).time_to_mitigate_s is None


def test_what_the_end_of_the_attack_served_was_not_mitigated() -> None:
    slow = [truth(one.intended, visit=one.visit, took=3.0) if 114.5 <= one.intended < 117 else one
            for one in steady((107.5, 114.5))]  # fmt: skip
    assert judge(seen(*slow)).time_to_mitigate_s is None
    quick = [truth(one.intended, visit=one.visit, took=0.5) if 114.5 <= one.intended < 117 else one
             for one in steady((107.5, 114.5))]  # fmt: skip
    assert judge(seen(*quick)).time_to_mitigate_s == pytest.approx(7.5, abs=0.15)


def test_without_an_attack_there_is_nothing_to_mitigate() -> None:
    result = judge(seen(*steady(None), sent_from=None))
    assert result.time_to_mitigate_s is None
    assert result.attack_total is None
    assert result.attack_reached_origin is None


def test_harmed_visits_are_those_refused_stuck_or_served_nothing() -> None:
    wanted = [
        truth(110, visit=1), truth(110, Outcome.FAILED, visit=1),
        truth(110, visit=2), truth(110, Outcome.REFUSED, visit=2),
        truth(110, Outcome.FAILED, visit=3),
        truth(110, visit=4), truth(110, Outcome.DEAD_END, visit=4),
    ]  # fmt: skip
    assert false_positives(wanted) == 0.75
    assert false_positives([]) is None


def test_attack_at_the_origin_is_told_by_its_address() -> None:
    asked = [OriginRequest(at=110, client=client, method="GET", path="/", status=200)
             for client in ("198.51.100.7", "198.51.100.200", "192.0.2.1", "-")]  # fmt: skip
    result = judge(seen(*steady(None), origin=tuple(asked)))
    assert result.attack_reached_origin == 1
    assert result.attack_total == 500


def test_latency_is_that_of_what_was_served() -> None:
    result = judge(seen(truth(103), truth(110, took=0.2), truth(111, Outcome.FAILED, took=5.0)))
    assert result.latency_ms.p50 == pytest.approx(200)
    assert judge(seen(truth(103), truth(111, Outcome.FAILED))).latency_ms.p99 is None


def test_latency_is_compared_with_the_calm_before() -> None:
    calm = [truth(103 + n / 100, took=0.02) for n in range(100)]
    result = judge(seen(*calm, truth(110, took=0.05), truth(111, Outcome.FAILED, took=5.0)))
    assert result.calm_p99_ms == pytest.approx(20)
    assert result.p99_over_calm == pytest.approx(2.5)
    assert judge(seen(*calm, truth(110, Outcome.FAILED))).p99_over_calm is None
    assert judge(seen(truth(110))).p99_over_calm is None


def test_packets_are_not_added_to_requests() -> None:
    packets = Sent(samples=(Sample(at=108, units=9_000), Sample(at=117, units=90_000)))
    alone = seen(*steady(None))
    both = alone.model_copy(
        update={"sent": (packets, *alone.sent, *alone.sent),
                "units": (Unit.PACKETS, Unit.REQUESTS, Unit.REQUESTS)}
    )  # fmt: skip
    result = judge(both)
    assert result.attack_units == {Unit.PACKETS: 90_000, Unit.REQUESTS: 1_000}
    assert result.attack_total == 1_000
    line = timeline(both, [], ())
    assert set(line.attack_rates) == {Unit.PACKETS, Unit.REQUESTS}
    assert sum(line.attack_rate) * 0.1 == pytest.approx(1_000)
    only = alone.model_copy(update={"sent": (packets,), "units": (Unit.PACKETS,)})
    assert judge(only).attack_total == 90_000


def test_a_figure_that_is_missing_meets_no_bar_and_absent_contenders_have_none() -> None:
    result = judge(seen(*steady((107.5, 120.0)))).model_copy(update={"name": "rempart"})
    wanted = (
        BarWanted(metric=Metric.TIME_TO_MITIGATE, at_most=1.0),
        BarWanted(metric=Metric.GOODPUT, at_least=0.01),
    )
    assert [bar.ok for bar in bars(wanted, [result])] == [False, True]
    assert bars(wanted, [result.model_copy(update={"name": "nginx"})]) == ()


def test_rates_keep_their_sum() -> None:
    series = rates([(100.03, 0), (100.27, 24), (100.31, 28), (100.5, 28)], 100.0, 10)
    assert sum(series) * 0.1 == pytest.approx(28)
    assert series[1] == pytest.approx(100)
    assert series[4] == 0


def test_a_timeline_has_a_value_for_every_step() -> None:
    moments = [Moment(at=100 + n / 10, received_packets=n * 5, cpu_seconds=n * 0.05) for n in range(200)]
    line = timeline(seen(*steady((108, 109))), moments, ())
    assert len(line.goodput) == len(line.edge_cpu) == len(line.attack_rate) == 200
    assert line.attack_begins == pytest.approx(7.0)
    assert line.edge_cpu[50] == pytest.approx(0.5)
    assert line.goodput[80] == 0


def test_what_was_sent_to_teach_is_not_yet_the_attack() -> None:
    """A wave that began in calm; the site fell when the attack began."""
    taught = seen(*steady((107.5, 108.0)), sent_from=103.0)
    assert judge(taught).time_to_mitigate_s == pytest.approx(1.0, abs=0.15)


def test_where_there_was_no_calm_all_is_wanted() -> None:
    cold = seen(*steady((102.0, 110.0)), sent_from=102.0).model_copy(
        update={"phases": Phases(begin=102, calm=102, attack=102, attack_end=117, end=120)}
    )
    result = judge(cold)
    assert result.time_to_mitigate_s == pytest.approx(8.0, abs=0.15)
    assert result.calm_p99_ms is None
    never = judge(seen(*steady((102.0, 120.0))))
    assert never.time_to_mitigate_s is None


def test_goodput_after_the_mitigation_is_of_what_came_then() -> None:
    result = judge(seen(*steady((107.5, 110.0))))
    assert result.goodput == pytest.approx(525 / 650, abs=0.01)
    assert result.goodput_after == pytest.approx(1.0, abs=0.01)
    late = [*steady((107.5, 110.0)), *(truth(116.0 + n / 100, Outcome.FAILED) for n in range(2))]
    assert judge(seen(*late)).goodput_after == pytest.approx(1 - 2 / 352, abs=0.002)
    assert judge(seen(*steady((107.5, 120.0)))).goodput_after is None
    assert judge(seen(*steady(None), sent_from=None)).goodput_after is None


def test_dead_ends_are_counted_by_themselves() -> None:
    result = judge(seen(*steady(None), truth(108, Outcome.DEAD_END), truth(109, Outcome.REFUSED)))
    assert result.dead_ends == 1
    wanted = (BarWanted(metric=Metric.DEAD_ENDS, at_most=0, contender="x"),)
    assert [bar.ok for bar in bars(wanted, [result])] == [False]


def test_the_first_answer_is_the_first_after_the_attack_began() -> None:
    def answered(*moments: float) -> float | None:
        return judge(seen(*steady(None)).model_copy(update={"answers": moments})).first_answer_s

    assert answered(103.0, 107.4, 109.0) == pytest.approx(0.4)
    assert answered(103.0) is None
    assert answered(118.0) is None
    assert answered() is None
