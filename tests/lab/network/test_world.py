"""The plan of a world: who is connected to whom, and who may have how much."""

from __future__ import annotations

from rempart.lab.network.world import Role, WorldShape, caps, world


def test_worlds_differ_in_nothing_but_the_run() -> None:
    one, other = (world(WorldShape(), seed=3, run=run, cores=2) for run in ("aaaa", "bbbb"))
    assert one.model_dump_json().replace("aaaa", "bbbb") == other.model_dump_json()


def test_only_the_edge_reaches_the_origin() -> None:
    plan = world(WorldShape(), seed=1, run="r", cores=2)
    assert [
        {link.a.role, link.b.role} for link in plan.links if Role.ORIGIN in (link.a.role, link.b.role)
    ] == [{Role.EDGE, Role.ORIGIN}]
    assert not any("192.0.2" in route.network for route in plan.routes)


def test_what_has_no_route_is_dropped_at_the_router() -> None:
    plan = world(WorldShape(), seed=1, run="r", cores=2)
    dropped = {route.network for route in plan.routes if route.role is Role.ROUTER and route.gateway is None}
    assert dropped == {"0.0.0.0/0", "::/0"}


def test_only_the_edges_link_is_capped_and_names_fit() -> None:
    plan = world(WorldShape(link_mbits=50), seed=1, run="12345678", cores=2)
    capped = [link for link in plan.links if link.rate_bits]
    assert [link.rate_bits for link in capped] == [50_000_000]
    assert capped[0].b.name == plan.edge_interface


def test_the_edge_has_a_processor_to_itself_where_there_are_two() -> None:
    shape = WorldShape()
    for cores in (2, 3, 4, 16):
        found = caps(shape, cores)
        assert found[Role.EDGE].cores == (0,)
        others = {core for role, cap in found.items() if role is not Role.EDGE for core in cap.cores}
        assert 0 not in others
        assert max(others) < cores
    assert caps(shape, 1)[Role.EDGE].cores == ()


def test_a_second_edge_is_of_the_same_make_and_reaches_the_same_origin() -> None:
    plan = world(WorldShape(edges=2), seed=1, run="12345678", cores=2)
    first, second = plan.edges
    assert (plan.edge_v4, plan.edge_v6, plan.edge_interface) == (first.v4, first.v6, first.interface)
    assert not {first.v4, first.v6, first.interface} & {second.v4, second.v6, second.interface}
    assert plan.caps[Role.SECOND_EDGE] == plan.caps[Role.EDGE]
    before_origin = {link.a.role for link in plan.links if link.b.role is Role.ORIGIN}
    assert before_origin == {Role.EDGE, Role.SECOND_EDGE}
    rates = {link.b.role: link.rate_bits for link in plan.links if link.rate_bits}
    assert rates == {Role.EDGE: rates[Role.EDGE], Role.SECOND_EDGE: rates[Role.EDGE]}
    assert [route.role for route in plan.routes if route.network == f"{plan.origin_v4}/32"] == [
        Role.SECOND_EDGE
    ]


def test_an_origin_with_an_uplink_is_reached_past_the_edge() -> None:
    plan = world(WorldShape(edges=2, origin_uplink=True), seed=1, run="12345678", cores=2)
    bare = plan.bare_origin
    assert bare is not None
    ends = [link for link in plan.links if link.b.name == bare.interface]
    assert [link.a.role for link in ends] == [Role.ROUTER]
    assert ends[0].rate_bits == next(link.rate_bits for link in plan.links if link.b.role is Role.EDGE)
    ways = [route.role for route in plan.routes if route.network == f"{bare.v4}/32"]
    assert sorted(ways) == sorted([Role.ROUTER, Role.SECOND_EDGE])
    assert world(WorldShape(), seed=1, run="r", cores=2).bare_origin is None


def test_one_edge_makes_no_namespace_for_a_second() -> None:
    assert Role.SECOND_EDGE not in world(WorldShape(), seed=1, run="r", cores=2).roles
    assert set(world(WorldShape(edges=2), seed=1, run="r", cores=2).roles) == set(Role)
