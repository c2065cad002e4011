"""Plays: every flood of packets of the lab comes out of nothing, and what stops it spares the good."""

from __future__ import annotations

import pytest

from rempart.defence.instructions import EnforceRules, SampleRate
from rempart.defence.matching import matching
from rempart.model.attacks import Action, Layer, Measure, Mode, ModeChange, Records, Revoke, Saturation, State
from tests.defence import traffic
from tests.defence.stage import Maker, Stage, as_the_program_matches, calm

RATE = 200_000
FLOODS: dict[str, tuple[Maker, str]] = {
    "syn": (traffic.syn_flood, "syn-flood"),
    "ack": (traffic.ack_flood, "tcp-flood"),
    "udp": (traffic.udp_flood, "udp-flood"),
    "fragments": (traffic.fragment_flood, "fragment-flood"),
    "random subdomains": (traffic.random_subdomains, "dns-flood"),
    "reflected answers": (traffic.reflected_answers, "udp-flood"),
}


def play(stage: Stage, attack: Maker | None, seconds: float, rate: float = RATE) -> tuple[float, float]:
    """Shares of bad packets that passed, and of good that were refused, in the last half."""
    passed = came = refused = good = 0.0
    ticks = round(seconds * 10)
    for tick in range(ticks):
        stage.tick(attack=attack, rate=rate)
        if tick >= ticks // 2:
            passed, came = passed + stage.bad_passed, came + rate / 10
            refused, good = refused + stage.good_refused, good + stage.good_seen
    return passed / came, refused / good


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_is_described_and_stopped_within_a_second(name: str) -> None:
    attack, kind = FLOODS[name]
    stage = calm()
    begin = stage.now
    passed, refused = play(stage, attack, 4)
    first = stage.first_enforced()
    assert first is not None
    assert first - begin <= 0.5
    assert passed <= 0.02
    assert refused <= 0.001
    assert stage.actions() == {Action.DROP}
    assert [one.attack.kind for one in stage.attacks()] == [kind]
    for mitigation in stage.standing:
        evidence = mitigation.evidence
        assert evidence.trial.records >= 3_000
        assert evidence.trial.upper <= evidence.trial.bound == 0.001
        assert evidence.rate > 10 * evidence.usual
        assert mitigation.cause
        assert mitigation.hits > 0
        assert mitigation.expires > stage.now


@pytest.mark.parametrize("name", FLOODS)
def test_a_rule_means_in_the_program_what_its_signature_means_here(name: str) -> None:
    stage = calm()
    attack = FLOODS[name][0]
    play(stage, attack, 1)
    wire = traffic.together(
        stage.chance, [traffic.good_packets(stage.chance, 4_000), attack(stage.chance, 500, 1)]
    )
    signatures = {one.id: one.signature for one in stage.standing}
    assert stage.orders.rules
    for rule in stage.orders.rules:
        assert (as_the_program_matches(rule, wire) == matching(signatures[rule.id], wire)).all()


