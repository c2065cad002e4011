"""Who decides about floods in ``rempart bench shield``: the kernel alone, nftables (two variants), the shield
(native and generic), and a sink to compare with. Each stands on a ground for as long as its block runs.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from typing import Protocol

from rempart.engines.shield.layout import Reason
from rempart.engines.shield.libbpf import Mode
from rempart.engines.shield.loader import Shield
from rempart.lab.bench.shield_decisions import BURST, RATE, Decision
from rempart.lab.bench.shield_ground import Ground
from rempart.lab.bench.shield_nftables import SYNPROXY_SYSCTLS, Hook, Ruleset, ruleset
from rempart.lab.bench.shield_paths import Lists
from rempart.lab.bench.shield_program import order
from rempart.lab.network.inside import inside, set_sysctls
from rempart.lab.network.world import Role
from rempart.model.errors import RempartError
from rempart.model.shield import ClassLimits, Limit, ShieldOrders, When

SHIELD, GENERIC = "shield", "shield, generic"
KERNEL, SINK = "kernel alone", "sink"
LOADING_S = 300.0
"""A set of a million prefixes takes nft a quarter of a minute on a quiet machine."""


class Contender(Protocol):
    """Somebody who can stand there."""

    name: str

    def lacks(self, decision: Decision) -> str | None:
        """Why it cannot make a decision; None: it can."""

    def standing(self, decision: Decision) -> AbstractContextManager[None]:
        """Make the decision about all that comes while the block runs."""


class Kernel:
    """Nobody: what the kernel does with packets by itself. It drops none of them early."""

    name = KERNEL

    def lacks(self, decision: Decision) -> str | None:
        return None

    def standing(self, decision: Decision) -> AbstractContextManager[None]:
        return nullcontext()


class Sink:
    """Two instructions drop everything: what is left is the way of a frame, as long as it is for all."""

    name = SINK

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def lacks(self, decision: Decision) -> str | None:
        return None

    def standing(self, decision: Decision) -> AbstractContextManager[None]:
        return self._ground.dropping(Role.EDGE)


class Nftables:
    """nftables at one hook. Its sets are loaded once; what could not be is lacking, with nft's words."""

    def __init__(self, ground: Ground, hook: Hook, blocked: Sequence[str]) -> None:
        self.name = f"nftables, {hook}"
        self._ground = ground
        self._rulesets: dict[Decision, Ruleset] = {}
        self._lacking: dict[Decision, str] = {}
        self.loading_s: float | None = None
        """What its block list took; None when it could not be loaded."""
        for decision in Decision:
            made = ruleset(decision, hook, ground.interface, blocked)
            if made is None:
                self._lacking[decision] = f"{hook} has no statement for it"
                continue
            self._rulesets[decision] = made
            began = time.perf_counter()
            words = self._nft(made.made)
            if decision is Decision.BLOCKED and words is None:
                self.loading_s = time.perf_counter() - began
            # Tried at once: a module that is missing shows when the rules are set.
            words = words or self._nft(made.on) or self._nft(made.off)
            if words:
                self._lacking[decision] = words

    def lacks(self, decision: Decision) -> str | None:
        return self._lacking.get(decision)

    @contextmanager
    def standing(self, decision: Decision) -> Iterator[None]:
        if decision is Decision.SYN_COOKIE:
            set_sysctls(self._ground.edge, SYNPROXY_SYSCTLS)
        rules = self._rulesets[decision]
        if words := self._nft(rules.on):
            raise RempartError(f"{self.name}: {words}")
        try:
            yield
        finally:
            if words := self._nft(rules.off):
                raise RempartError(f"{self.name}: {words}")

    def _nft(self, text: str) -> str | None:
        """Have nft do it in the filter's namespace; its words when it did not."""
        if shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin:/usr/local/sbin") is None:
            return "nft is not installed: apt-get install nftables"
        file = self._ground.network.folder / "rules.nft"
        file.write_text(text)
        command = self._ground.network.place(Role.EDGE).command(["nft", "-f", str(file)])
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=LOADING_S, check=False, errors="replace"
            )
        except subprocess.TimeoutExpired:
            return f"nft did not end within {LOADING_S:.0f} s"
        words = done.stderr.strip().splitlines()
        return None if done.returncode == 0 else (words[0][-200:] if words else f"nft: {done.returncode}")


class Shielded:
    """The shield. The block list is in it already; nobody reads its samples."""

    def __init__(self, ground: Ground, shield: Shield, mode: Mode) -> None:
        self.name = SHIELD if mode is Mode.NATIVE else GENERIC
        self._ground, self._shield, self._mode = ground, shield, mode

    def lacks(self, decision: Decision) -> str | None:
        return None

    @contextmanager
    def standing(self, decision: Decision) -> Iterator[None]:
        order(self._shield, ORDERS[decision], _lists(decision), 0)
        interface = self._ground.interface
        inside(self._ground.edge, partial(self._shield.attach, interface, self._mode))
        try:
            yield
        finally:
            with suppress(FileNotFoundError):
                inside(self._ground.edge, partial(self._shield.detach, interface))


_LIMIT = Limit(per_second=RATE / 60, burst=BURST)
_USUAL = ShieldOrders(syn_cookies=When.NEVER, dns_challenge=When.NEVER, dns_slip=0)
ORDERS: Mapping[Decision, ShieldOrders] = {
    Decision.BLOCKED: _USUAL,
    Decision.NOT_SERVED: _USUAL,
    Decision.NOT_SERVED_UDP: _USUAL,
    Decision.SYN_LIMIT: _USUAL.model_copy(update={"source": ClassLimits(syn=_LIMIT)}),
    Decision.UDP_LIMIT: _USUAL.model_copy(update={"source": ClassLimits(udp=_LIMIT)}),
    Decision.DNS_LIMIT: _USUAL.model_copy(update={"prefix": ClassLimits(dns=_LIMIT)}),
    Decision.SYN_COOKIE: _USUAL.model_copy(update={"syn_cookies": When.ALWAYS, "cookie_timestamps": True}),
}
"""What the shield is told: for each decision what it needs, samples as usual."""

REASONS: Mapping[Decision, Reason] = {
    Decision.BLOCKED: Reason.DROP_BLOCKED,
    Decision.NOT_SERVED: Reason.DROP_NOT_SERVED,
    Decision.NOT_SERVED_UDP: Reason.DROP_NOT_SERVED,
    Decision.SYN_LIMIT: Reason.DROP_SOURCE_SYN,
    Decision.UDP_LIMIT: Reason.DROP_SOURCE_UDP,
    Decision.DNS_LIMIT: Reason.DROP_DNS_LIMIT,
    Decision.SYN_COOKIE: Reason.TX_SYN_COOKIE,
}
"""How each packet of a flood should end in it."""


def _lists(decision: Decision) -> Lists:
    return Lists.BLOCKED if decision is Decision.BLOCKED else Lists.NONE
