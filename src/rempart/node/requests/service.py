"""The part that judges requests: ten times a second, from what HAProxy told and counts to what it is to do.

Where it stands: a process of its own under the supervisor, as the node's user: HAProxy's runtime socket is
open to that user, and whoever may write there may do anything to HAProxy, so a user of its own would
protect nothing. No visitor waits for it. When it dies, what stands in HAProxy lapses within seconds
(``carrying.HOLD_S``), unless the next process takes it over; HAProxy goes on with its own limits.

SIGTERM and SIGINT end it in order: nothing stands afterwards. SIGUSR2 leaves everything to the next process.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import numpy as np
import structlog

from rempart.defence.policy import Policy
from rempart.engines.haproxy import sight, verdicts
from rempart.engines.haproxy.defending import EdgeDefence
from rempart.engines.haproxy.names import Places
from rempart.engines.haproxy.state import host_digest
from rempart.model.attacks import REQUEST, Layer
from rempart.model.configuration import Configuration
from rempart.model.errors import RempartError
from rempart.node.defending.deciding import Deciding, Naming
from rempart.node.defending.journal import read_history
from rempart.node.requests.carrying import Carrying
from rempart.node.requests.listening import RequestSocket
from rempart.node.requests.notices import NoticesWriter
from rempart.node.requests.observing import Observing
from rempart.node.requests.words import words

TICK_S = 0.1
TOLD_PER_SECOND = 1_000
"""To make the line and to tell of it costs HAProxy 120,000 instructions, twice as much as to serve a request:
so many a second are some 3 % of a core, and what they have in common shows within a tick or two."""
SITES_S = 30.0
"""Who is who is asked anew so often; and when a site comes that is not known, at most every STRANGERS_S."""
STRANGERS_S = 1.0


def run(configuration: Configuration) -> None:
    """Returns after SIGTERM, SIGINT or SIGUSR2."""
    received: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        received.append(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2):
        signal.signal(number, note)
    if not configuration.defence.enabled:
        stand_aside(configuration, lambda: bool(received))
        return
    part = Part(configuration)
    part.ready()
    while not received:
        part.tick()
    part.end(hand_over=received[0] == signal.SIGUSR2)


def stand_aside(configuration: Configuration, told_to_end: Callable[[], bool]) -> None:
    """The loop is switched off: what an earlier process has told HAProxy is taken back, and that is all."""
    log = structlog.get_logger("defence").bind(layer="request")
    log.info("the defence loop is switched off", setting="defence.enabled")
    edge, left = Carrying(EdgeDefence(configuration.paths)), False
    while not told_to_end():
        if not left:
            try:
                edge.leave()
                left = True
            except RempartError:
                pass  # it is not there yet
        time.sleep(0.5)


class Part:
    """All that the process knows, between one tick and the next."""

    def __init__(self, configuration: Configuration, policy: Policy | None = None) -> None:
        """EnvironmentLacks when its socket cannot be bound, OSError when its journal cannot be used."""
        paths = configuration.paths
        self._edge = EdgeDefence(paths)
        self.carrying = Carrying(self._edge)
        self._observing = Observing()
        self._socket = RequestSocket(Path(Places.of(paths).requests_socket))
        self._log = structlog.get_logger("defence").bind(layer="request")
        own = configuration.operator_host
        self._left_out = key_of(own) if own is not None else None
        """The operator's own host: never judged, so never refused anything."""
        past = (one.mitigation for one in read_history(paths, Layer.REQUEST))
        self._notices = NoticesWriter(paths.notices, [one for one in past if one is not None])
        self._unnoticed = ""
        self.deciding = Deciding(
            paths,
            configuration.defence,
            Layer.REQUEST,
            Naming(key=key_of, subject=self._subject, words=words),
            time.monotonic(),
            datetime.now(UTC),
            policy=policy or Policy(bound=configuration.defence.bound, requests_per_second=TOLD_PER_SECOND),
        )
        self._last = self._due = time.monotonic()
        self._sites_due = self._strangers_due = float("-inf")
        self._strangers = True
        self._reached: bool | None = None

    def ready(self) -> None:
        # What a first judgement has to load is loaded before the first attack.
        sight.records([b"-"])
        self._log.info("defence begins")

    def tick(self) -> None:
        """One tenth of a second: listen, look, judge, carry out, write down."""
        self._due = max(self._due + TICK_S, time.monotonic())
        lines = self._socket.gather(self._due)
        now, wall = time.monotonic(), datetime.now(UTC)
        try:
            self._judge(lines, now, wall)
            if not self._reached:
                self._log.info("HAProxy answers")
                self._reached = True
        except RempartError as error:
            if self._reached is not False:
                self._log.warning("HAProxy does not answer", reason=str(error))
                self._reached = False
        self.deciding.write(now, wall)
        self._notify(now, wall)

    def end(self, *, hand_over: bool) -> None:
        """The last thing; ``hand_over``: what stands stays for the next process."""
        now, wall = time.monotonic(), datetime.now(UTC)
        if hand_over:
            self.deciding.keep(now, wall)
        else:
            self.deciding.end("the defence loop was stopped", now, wall)
            try:
                self.carrying.leave()
            except RempartError as error:
                self._log.info("HAProxy is gone before", reason=str(error))
            self._notify(float("inf"), wall)
        self._socket.close()
        self._log.info("defence ended")

    def _judge(self, lines: list[bytes], now: float, wall: datetime) -> None:
        records = sight.records(lines)[0] if lines else np.zeros(0, REQUEST)
        if self._left_out is not None:
            records = records[records["site"] != self._left_out]
        self._learn_sites(records, now)
        standing = self.deciding.defence.mitigations.standing
        sites = [one.mitigation.key for one in standing.values()]
        count = self._edge.counts(self._observing.backends(sites))
        hits = {number: one.mitigation.hits for number, one in standing.items()}
        observation = self._observing.observed(records, count, hits, now - self._last, wall.timestamp())
        self._last = now
        decided = self.deciding.step(observation, now, wall)
        entries = verdicts.entries(decided.rules.requests) if decided.rules is not None else None
        self.carrying.want(entries, decided.every)
        self.carrying.let_through(self._released(wall))
        self.carrying.follow(count.worker, now, wall.timestamp())

    def _released(self, wall: datetime) -> tuple[str, ...]:
        """Whom people have let through, as HAProxy names them now."""
        keys: list[str] = []
        for one in self.deciding.orders.releases:
            known = self._observing.site(key_of(one.host)) or self._observing.site(key_of(above(one.host)))
            if known is not None and one.until > wall:
                keys += verdicts.release_keys(known.backend, one.address)
        return tuple(keys)

    def _notify(self, now: float, wall: datetime) -> None:
        """Tell visitors, through the gate, what stands."""
        self._notices.ended(self.deciding.take_ended())
        if not self._notices.due(now):
            return
        try:
            standing = self.deciding.entries(time.monotonic(), wall)
            self._notices.write(standing, self.deciding.orders.releases, now, wall)
            self._unnoticed = ""
        except OSError as error:
            if self._unnoticed != str(error):
                self._unnoticed = str(error)
                self._log.error("visitors cannot be told what stands", reason=error.strerror)

    def _learn_sites(self, records: np.ndarray, now: float) -> None:
        strangers = self._strangers or self._observing.strangers(records)
        if now >= self._sites_due or (strangers and now >= self._strangers_due):
            self._observing.learn(self._edge.sites())
            self._sites_due, self._strangers_due = now + SITES_S, now + STRANGERS_S
            strangers = False
        self._strangers = strangers

    def _subject(self, number: int) -> str:
        known = self._observing.site(number)
        return known.host if known is not None else f"site {number:08x}"


def above(host: str) -> str:
    """The wildcard that a host can be of."""
    return f"*.{host.partition('.')[2]}"


def key_of(host: str) -> int:
    """The loop's key of a site."""
    return sight.site_number(host_digest(host))
