"""The edge's part of the gate, with a real HAProxy and the gate's real process, and attacks on both."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time

import httpx

from rempart.engines.haproxy.challenge_pages import LANGUAGES
from rempart.engines.haproxy.clearance import ANSWER_RATE_MAX
from rempart.engines.haproxy.gate_keys import fresh_key, read_keys, write_keys
from rempart.model.challenges import Exemptions
from rempart.model.gate import COOKIE, GATE_PATH, GateKey, GateKeys
from rempart.model.sites import SiteLimits
from rempart.snapshot.items import SiteItem
from tests.engines.haproxy.edge import NO_LIMITS, Origin, eventually, new_edge, origin
from tests.engines.haproxy.guarded import HOST, Guarded, clearance_in, proof_for, shop, stated

ONE_CONNECTION = httpx.Limits(max_connections=1, max_keepalive_connections=1)


def test_everybody_is_challenged_in_their_language_and_the_origin_hears_nothing(guarded: Guarded) -> None:
    for code in LANGUAGES:
        page = guarded.edge.get(HOST, "/", headers={"Accept-Language": f"{code}-XX,{code};q=0.9,xx;q=0.1"})
        assert page.status == 503
        assert page.headers["cache-control"] == "no-store, no-cache"
        assert page.headers["retry-after"] == "6"
        text = page.body.decode()
        assert f'<html lang="{code}"' in text
        assert len(page.body) < 15_000
        assert page.headers["x-request-id"] in text
        assert "http://" not in text
        assert "https://" not in text
        policy = page.headers["content-security-policy"]
        for kind in ("style", "script"):
            content = re.search(rf"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
            assert content is not None
            digest = base64.b64encode(hashlib.sha256(content[1].encode()).digest()).decode()
            assert f"{kind}-src 'sha256-{digest}'" in policy
        assert "worker-src 'self'" in policy
    assert guarded.origin.requests == []


def test_the_worker_is_answered_from_memory_and_kept_by_browsers(guarded: Guarded) -> None:
    path = stated(guarded.get(), "worker")
    for method in ("GET", "HEAD"):
        script = guarded.edge.get(HOST, path, method=method)
        assert script.status == 200
        assert script.headers["content-type"].startswith("text/javascript")
        assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert script.headers["content-security-policy"] == "default-src 'none'"
    script = guarded.get(path=path)
    assert hashlib.sha256(script.body).hexdigest()[:16] in path
    # It is no answer to a challenge, so it is not counted as one; a name of another version is nothing.
    assert {guarded.get(path=path).status for _ in range(ANSWER_RATE_MAX + 20)} == {200}
    assert guarded.get(path=path.replace("proof.", "proof.0")).status == 404
    assert guarded.edge.get(HOST, path, method="POST", body=b"c=1").status == 404
    assert guarded.origin.requests == []


def test_longest_texts_fit_into_one_buffer(guarded: Guarded) -> None:
    form = b"a=" + b"%25" * 682
    for language in ("ar", "fr"):
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept-Language": language}
        page = guarded.edge.get(HOST, "/" + "<" * 511, method="POST", headers=headers, body=form)
        assert page.status == 503
        assert base64.b64decode(stated(page, "form")) == form
        assert page.body.rstrip().endswith(b"</html>")
        assert len(page.body) < 15_000


def test_a_proof_earns_a_clearance_that_opens_the_site(guarded: Guarded) -> None:
    page = guarded.get()
    form = proof_for(page)
    passed = guarded.post("pass", form)
    assert passed.status == 204
    token = clearance_in(passed)
    assert guarded.get(token, "/a").json["path"] == "/a"
    assert guarded.get(token, f"{GATE_PATH}check").status == 204
    # Replayed: neither this challenge nor the other one of the same page.
    assert guarded.post("pass", form).status == 409


def test_waiting_earns_one_too_but_not_too_early(guarded: Guarded) -> None:
    page = guarded.get()
    wait = stated(page, "wait")
    early = guarded.post("pass", f"c={wait}")
    assert early.status == 425
    time.sleep(int(early.headers["retry-after"]))
    passed = guarded.post("pass", f"c={wait}")
    assert passed.status == 204
    token = clearance_in(passed)
    assert guarded.get(token).status == 200


def test_forged_clearances_are_challenged(guarded: Guarded) -> None:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    good = guarded.token()
    assert guarded.get(good).status == 200
    head, claims, mac = good.split(".")
    kid = guarded.key().kid
    forged = {
        "other key": guarded.token(key=GateKey(kid=kid, secret="ab" * 32, created=0)),
        "unknown key": guarded.token(key=fresh_key(0)),
        "a map's other entry": f"{part({'alg': 'HS256', 'kid': 'challenge'})}.{claims}.{mac}",
        "no algorithm": f"{part({'alg': 'none', 'kid': kid})}.{claims}.",
        "no algorithm, old mac": f"{part({'alg': 'none', 'kid': kid})}.{claims}.{mac}",
        "other algorithm": f"{part({'alg': 'RS256', 'kid': kid})}.{claims}.{mac}",
        "no mac": f"{head}.{claims}.",
        "two parts": f"{head}.{claims}",
        "four parts": f"{good}.x",
        "longer life": f"{head}.{part({'aud': HOST, 'exp': 2**31, 'jti': 'p' * 23})}.{mac}",
        "other site": guarded.token("other.test"),
        "expired": guarded.token(age=5 * 3600),
        "empty": "..",
        "rubbish": "%00%0a'\"$(x)",
        "too long": good + "A" * 600,
        "much too long": "A" * 6_000,
    }
    for what, token in forged.items():
        assert guarded.get(token).status == 503, what
    assert len(guarded.origin.requests) == 1
    # A giant cookie does not get past HAProxy's own bound on headers.
    assert guarded.get("A" * 20_000).status == 400


def test_a_shared_clearance_has_the_budget_of_one_visitor(guarded: Guarded) -> None:
    limits = SiteLimits(requests_per_client=30, requests_per_site=0, connections_per_client=0)
    guarded.edge.put(shop(guarded.origin, limits))
    shared, own = guarded.token(n=1), guarded.token(n=2)
    statuses = [guarded.get(shared, source=f"127.0.0.{10 + n % 40}").status for n in range(60)]
    assert statuses[:30] == [200] * 30
    assert statuses[30:] == [429] * 30
    # The others are unharmed, whatever address they share.
    assert [guarded.get(own, source="127.0.0.10").status for _ in range(20)] == [200] * 20
    # And a visitor who changes address goes on with the same budget.
    assert guarded.get(own, source="127.0.0.200").status == 200


def test_the_gate_believes_the_edge_only(guarded: Guarded) -> None:
    """What scheme the visitor came by, and under which id."""
    spoofed = {"X-Forwarded-Proto": "gopher", "X-Request-ID": "mine"}
    for tls, scheme in ((False, "http"), (True, "https")):
        headers = {**spoofed, "Cookie": f"{COOKIE}={guarded.token()}"}
        entered = guarded.edge.get(HOST, f"{GATE_PATH}enter?to=%2Fa", headers=headers, tls=tls)
        assert entered.status == 303
        assert entered.headers["location"] == f"{scheme}://{HOST}/a"
        refused = guarded.edge.get(HOST, f"{GATE_PATH}enter?to=%2Fa", headers=spoofed, tls=tls)
        assert refused.status == 403
        assert "mine" not in refused.body.decode()
        assert f"<code>{HOST}.403-challenge-." in refused.body.decode()


def test_many_bogus_answers_cost_the_sender_only(guarded: Guarded) -> None:
    statuses = [guarded.post("pass", "c=1.wait.x&p=1").status for _ in range(ANSWER_RATE_MAX + 20)]
    assert set(statuses) == {403, 429}
    assert guarded.get(guarded.token()).status == 200


def test_giant_bodies_end_at_the_gate_with_413(guarded: Guarded) -> None:
    assert guarded.post("pass", "c=" + "x" * 100_000).status == 413
    chunked = b"1000\r\n" + b"x" * 0x1000 + b"\r\n"
    answer = guarded.edge.raw(
        f"POST {GATE_PATH}pass HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        + chunked * 8 + b"0\r\n\r\n"
    )  # fmt: skip
    assert answer.split()[1] == b"413"


def test_exceptions_are_reachable_and_limited(guarded: Guarded) -> None:
    for path in ("/robots.txt", "/.well-known/security.txt", "/blog/feed", "/news.rss"):
        assert guarded.get(path=path).status == 200, path
    authorized = guarded.edge.get(HOST, "/api", headers={"Authorization": "Bearer x"})
    assert authorized.status == 200
    assert guarded.edge.get(HOST, "/api", method="OPTIONS").status == 200
    assert guarded.edge.get(HOST, "/blog/feed", method="POST", body=b"x").status == 503
    assert guarded.get(path="/robots.txt/x").status == 503
    statuses = {guarded.get(path="/robots.txt", source=f"127.0.1.{n % 250}").status for n in range(1_050)}
    assert statuses == {200, 429}
    assert guarded.get(guarded.token()).status == 200


def test_the_owner_s_exceptions_are_theirs_alone_and_limited(guarded: Guarded, two: Origin) -> None:
    spared = Exemptions(
        paths=("/api/", "/hook"),
        networks=("127.0.3.0/25", "127.0.4.7", "2001:db8::/33"),  # 127.0.3.0/25 is eight beginnings
    )
    under = guarded.edge.items[f"site/{HOST}"]
    guarded.edge.put(under.model_copy(update={"exemptions": spared}))
    guarded.edge.put(shop(two, host="other.test"))
    for path in ("/api/", "/api/v1?x=1", "/hook", "/hooks"):
        assert guarded.get(path=path).status == 200, path
        assert guarded.get(path=path, host="other.test").status == 503, path
    for path in ("/ap", "/api", "/x/api/", "/api/../x", "/api/%2e%2E/x", "/api/%2E./x"):
        assert guarded.get(path=path).status == 503, path
    for source, status in (("127.0.3.0", 200), ("127.0.3.127", 200), ("127.0.3.128", 503), ("127.0.4.7", 200),
                           ("127.0.4.70", 503), ("127.0.3.1", 200)):  # fmt: skip
        assert guarded.get(source=source).status == status, source
    assert guarded.get(source="127.0.3.1", host="other.test").status == 503
    # A visitor with a clearance is counted as one, wherever they are.
    assert guarded.get(guarded.token(), "/api/").status == 200
    # The same from boot files, and nothing left over when they are withdrawn or the site goes.
    assert guarded.edge.engine.reconcile(guarded.edge.view).commands == 0
    guarded.edge.put(under.model_copy(update={"exemptions": Exemptions(paths=("/hook",))}))
    assert guarded.get(path="/api/").status == 503
    assert guarded.get(path="/hook").status == 200
    assert guarded.get(source="127.0.3.1").status == 503
    guarded.edge.drop(f"site/{HOST}")
    guarded.edge.put(shop(two, host="third.test"))
    assert guarded.get(path="/hook", host="third.test").status == 503


def test_a_clearance_on_an_open_connection(guarded: Guarded) -> None:
    """It is verified once in a while, and opens nothing for another site or without the cookie."""
    guarded.edge.put(shop(guarded.origin, host="other.test"))
    first, second = guarded.token(n=1), guarded.token(n=2)
    limits = SiteLimits(requests_per_client=5, requests_per_site=0, connections_per_client=0)
    guarded.edge.put(shop(guarded.origin, limits))
    with httpx.Client(base_url=f"http://127.0.0.1:{guarded.edge.http}", limits=ONE_CONNECTION) as client:

        def status(token: str, host: str = HOST, path: str = "/") -> int:
            cookie = {"Cookie": f"{COOKIE}={token}"} if token else {}
            return client.get(path, headers={"Host": host, **cookie}).status_code

        assert [status(first) for _ in range(4)] == [200] * 4
        assert status(first, "other.test") == 503
        assert status("") == 503
        assert [status(second) for _ in range(5)] == [200] * 5
        assert status(second) == 429
        assert status(first) == 200
        assert status(first) == 429
        assert status(second + "x") == 503
        assert status(second, path=f"{GATE_PATH}check") == 204
        # Keys that are taken away end it within seconds, on a connection that stays open, too.
        guarded.edge.put(shop(guarded.origin))
        token = guarded.token(n=3)
        assert status(token) == 200
        guarded.edge.config.paths.gate_keys.unlink()
        guarded.edge.engine.look_after()
        eventually(lambda: status(token) == 503)


def test_the_level_changes_without_a_reload_and_other_sites_are_never_challenged(
    guarded: Guarded, two: Origin
) -> None:
    worker = guarded.edge.engine.worker_pid()
    guarded.edge.put(
        SiteItem(host="calm.test", origins=(origin(two.port),), https_redirect=False, limits=NO_LIMITS)
    )
    assert guarded.get(host="calm.test").status == 200
    under = guarded.edge.items[f"site/{HOST}"]
    guarded.edge.put(under.model_copy(update={"challenge": False}))
    assert guarded.get().status == 200
    guarded.edge.put(under)
    assert guarded.get().status == 503
    assert guarded.edge.engine.worker_pid() == worker


def test_keys_rotate_without_a_reload_and_nobody_is_challenged_anew(guarded: Guarded) -> None:
    engine = guarded.edge.engine
    worker, before = engine.worker_pid(), guarded.token()
    first = guarded.key()
    page = guarded.get()
    keys = read_keys(guarded.edge.config.paths.gate_keys)
    assert keys is not None
    engine.rotate_gate_keys(keys.rotated(fresh_key(int(time.time()))))
    assert guarded.key() != first
    assert guarded.get(before).status == 200
    assert guarded.get(guarded.token()).status == 200
    # A challenge stated before is taken after.
    assert guarded.post("pass", proof_for(page)).status == 204
    assert f".{guarded.key().kid}." in stated(guarded.get(), "proof")
    # The first key goes with the second rotation.
    keys = read_keys(guarded.edge.config.paths.gate_keys)
    assert keys is not None
    engine.rotate_gate_keys(keys.rotated(fresh_key(int(time.time()))))
    assert guarded.get(before).status == 503
    assert engine.worker_pid() == worker


def test_keys_are_looked_after(guarded: Guarded) -> None:
    engine, path = guarded.edge.engine, guarded.edge.config.paths.gate_keys
    first, before = guarded.key(), guarded.token()
    engine.look_after()
    assert guarded.key() == first
    old = first.model_copy(update={"created": int(time.time()) - 100_000})
    write_keys(path, GateKeys(keys=(old,)))
    engine.look_after()
    assert guarded.key().kid != first.kid
    assert guarded.get(before).status == 200
    # An operator ends all clearances.
    path.unlink()
    engine.look_after()
    assert guarded.get(before).status == 503
    assert guarded.get(guarded.token()).status == 200


def test_a_wildcard_site_clears_one_host_at_a_time(guarded: Guarded) -> None:
    guarded.edge.put(shop(guarded.origin, host="*.many.test"))
    token = guarded.token("a.many.test")
    assert guarded.get(token, host="A.many.test.").status == 200
    assert guarded.get(token, host="b.many.test").status == 503


def test_files_with_keys_are_closed(guarded: Guarded) -> None:
    paths = guarded.edge.config.paths
    assert (paths.haproxy / "gate.map").stat().st_mode & 0o777 == 0o600
    assert paths.gate_keys.stat().st_mode & 0o777 == 0o640
    assert paths.gate_keys.parent.stat().st_mode & 0o007 == 0


def test_without_a_gate_nobody_is_challenged(one: Origin) -> None:
    with new_edge(shop(one)) as edge:
        edge.start()
        eventually(lambda: edge.get(HOST).status == 200)
