"""Plays over HTTP: bots, copies of browsers, crowds of readers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rempart.defence.loop import Defence
from rempart.defence.policy import Policy
from rempart.defence.signatures import mined
from rempart.model.attacks import Action, Layer, Mode, ModeChange, Records
from tests.defence import traffic
from tests.defence.stage import Stage, calm, strained

CAPACITY = 400
Scene = Callable[[Stage], Records]


def good(stage: Stage, times: float = 1, **how: int) -> Records:
    return traffic.good_requests(stage.chance, int(12 * times), **how)


def play(stage: Stage, scene: Scene, seconds: float, capacity: float = CAPACITY) -> float:
    """The requests/s that reached the origin in the last second."""
    reached = 0.0
    for tick in range(round(seconds * 10)):
        requests = scene(stage)
        stage.tick(good_packets=100, requests=requests, harm=strained(capacity))
        if tick >= seconds * 10 - 10:
            sites = stage.defence.requests.baseline
            reached = float(sites.rate.sum())
    return reached


def good_hit(stage: Stage, action: Action) -> float:
    """Share of fresh good requests that what stands with this action would hit."""
    from rempart.defence.matching import matching

    fresh = traffic.good_requests(stage.chance, 20_000)
    hit = np.zeros(fresh.size, bool)
    for one in stage.standing:
        if one.action is action:
            hit |= matching(one.signature, fresh)
    return float(hit.mean())


def flood(stage: Stage, count: int = 500, **fields: Any) -> Records:
    return traffic.together(stage.chance, [good(stage), traffic.bot_requests(stage.chance, count, **fields)])


def test_a_flood_by_one_tool_is_dropped_by_what_the_tool_is() -> None:
    stage = calm()
    begin = stage.now
    reached = play(stage, flood, 3)
    first = stage.first_enforced()
    assert first is not None
    assert first - begin <= 0.5
    assert reached < 1.5 * 120
    assert stage.actions() == {Action.DROP}
    assert good_hit(stage, Action.DROP) <= 0.001
    (standing,) = stage.standing
    assert standing.key == 1
    assert standing.evidence.harm
    assert not {one.field for one in standing.signature.terms} & {"source", "network"}


def test_below_the_limits_of_each_address() -> None:
    """Every request from another address: no limit of an address ever sees more than one."""
    stage = calm()
    reached = play(stage, lambda s: flood(s, sources=2**30), 3)
    assert reached < 1.5 * 120
    assert stage.actions() == {Action.DROP}


def test_cache_busting_is_seen_by_who_asks() -> None:
    stage = calm()

    def busting(stage: Stage) -> Records:
        any_ = stage.chance.integers(0, 2**32, 500, dtype=np.uint32)
        return flood(stage, path=any_, query_shape=any_)

    assert play(stage, busting, 3) < 1.5 * 120
    assert good_hit(stage, Action.DROP) <= 0.001


def test_a_copied_browser_is_challenged_and_its_real_readers_not_refused() -> None:
    stage = calm()

    def copied(stage: Stage) -> Records:
        return traffic.together(stage.chance, [good(stage), traffic.browser_copies(stage.chance, 500)])

    assert play(stage, copied, 3) < 1.5 * 120
    assert stage.actions() == {Action.CHALLENGE}


def test_a_mixture_of_two_tools() -> None:
    stage = calm()

    def two(stage: Stage) -> Records:
        other = traffic.bot_requests(
            stage.chance, 300, agent=1_000, tls=7_777, headers=0b111, path=4_100, version=2, language=3_001
        )
        return traffic.together(stage.chance, [flood(stage, 300), other])

    assert play(stage, two, 4) < 1.5 * 120
    assert good_hit(stage, Action.DROP) <= 0.001


def test_few_sources_are_named() -> None:
    stage = calm()

    def few(stage: Stage) -> Records:
        copies = traffic.browser_copies(stage.chance, 500)
        copies["source"] = copies["client"] = 70_000_000 + stage.chance.integers(0, 3, copies.size) * 1_000
        copies["network"] = copies["source"] >> 8
        return traffic.together(stage.chance, [good(stage), copies])

    play(stage, few, 3)
    fields = {term.field for one in stage.standing for term in one.signature.terms}
    assert fields & {"source", "network"}
    assert good_hit(stage, Action.DROP) <= 0.001


@pytest.mark.parametrize("capacity", [CAPACITY, 1e9])
@pytest.mark.parametrize("page", [None, 7])
def test_a_crowd_twenty_times_the_usual_is_queued_at_most(capacity: float, page: int | None) -> None:
    stage = calm()
    play(stage, lambda s: traffic.good_requests(s.chance, 240, page=page), 20, capacity)
    assert stage.actions() == ({Action.QUEUE} if capacity == CAPACITY else set())
    assert {one.attack.kind for one in stage.attacks()} <= {"crowd"}


def test_bots_in_a_crowd_are_told_from_it() -> None:
    stage = calm()

    def crowd_and_bots(stage: Stage) -> Records:
        crowd = traffic.good_requests(stage.chance, 240, page=7)
        return traffic.together(stage.chance, [crowd, traffic.bot_requests(stage.chance, 500)])

    play(stage, crowd_and_bots, 4)
    assert Action.DROP in stage.actions()
    assert good_hit(stage, Action.DROP) <= 0.001


def test_slow_drift_teaches_no_faster_than_the_bound() -> None:
    """Twice as much every half minute, from one tool, harming nobody."""
    policy = Policy(busy_seconds=10)
    stage = Stage(Defence(policy))
    rate = 12.0
    for _ in range(1_500):
        rate *= 2 ** (0.1 / 30)
        parts = [good(stage), traffic.bot_requests(stage.chance, int(rate))]
        stage.tick(good_packets=0, requests=np.concatenate(parts))
        level = float(stage.defence.requests.baseline.level.max())
        assert level <= policy.site_floor * policy.growth_per_hour


def test_an_attack_that_was_there_first_is_not_what_is_usual() -> None:
    """Cold start under attack: nothing known, the origin suffers from the first second."""
    stage = Stage()
    policy = stage.defence.policy
    play(stage, flood, 30)
    assert stage.actions() <= {Action.QUEUE, Action.CHALLENGE}  # nothing is refused on no evidence
    assert float(stage.defence.requests.baseline.level.max()) <= policy.site_floor
    reservoir = stage.defence.requests.reservoir.records()
    assert not (reservoir["agent"] == 9_001).any()  # what waits while there is an alarm is not good
    # Those who are cleared are known, and by them the flood is found and challenged.
    assert (reservoir["good"]).all()
    assert play(stage, flood, 10) < 1.5 * 120
    assert stage.actions() <= {Action.QUEUE, Action.CHALLENGE}


def test_one_site_observed_another_enforced() -> None:
    stage = calm()
    stage.say(ModeChange(1, Mode.OBSERVE))
    reached = play(stage, flood, 2)
    assert reached > 3_000
    assert not stage.orders.requests
    assert [one.action for one in stage.standing] == [Action.DROP]


def test_what_hits_good_visitors_later_is_weakened_or_goes() -> None:
    """People come with the program that the bots have; those among them who are cleared are the witnesses."""
    stage = calm()
    play(stage, flood, 2)
    assert [one.action for one in stage.standing] == [Action.DROP]

    def with_people(stage: Stage) -> Records:
        people = traffic.bot_requests(stage.chance, 3, good=True)
        people["source"] = people["client"] = 5_000 + stage.chance.integers(0, 2**20, people.size)
        return traffic.together(stage.chance, [flood(stage), people])

    play(stage, with_people, 20)
    assert Action.DROP not in {one.action for one in stage.standing}


@pytest.mark.parametrize("capacity", [300, 1e9])
def test_a_large_site_that_is_new_to_us_refuses_nobody(capacity: float) -> None:
    """Only those who are cleared are known of its visitors, and they are no fair sample of the others."""
    stage = Stage()

    def visitors(stage: Stage) -> Records:
        made = good(stage, 5)
        made["headers"] = np.where(made["good"], 0b1111_0111, 0b0111_0011)
        return made

    play(stage, visitors, 40, capacity)
    assert stage.actions() <= {Action.QUEUE, Action.CHALLENGE}
    if capacity > 300:
        assert not stage.actions()


def test_five_seconds_of_life_are_enough_to_challenge_the_tool_and_nobody_else() -> None:
    """Too short to refuse anybody; long enough to tell who is new."""
    stage = Stage()
    play(stage, lambda s: traffic.good_requests(s.chance, 4), 5)
    begin = stage.now
    reached = play(stage, lambda s: flood(s, 40), 3, capacity=100)
    first = stage.first_enforced()
    assert first is not None
    assert first - begin <= 1.0
    assert stage.actions() == {Action.CHALLENGE}
    assert good_hit(stage, Action.CHALLENGE) <= 0.01
    assert reached < 200


def test_without_a_second_of_life_nobody_is_refused() -> None:
    stage = Stage()
    play(stage, lambda s: flood(s, 40), 3, capacity=100)
    assert stage.actions() <= {Action.CHALLENGE, Action.QUEUE}


@pytest.mark.parametrize("seed", range(6))
def test_names_that_bots_give_themselves_hide_no_tool(seed: int) -> None:
    """Three seconds of life; then 150 requests/s under thirty names."""
    stage = Stage(chance=np.random.default_rng(seed))
    play(stage, lambda s: traffic.good_requests(s.chance, 4), 3.5)
    begin = stage.now

    def many_names(stage: Stage) -> Records:
        bots = traffic.bot_requests(stage.chance, 15, agent=6_000 + stage.chance.integers(0, 30, 15))
        return traffic.together(stage.chance, [traffic.good_requests(stage.chance, 4), bots])

    play(stage, many_names, 3, capacity=60)
    first = stage.first_enforced()
    assert first is not None
    assert first - begin <= 0.7
    assert Action.CHALLENGE in {one.action for one in stage.standing}
    assert good_hit(stage, Action.CHALLENGE) <= 0.01
    came = many_names(stage)
    assert many_pass(stage, came[came["tls"] == 9_002]) <= 0.1


def test_what_all_have_is_a_better_mark_than_a_name_that_few_have() -> None:
    """Of what an attack is compared with a quarter is its own beginning; a thirtieth of it has a name that
    is not in there by chance."""
    chance = np.random.default_rng(1)

    def bots(count: int, first: int) -> Records:
        return traffic.bot_requests(chance, count, agent=first + chance.integers(0, 15, count))

    window = traffic.together(chance, [bots(38, 6_000), bots(38, 6_015), traffic.good_requests(chance, 11)])
    before = traffic.together(chance, [bots(35, 6_000), traffic.good_requests(chance, 100)])
    found = mined(Layer.REQUEST, 1, None, window, before, 0.1, Policy())
    assert found
    assert found[0].share > 0.8
    assert "agent" not in {term.field for term in found[0].signature.terms}


def test_a_challenge_of_everybody_gives_way_to_one_of_the_tool() -> None:
    """Attacked before anybody was ever seen. People pass the challenge, and tell by that who is none."""
    stage = Stage()
    begin = stage.now
    let_in: list[float] = []

    def scene(stage: Stage) -> Records:
        people = traffic.good_requests(stage.chance, 4)
        people["good"] &= stage.now > begin + 2
        bots = traffic.bot_requests(stage.chance, 15)
        let_in.append(many_pass(stage, bots))
        return traffic.together(stage.chance, [people, bots])

    play(stage, scene, 1, capacity=60)
    assert good_hit(stage, Action.CHALLENGE) > 0.9
    play(stage, scene, 25, capacity=60)
    assert max(let_in[10:]) <= 0.1  # at no moment nothing stands
    assert good_hit(stage, Action.CHALLENGE) <= 0.01
    assert stage.actions() <= {Action.CHALLENGE}


def many_pass(stage: Stage, bots: Records) -> float:
    """Share of these that nothing which stands means."""
    from rempart.defence.matching import matching

    standing = [matching(one.signature, bots) for one in stage.standing if one.action is not Action.QUEUE]
    return float(1 - np.logical_or.reduce(standing).mean()) if standing else 1.0


def test_a_flood_of_fewer_requests_than_people_send_is_answered_as_soon_as_it_harms() -> None:
    """Every request is known one by one: that they are few makes them no less certain."""
    stage = calm()
    begin = stage.now
    play(stage, lambda s: flood(s, 10), 2, capacity=130)
    first = stage.first_enforced()
    assert first is not None
    assert first - begin <= 0.3
    assert stage.actions() == {Action.DROP}
