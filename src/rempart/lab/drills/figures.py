"""Figures of a drill in words, for tables on a terminal, in a report and on the scoreboard. Pure."""

from __future__ import annotations

from rempart.lab.attacks.contract import Unit
from rempart.lab.drills.contract import ContenderResult

COLUMNS = (
    "CONTENDER",
    "GOODPUT",
    "P50",
    "P99",
    "× CALM",
    "MITIGATED AFTER",
    "FALSE POSITIVES",
    "CPU",
    "ATTACK",
    "REACHED ORIGIN",
)


def row(result: ContenderResult, *, attacked: bool) -> tuple[str, ...]:
    """A line of ``COLUMNS``. A dash is a figure that was not measured or does not apply."""
    mitigated = result.time_to_mitigate_s
    return (
        result.name,
        share(result.goodput),
        milliseconds(result.latency_ms.p50),
        milliseconds(result.latency_ms.p99),
        "–" if result.p99_over_calm is None else f"{result.p99_over_calm:,.1f}",
        ("never" if mitigated is None else f"{mitigated:.1f} s") if attacked else "–",
        share(result.false_positive_rate),
        "–" if result.cpu_seconds is None else f"{result.cpu_seconds:.1f} s",
        sent(result.attack_units),
        "–" if result.attack_reached_origin is None else f"{result.attack_reached_origin:,}",
    )


def sent(units: dict[Unit, int] | None) -> str:
    """What was sent, each kind by itself."""
    return "–" if units is None else " + ".join(f"{count:,} {unit}" for unit, count in units.items())


def share(value: float | None) -> str:
    if value is None:
        return "–"
    # 99.96 % is not 100 %: only a whole is called so.
    return f"{value:.1%}" if value in (0.0, 1.0) or 0.001 <= value < 0.9995 else f"{value:.3%}"


def milliseconds(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f} ms"
