"""DNS records as clients send, find, change and delete them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.controller.cloudflare_v4.conftest import Client
from tests.model.record_cases import CANONICAL, Good


@pytest.mark.parametrize("good", CANONICAL, ids=lambda good: f"{good.type} {good.content[:20]}")
def test_every_type_in_both_forms(client: Client, good: Good) -> None:
    zone = client.zone()
    forms: list[dict[str, Any]] = [{"content": good.content}]
    if good.data is not None:
        forms.append({"data": good.data})
    for number, form in enumerate(forms):
        body = {"type": good.type, "name": f"h{number}", "ttl": 300, "priority": good.priority, **form}
        made = client.ok("POST", f"/zones/{zone}/dns_records", json=body)
        assert (made["content"], made.get("data"), made.get("priority")) == (
            good.content,
            good.data,
            good.priority,
        )
        assert client.ok("GET", f"/zones/{zone}/dns_records/{made['id']}") == made
        assert client.ok("PUT", f"/zones/{zone}/dns_records/{made['id']}", json=made) == made, (
            "changes nothing"
        )


def test_the_form_of_a_record(client: Client) -> None:
    zone = client.zone()
    made = client.record(zone, "CNAME", "WWW", "Target.Example.NET.", comment="why", tags=["team:web"])
    assert re.fullmatch(r"[0-9a-f]{32}", made["id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", made["created_on"])
    del made["id"], made["created_on"], made["modified_on"]
    assert made == {
        "zone_id": zone,
        "zone_name": "example.org",
        "name": "www.example.org",
        "type": "CNAME",
        "content": "target.example.net",
        "proxiable": True,
        "proxied": False,
        "ttl": 300,
        "settings": {"flatten_cname": False},
        "meta": {},
        "comment": "why",
        "tags": ["team:web"],
    }


def test_proxied_means_automatic(client: Client) -> None:
    assert client.record(client.zone(), "A", "www", "192.0.2.1", proxied=True, ttl=300)["ttl"] == 1


@pytest.mark.parametrize(
    "body",
    [
        {"type": "A", "name": "x", "content": "192.0.2.1", "ttl": "300", "data": None, "priority": None},
        {"type": "a", "name": "x.example.org", "content": "192.0.2.1", "ttl": 300.0, "unknown": None},
        {"type": "A", "name": "x.example.org.", "content": "192.0.2.1", "ttl": 300, "priority": 0},
        {
            "type": "A",
            "name": "X",
            "content": "192.0.2.1",
            "ttl": 300,
            "tags": None,
            "comment": "",
            "proxied": None,
        },
        {"type": "A", "name": "x", "content": "192.0.2.1", "ttl": 300, "settings": {"ipv4_only": False}},
        {
            "type": "A",
            "name": "x",
            "content": "192.0.2.1",
            "ttl": 300,
            "settings": None,
            "meta": {},
            "locked": False,
        },
        {"type": "A", "name": "x", "content": "192.0.2.1", "ttl": 300, "private_routing": False},
    ],
    ids=str,
)
def test_what_clients_send_for_the_same(client: Client, body: dict[str, Any]) -> None:
    made = client.ok("POST", f"/zones/{client.zone()}/dns_records", json=body)
    assert (made["name"], made["content"], made["ttl"]) == ("x.example.org", "192.0.2.1", 300)
    assert (made["comment"], made["tags"], made["proxied"]) == (None, [], False)


def test_numbers_as_text_in_data(client: Client) -> None:
    body: dict[str, Any] = {"type": "CAA", "name": "@", "content": None, "ttl": "300"}
    body |= {"data": {"flags": "0", "tag": "issue", "value": "letsencrypt.org"}}
    assert client.ok("POST", f"/zones/{client.zone()}/dns_records", json=body)["data"]["flags"] == 0


@pytest.mark.parametrize(
    ("body", "code", "inner"),
    [
        ({"type": "A", "name": "x", "content": "nope"}, 1004, 9005),
        ({"type": "A", "name": "x", "content": "192.0.2.1", "ttl": 7}, 1004, 9021),
        ({"type": "TXT", "name": "x", "content": "x", "proxied": True}, 1004, 9041),
        ({"type": "A", "name": "x"}, 1004, 9005),
        ({"name": "x", "content": "192.0.2.1"}, 1004, 9005),
        ({"type": "WHAT", "name": "x", "content": "x"}, 1001, None),
        ({"type": "A", "name": "x", "content": "192.0.2.1", "surprise": 1}, 1001, None),
        ({"type": "A", "name": "x", "content": "192.0.2.1", "ttl": "soon"}, 1001, None),
        ({"type": "A", "name": "x", "content": "192.0.2.1", "settings": {"ipv4_only": True}}, 1001, None),
        ({"type": "A", "name": "x", "content": "192.0.2.1", "private_routing": True}, 1001, None),
        ({"type": "A", "name": "example.net.", "content": "192.0.2.1"}, 1001, None),
        ({"type": "A", "name": "taken", "content": "192.0.2.9"}, 81057, None),
        ({"type": "A", "name": "taken", "content": "192.0.2.9", "ttl": 300}, 81058, None),
        ({"type": "CNAME", "name": "taken", "content": "x.example"}, 81053, None),
        ({"type": "A", "name": "alias", "content": "192.0.2.9"}, 81054, None),
    ],
    ids=str,
)
def test_what_is_refused(client: Client, body: dict[str, Any], code: int, inner: int | None) -> None:
    zone = client.zone()
    client.record(zone, "A", "taken", "192.0.2.9")
    client.record(zone, "CNAME", "alias", "target.example")
    error = client.refused(400, "POST", f"/zones/{zone}/dns_records", json=body)
    assert error["code"] == code, error
    assert [one["code"] for one in error.get("error_chain", [])] == ([] if inner is None else [inner])


def test_changes(client: Client) -> None:
    zone = client.zone()
    path = f"/zones/{zone}/dns_records"
    made = client.record(zone, "A", "x", "192.0.2.1", comment="c", tags=["a:b"])
    patched = client.ok("PATCH", f"{path}/{made['id']}", json={"content": "192.0.2.2", "data": None})
    assert (patched["content"], patched["comment"], patched["tags"]) == ("192.0.2.2", "c", ["a:b"])
    assert client.ok("PATCH", f"{path}/{made['id']}", json={"comment": None})["comment"] is None
    put = client.ok("PUT", f"{path}/{made['id']}", json={"content": "192.0.2.3"})
    assert (put["name"], put["type"], put["ttl"], put["tags"]) == ("x.example.org", "A", 1, [])
    assert client.ok("DELETE", f"{path}/{made['id']}", content=b"{}") == {"id": made["id"]}
    for method in ("GET", "DELETE", "PATCH", "PUT"):
        assert client.refused(404, method, f"{path}/{made['id']}", content=b"{}")["code"] == 81044
    assert client.refused(404, "GET", f"{path}/short")["code"] == 81044


def test_a_batch_is_all_or_nothing(client: Client) -> None:
    zone = client.zone()
    path = f"/zones/{zone}/dns_records/batch"
    one = client.record(zone, "A", "one", "192.0.2.1")
    two = client.record(zone, "A", "two", "192.0.2.2")
    post = {"type": "A", "name": "three", "content": "192.0.2.3", "tags": None, "comment": "", "ttl": 1}
    bad = {"deletes": [{"id": one["id"]}], "posts": [post, {**post, "content": "nope"}]}
    assert client.refused(400, "POST", path, json=bad)["code"] == 1004
    put = {**two, "content": "192.0.2.22"}
    done = client.ok("POST", path, json={"deletes": [one], "puts": [put], "posts": [post], "patches": None})
    assert [record["id"] for record in done["deletes"]] == [one["id"]]
    assert [record["content"] for record in done["puts"]] == ["192.0.2.22"]
    assert [record["name"] for record in done["posts"]] == ["three.example.org"]
    assert done["patches"] is None


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["@", "mail", "txt", "txt2", "www"]),
        ("type=A", ["@", "www"]),
        ("type=txt&name=txt.example.org", ["txt"]),
        ("name=TXT.Example.ORG.", ["txt"]),
        ("name.exact=www.example.org", ["www"]),
        ("name.contains=tx", ["txt", "txt2"]),
        ("name.startswith=mai", ["mail"]),
        ("name.endswith=xt2.example.org", ["txt2"]),
        ("content=token", ["txt"]),
        ('content.exact="token"', ["txt"]),
        ("content=mx.example.net.", ["mail"]),
        ("content.contains=192.0.2", ["@", "www"]),
        ("content.startswith=2001", []),
        ("proxied=true", ["www"]),
        ("proxied=false&type=A", ["@"]),
        ("comment.present=x", ["txt2", "www"]),
        ("comment.absent=x", ["@", "mail", "txt"]),
        ("comment.exact=The Web", ["www"]),
        ("comment.contains=web", ["www"]),
        ("comment.startswith=spare&comment.endswith=one", ["txt2"]),
        ("tag=team:web", ["www"]),
        ("tag.present=team", ["txt2", "www"]),
        ("tag.absent=team", ["@", "mail", "txt"]),
        ("tag.contains=team:e", ["www"]),
        ("tag.present=team&tag.exact=env:x&tag_match=any", ["@", "txt2", "www"]),
        ("tag.present=team&tag.exact=env:x&tag-match=all", []),
        ("type=MX&name=www.example.org&match=any", ["mail", "www"]),
        ("search=token", ["txt", "txt2"]),
        ("order=type&direction=desc", ["txt2", "txt", "mail", "www", "@"]),
        ("per_page=2&page=2", ["txt", "txt2"]),
        ("per_page=2&page=4", []),
        ("page=2147483647&per_page=2147483647", []),
        ("name=nothing.example.net", []),
        ("content.contains=%25", []),
        ("something_new=1", ["@", "mail", "txt", "txt2", "www"]),
    ],
)
def test_filters(client: Client, query: str, names: list[str]) -> None:
    zone = client.zone()
    client.record(zone, "A", "@", "192.0.2.1", tags=["env:x"])
    client.record(zone, "A", "www", "192.0.2.2", proxied=True, comment="the web", tags=["team:web"])
    client.record(zone, "MX", "mail", "mx.example.net", priority=10)
    client.record(zone, "TXT", "txt", "token")
    client.record(zone, "TXT", "txt2", "token 2", comment="Spare one", tags=["team:x"])
    found = client.whole("GET", f"/zones/{zone}/dns_records?{query}")
    shown = [re.sub(r"\.?example\.org$", "", one["name"]) or "@" for one in found["result"]]
    assert shown == names
    assert found["result_info"]["count"] == len(names)


@pytest.mark.parametrize(
    "query", ["page=0", "per_page=0", "page=x", "type=WHAT", "match=some", "order=id", "search=%00"]
)
def test_queries_that_are_none(client: Client, query: str) -> None:
    client.refused(400, "GET", f"/zones/{client.zone()}/dns_records?{query}")


def test_pages(client: Client) -> None:
    zone = client.zone()
    for number in range(5):
        client.record(zone, "A", f"h{number}", "192.0.2.1")
    info = client.whole("GET", f"/zones/{zone}/dns_records?per_page=2&page=3")["result_info"]
    assert info == {"page": 3, "per_page": 2, "count": 1, "total_count": 5, "total_pages": 3}
    assert (
        client.whole("GET", f"/zones/{zone}/dns_records?per_page=5000000")["result_info"]["per_page"] == 5000
    )
    assert client.ok("GET", f"/zones/{zone}/dns_records/usage") == {"record_quota": None, "record_usage": 5}


def test_zone_files(client: Client) -> None:
    zone = client.zone()
    client.record(zone, "A", "www", "192.0.2.1", proxied=True)
    path = f"/zones/{zone}/dns_records"
    export = client.call("GET", f"{path}/export")
    assert export.headers["content-type"].startswith("text/plain")
    assert "www.example.org." in export.text
    text = b"www 300 IN A 192.0.2.1\nftp 300 IN A 192.0.2.2\n@ 300 IN SOA a. b. 1 2 3 4 5\n"
    for files, added in (({"file": ("zone.txt", text)}, 1), ({"file": (None, text)}, 0)):
        done = client.whole("POST", f"{path}/import", files=files, data={"proxied": "false"})
        assert done["result"] == {"recs_added": added, "total_records_parsed": 2}
        assert any("SOA" in one["message"] for one in done["messages"])
    client.ok("POST", f"{path}/import", files={"file": b"p 300 IN A 192.0.2.3\n"}, data={"proxied": "true"})
    assert client.ok("GET", f"{path}?name=p.example.org")[0]["proxied"] is True
    for bad in (
        {"files": {"file": b"x 300 IN A nope\n"}},
        {"files": {"file": b"\xff"}},
        {"files": {"other": b"x 300 IN A 192.0.2.1\n"}},
        {"files": {"file": b"x 300 IN A 192.0.2.1\n"}, "data": {"proxied": "maybe"}},
        {"json": {"file": "x"}},
        {"content": b"--x", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        {"content": b"", "headers": {"Content-Type": "multipart/form-data"}},
    ):
        client.refused(400, "POST", f"{path}/import", **bad)


def test_a_dangerous_plan_is_confirmed_by_header(client: Client) -> None:
    zone = client.zone()
    made = [client.record(zone, "A", f"h{number}", "192.0.2.1")["id"] for number in range(20)]
    body = {"deletes": [{"id": one} for one in made]}
    error = client.refused(400, "POST", f"/zones/{zone}/dns_records/batch", json=body)
    assert error["code"] == 15001
    digest = client.call("POST", f"/zones/{zone}/dns_records/batch", json=body).headers["x-rempart-plan"]
    assert digest in error["message"]
    other = {"X-Rempart-Confirm": "0" * 16}
    client.refused(400, "POST", f"/zones/{zone}/dns_records/batch", json=body, headers=other)
    confirm = {"X-Rempart-Confirm": digest}
    assert (
        len(client.ok("POST", f"/zones/{zone}/dns_records/batch", json=body, headers=confirm)["deletes"])
        == 20
    )


def test_a_zone_named_to_be_deleted_goes_unasked_and_is_recorded(client: Client) -> None:
    """As Terraform and older libraries ask for it: they cannot send our header."""
    zone = client.zone()
    for number in range(20):
        client.record(zone, "A", f"h{number}", "192.0.2.1")
    assert client.ok("DELETE", f"/zones/{zone}") == {"id": zone}
    assert client.ok("GET", "/zones") == []
    account = client.ok("GET", "/accounts")[0]["id"]
    entries = client.ok("GET", f"/accounts/{account}/audit_logs")
    assert entries[0]["action"]["type"] == "zone.delete"


def test_single_deletions_need_no_confirmation(client: Client) -> None:
    zone = client.zone()
    for one in [client.record(zone, "A", f"h{number}", "192.0.2.1")["id"] for number in range(12)]:
        client.ok("DELETE", f"/zones/{zone}/dns_records/{one}")
    assert client.ok("GET", f"/zones/{zone}/dns_records") == []