def test_a_mixture_is_taken_apart() -> None:
    stage = calm()

    def all_at_once(chance: traffic.Chance, count: int, weight: float) -> Records:
        return traffic.together(
            chance, [attack(chance, max(1, count // len(FLOODS)), weight) for attack, _ in FLOODS.values()]
        )

    passed, refused = play(stage, all_at_once, 5)
    assert passed <= 0.05
    assert refused <= 0.001
    assert stage.attacks()[-1].attack.kind == "mixture"
    assert stage.actions() == {Action.DROP}


def test_two_floods_of_one_class_need_two_signatures() -> None:
    stage = calm()

    def both(chance: traffic.Chance, count: int, weight: float) -> Records:
        return traffic.together(
            chance,
            [
                traffic.udp_flood(chance, max(1, count // 2), weight),
                traffic.reflected_answers(chance, max(1, count // 2), weight),
            ],
        )

    passed, refused = play(stage, both, 4)
    assert passed <= 0.02
    assert refused <= 0.001


def test_what_looks_like_people_is_asked_to_prove_itself_not_dropped() -> None:
    stage = calm()
    passed, refused = play(stage, traffic.perfect_syn_flood, 3)
    assert passed > 0.5  # answered with cookies, which is the kernel's business
    assert refused == 0
    assert stage.actions() == {Action.CHALLENGE}
    assert stage.orders.measures == Measure.SYN_COOKIES
    assert not stage.orders.rules


def test_a_pulse_wave_finds_the_rule_standing() -> None:
    stage = calm()
    passed = 0.0
    for pulse in range(4):
        for tick in range(50):
            stage.tick(attack=traffic.ack_flood, rate=RATE)
            if pulse or tick > 5:
                passed += stage.bad_passed
        play(stage, None, 5)
    assert passed == 0
    assert sum(isinstance(one, EnforceRules) for _, one in stage.told) == 1


def test_everything_expires_when_it_is_over_and_lasts_longer_when_it_comes_back() -> None:
    stage = calm()
    lasted = []
    for _ in range(2):
        play(stage, traffic.udp_flood, 2)
        assert stage.standing
        over = stage.now
        while stage.standing:
            stage.tick()
        lasted.append(stage.now - over)
        assert stage.withdrawn()[-1].mitigation.state is State.EXPIRED
    assert lasted[0] == pytest.approx(stage.defence.policy.quiet_seconds, abs=1)
    assert lasted[1] == pytest.approx(2 * stage.defence.policy.quiet_seconds, abs=2)
    assert not stage.orders.rules
    assert stage.attacks()[-1].attack.end == stage.now


def test_a_revoked_one_goes_at_once_and_does_not_come_back() -> None:
    stage = calm()
    play(stage, traffic.ack_flood, 1)
    (standing,) = stage.standing
    stage.say(Revoke(standing.id))
    assert not stage.orders.rules
    assert stage.withdrawn()[-1].mitigation.state is State.REVOKED
    play(stage, traffic.ack_flood, 3)
    assert not [one for one in stage.standing if one.action is Action.DROP]
    # Another attack is another matter.
    play(stage, traffic.udp_flood, 2)
    assert any(one.action is Action.DROP for one in stage.standing)
    assert stage.say(Revoke(10_000)) == []


def test_observing_says_what_it_would_have_done_and_does_nothing() -> None:
    stage = calm()
    stage.say(ModeChange(-1, Mode.OBSERVE))
    passed, _ = play(stage, traffic.ack_flood, 3)
    assert passed > 0.9
    assert not stage.orders.rules
    (standing,) = stage.standing
    assert standing.state is State.OBSERVED
    assert standing.action is Action.DROP
    assert standing.hits > RATE
    stage.say(ModeChange(-1, Mode.ENFORCE))
    passed, _ = play(stage, traffic.ack_flood, 2)
    assert passed == 0


def test_a_rule_without_effect_is_withdrawn_and_the_next_is_tried() -> None:
    stage = calm()
    while not stage.standing:
        stage.tick(attack=traffic.ack_flood, rate=RATE)
    (first,) = stage.standing
    # A rule that hits nothing is no answer to what comes.
    for _ in range(30):
        stage.orders = EnforceRules((), Measure(0), ())
        stage.hits.clear()
        stage.tick(attack=traffic.ack_flood, rate=RATE)
    gone = [one for one in stage.withdrawn() if one.mitigation.id == first.id]
    assert [one.why for one in gone] == ["it had no effect"]
    assert first.signature not in [one.signature for one in stage.standing]


def test_a_full_link_is_a_reason_to_look_at_less_than_a_multiple() -> None:
    stage = calm()

    def big(chance: traffic.Chance, count: int, weight: float) -> Records:
        return traffic.reflected_answers(chance, count, weight)

    for _ in range(20):
        stage.tick(attack=big, rate=4_000, saturation=Saturation(link=0.97))
    assert [one.action for one in stage.standing] == [Action.DROP]
    assert "link at 97%" in stage.standing[0].evidence.harm


def test_sampling_follows_the_load_and_does_not_swing() -> None:
    stage = calm()
    play(stage, traffic.udp_flood, 3)
    rates = [one.every for _, one in stage.told if isinstance(one, SampleRate) and one.layer is Layer.PACKET]
    assert rates == [128]
