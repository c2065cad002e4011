"""One spelling of a URL for all its trivial variants."""

from __future__ import annotations

import pytest

from rempart.model.cases_remedies import Measure, Remedy, Target
from rempart.model.urls import canonical_path, canonical_query, is_within, visited

SAME = (
    "/a/b", "//a/b", "/a//b", "/a/b/", "/a/./b", "/./a/b", "/x/../a/b", "/a/x/../b", "/../a/b", "/%61/b",
    "/a/%62", "/a%2Fb", "/a%2fb", "/a\\b", "/a%5Cb", "/a;x/b", "/a/b;x=1;y", "/a/;p/b", "/a/b%00.jpg",
    "/a/b#top", "/x/%2e%2e/a/b", "/x/%2E./a/b", "/x/..;/a/b",
)  # fmt: skip


@pytest.mark.parametrize("path", SAME)
def test_trivial_variants_are_alike(path: str) -> None:
    assert canonical_path(path) == "/a/b"


@pytest.mark.parametrize("path", ["/", "", "//", "/.", "/x/..", "/;x", "/../.."])
def test_the_front_page(path: str) -> None:
    assert canonical_path(path) == "/"


def test_other_pages_stay_other_pages() -> None:
    others = ("/A/b", "/a/bb", "/a/b.html", "/a/b%20", "/a/%2562", "/a/b:", "/a/b/c", "/ab", "/a/b~")
    assert len({canonical_path(one) for one in (*others, "/a/b")}) == len(others) + 1


def test_what_lies_on_the_way_is_visited() -> None:
    assert visited("/a.php/../x") == ("/", "/a.php", "/", "/x")


def test_a_url_is_itself_and_what_is_below_it() -> None:
    assert all(is_within(path, above) for path, above in (("/a/b", "/a"), ("/a", "/a"), ("/", "/")))
    assert not any(is_within(path, above) for path, above in (("/ab", "/a"), ("/a", "/")))


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("t=5&x=a+b", ("t=5", "x=a%20b")),
        ("x=a%20b&&t=%35", ("t=5", "x=a%20b")),
        ("%74=5;x=a b", ("t=5", "x=a%20b")),
        ("", ()),
        ("t", ("t",)),
        ("t=", ("t=",)),
        ("t=a=b", ("t=a%3Db",)),
    ],
)
def test_parameters(query: str, parameters: tuple[str, ...]) -> None:
    assert canonical_query(query) == parameters


@pytest.mark.parametrize("path", ["/a;b", "/a%3Bb", "/a%00", "/a%23"])
def test_what_no_remedy_can_mean_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        Measure(remedy=Remedy.BLOCK_URL, target=Target(host="a.example", path=path))


@pytest.mark.parametrize(
    "path", ["a", "/a?", "/a?&", "/a b", "/a/../b", "/a?b c", "/a?" + "&".join("abcdefghijkl")]
)
def test_what_is_no_url_is_refused(path: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - which words is the model's business
        Target(host="a.example", path=path)


def test_one_url_within_another() -> None:
    whole = Target(host="a.example", path="/v.php?t=5")
    assert Target(host="a.example", path="/v.php?u=1&t=%35").is_within(whole)
    assert not Target(host="a.example", path="/v.php").is_within(whole)
    assert not Target(host="b.example", path="/v.php?t=5").is_within(whole)
    assert whole.is_within(Target(host="a.example"))


def test_a_territory_is_for_what_the_edge_does_itself() -> None:
    target = Target(host="a.example", path="/a")
    assert Measure(remedy=Remedy.BLOCK_URL, target=target, territory=("FR",)).territory == ("FR",)
    with pytest.raises(ValueError, match="cannot be limited to a territory"):
        Measure(remedy=Remedy.DROP_DNS, target=Target(host="a.example"), territory=("FR",))
