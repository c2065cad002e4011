"""The packet shield's part: loads the program, keeps it attached, tells it what it must know, says how it is.

Where it stands: a process of its own under the supervisor, small, so that nothing delays it and a fault in it
costs no visitor anything: what is attached goes on without it, and the next process takes it over. One loop,
ten times a second; everything else hangs on that beat. What to do about interfaces is decided in
``guarding.py``, what to do about floods in ``packet_loop.py``.

SIGTERM ends it in order (``shield.at_stop`` says what becomes of the program), SIGUSR2 leaves everything to
the next process.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import FrameType

import structlog

from rempart.engines.shield import bpffs, loader
from rempart.model.configuration import Configuration
from rempart.model.errors import RempartError
from rempart.node import privileges
from rempart.node.shield import choosing, guarding
from rempart.node.shield.by_hand import Lists
from rempart.node.shield.kernel import Kernel, Readings, program_bytes
from rempart.node.shield.network import KernelNetwork
from rempart.node.shield.packet_loop import PacketLoop
from rempart.node.shield.preflight import CAPABILITIES
from rempart.node.shield.sampling import Sources
from rempart.node.shield.state import (
    InterfaceView,
    ReasonCount,
    SampledSource,
    ShieldState,
    off_state,
    read_state,
    write_state,
)
from rempart.node.shield.surroundings import Surroundings
from rempart.node.shield.sysctls import Sysctls

BEAT_SECONDS = 0.1
MEASURE_SECONDS = 0.25
"""The kernel's settings follow the program's measures this often."""
LOOK_SECONDS = 2.0
"""Interfaces, addresses and routes are looked at this often."""
STATE_SECONDS = 1.0
SWEEP_SECONDS = 1.0
"""Each time one piece of the lists is gone through."""
SOURCES_SHOWN = 20
RETRY_SECONDS = 60.0
"""A process that could not load the program makes way for one that may try again after so long."""
TRIES = 5
"""And one that cannot take over what was loaded, after as many tries."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What only root could do, done before the process became its user."""

    loaded: loader.Loaded
    capabilities: tuple[int, ...]
    damage: tuple[str, ...] = ()
    """Lists on disk that could not be used, in words: they begin empty."""


def prepare(configuration: Configuration) -> Prepared:
    """As root: the program loaded, or what runs taken over, and given to the part's user.

    Loading needs what the part shall not have: CAP_PERFMON, and, to compare an older version's tables with
    ours, CAP_SYS_ADMIN. Raises EnvironmentLacks when something is missing here, EngineRefused when the kernel
    does not take the program.
    """
    user = configuration.users.shield
    owner = (privileges.user_id(user), privileges.primary_group_id(user))
    bpffs.prepare(configuration.shield_pins, owner)
    damage = Lists(configuration, None).compact()
    shield = loader.load(program_bytes(), configuration.shield_pins)
    shield.close()
    for path in configuration.shield_pins.iterdir():
        os.chown(path, *owner)
    return Prepared(shield.loaded, CAPABILITIES, damage)


def wait_to_try_again(configuration: Configuration, reason: str) -> None:
    """For a process that could not prepare: say why, and end a while later, so that the next one tries anew.

    Returns at SIGTERM, SIGINT or SIGUSR2 too.
    """
    structlog.get_logger("shield").error("packet shield: off", reason=reason)
    write_state(configuration.paths.shield_state, off_state(reason, wanted=True))
    signal.sigtimedwait((signal.SIGTERM, signal.SIGINT, signal.SIGUSR2), RETRY_SECONDS)


def run(configuration: Configuration, prepared: Prepared) -> None:
    """Returns after SIGTERM, SIGINT or SIGUSR2."""
    received: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        received.append(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2):
        signal.signal(number, note)
    with KernelNetwork() as network:
        part = Part(configuration, prepared, network)
        due = time.monotonic()
        while not received:
            part.beat()
            due = max(due + BEAT_SECONDS, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))
        part.end(hand_over=received[0] == signal.SIGUSR2)


class Part:
    """All that the process knows, between one beat and the next."""

    def __init__(self, configuration: Configuration, prepared: Prepared, network: KernelNetwork) -> None:
        self._configuration = configuration
        self._loaded = prepared.loaded
        self._damage = prepared.damage
        self._network = network
        self._path = configuration.paths.shield_state
        self._log = structlog.get_logger("shield")
        self._started = datetime.now(UTC)
        self._before = read_state(configuration.paths)
        self._kernel: Kernel | None = None
        self._sysctls = Sysctls.of(configuration.paths)
        self._guards: guarding.Guards = ()
        self._found = Surroundings()
        self._reason = ""
        self._notes: tuple[str, ...] = ()
        """What of lists and rules could not be had."""
        self._failures = 0
        self._load_due = float("-inf")
        self._look_due = float("-inf")
        self._state_due = float("-inf")
        self._sweep_due = float("-inf")
        self._measure_due = float("-inf")
        self._loop: PacketLoop | None = None
        self._sources = Sources()
        self._last: tuple[float, Readings] | None = None

    # --- the beat ------------------------------------------------------------------------------

    def beat(self) -> None:
        """Whatever is due. A fault of ours is said and the next beat goes on: the program is attached
        meanwhile."""
        try:
            self._work(time.monotonic())
        except RempartError as error:
            self._fault(str(error))
        except Exception as error:
            self._log.exception("fault")
            self._fault(f"{type(error).__name__}: {error}")

    def _work(self, now: float) -> None:
        if self._kernel is None:
            if now < self._load_due:
                self._publish(now)
                return
            self._load(now)
        kernel = self._kernel
        if kernel is None:
            self._publish(now)
            return
        found = kernel.take()
        if self._loop is not None:
            # First what is against the clock.
            self._loop.tick(found, time.monotonic(), time.time())
        if found is not None:
            self._sources.add(kernel.dropped(found), now)
        if now >= self._measure_due:
            self._measure_due = now + MEASURE_SECONDS
            self._measures(kernel)
        if now >= self._look_due:
            self._look_due = now + LOOK_SECONDS
            self._look(kernel, now)
        if now >= self._sweep_due:
            self._sweep_due = now + SWEEP_SECONDS
            kernel.sweep()
        self._publish(now)

    def _load(self, now: float) -> None:
        """The program that was loaded, told everything it must know, attached nowhere new yet."""
        try:
            self._found = self._network.look()
            kernel = Kernel.adopt(self._configuration)
            self._prepare_cookies(kernel)
            # First the lists: that they are empty is how it is seen that they were forgotten.
            self._notes = (*self._damage, *kernel.restore())
            kernel.tell(self._found, self._wanted())
            self._loop = self._defend(kernel)
        except RempartError as error:
            self._failures += 1
            if self._failures > TRIES:
                raise SystemExit(1) from error
            self._load_due = now + guarding.retry_seconds(self._failures)
            if str(error) != self._reason:
                self._log.error("packet shield: off", reason=str(error))
            self._reason = str(error)
            self._publish(now, at_once=True)
            return
        for words in self._notes:
            self._log.error("packet shield: lists are not complete", reason=words)
        self._failures, self._reason, self._kernel = 0, "", kernel
        self._look_due = now
        loaded = self._loaded
        self._log.info("loaded", adopted=loaded.adopted, kept=len(loaded.kept), notes=list(loaded.notes))

    def _defend(self, kernel: Kernel) -> PacketLoop | None:
        """The defence loop; None, and nothing of it in the program, where there shall be none."""
        if self._configuration.defence.enabled:
            try:
                return PacketLoop(self._configuration, kernel, time.monotonic(), time.time())
            except OSError as error:
                self._log.error("defence: off", reason=f"its journal cannot be used: {error}")
                self._notes = (*self._notes, f"the defence loop's journal cannot be used: {error.strerror}")
        if kernel.derived():
            kernel.enforce(())
        return None

    def _prepare_cookies(self, kernel: Kernel) -> None:
        if self._configuration.shield.syn_cookies == "never":
            return
        try:
            changed = self._sysctls.prepare()
        except RempartError as error:
            # Without them the rest still protects; a SYN flood is answered with cookies that hold less.
            self._log.error("SYN cookies cannot carry options", reason=str(error))
            return
        kernel.timestamps = True
        if changed:
            self._log.info("kernel settings changed for SYN cookies", before=dict(changed))

    def _measures(self, kernel: Kernel) -> None:
        if self._configuration.shield.syn_cookies != "never" and kernel.timestamps:
            self._sysctls.cookies(made=kernel.cookies_are_made())

    def _wanted(self) -> tuple[str, ...]:
        return choosing.guarded(self._configuration, self._found)

    def _look(self, kernel: Kernel, now: float) -> None:
        self._found = self._network.look()
        before = tuple(guard.name for guard in self._guards)
        wanted = choosing.guarded_on(before, self._wanted(), self._found)
        kernel.tell(self._found, wanted)
        if self._loop is not None:
            self._loop.gauge.interfaces(wanted)
        if {guard.name for guard in self._guards} != set(wanted):
            self._step(kernel, guarding.Wanted(wanted), now)
        if not wanted:
            self._reason = choosing.nothing_to_guard(self._configuration)
        elif self._kernel is not None:
            self._reason = ""
        found = {one.name: (one.index, one.program) for one in self._found.interfaces}
        self._step(kernel, guarding.Looked(found, kernel.program_id), now)

    def _step(self, kernel: Kernel, event: guarding.Event, now: float) -> None:
        self._guards, instructions = guarding.step(self._guards, event, now)
        for instruction in instructions:
            match instruction:
                case guarding.Attach():
                    self._step(kernel, self._attach(kernel, instruction), now)
                case guarding.Detach():
                    kernel.detach(instruction.name)
                    self._log.warning("detached: no longer to be guarded", interface=instruction.name)
                case guarding.Say():
                    say = self._log.error if instruction.alarm else self._log.info
                    words = (
                        {"reason": instruction.reason} if instruction.alarm else {"mode": instruction.reason}
                    )
                    say(f"packet shield: {instruction.words}", interface=instruction.interface, **words)
                    self._state_due = now

    def _attach(self, kernel: Kernel, wanted: guarding.Attach) -> guarding.Attached | guarding.Refused:
        try:
            mode = choosing.mode(self._configuration.shield, self._found.by_name.get(wanted.name))
            done = kernel.attach(wanted.name, mode)
        except RempartError as error:
            return guarding.Refused(wanted.name, str(error))
        if done.words:
            self._log.warning("packet shield: not native", interface=wanted.name, reason=done.words)
        return guarding.Attached(wanted.name, done.ifindex, done.mode, self._since(wanted.name, done.adopted))

    def _since(self, name: str, adopted: bool) -> datetime:
        if adopted and self._before is not None:
            for one in self._before.interfaces:
                if one.name == name and one.since is not None:
                    return one.since
        return datetime.now(UTC)

    # --- what others see -----------------------------------------------------------------------

    def _fault(self, words: str) -> None:
        if words != self._reason:
            self._log.error("packet shield: cannot be looked after", reason=words)
        self._reason = words
        with contextlib.suppress(Exception):
            self._publish(time.monotonic(), readable=False)

    def _publish(self, now: float, *, at_once: bool = False, readable: bool = True) -> None:
        if now < self._state_due and not at_once:
            return
        self._state_due = now + STATE_SECONDS
        try:
            write_state(self._path, self._state(now, readable=readable))
        except OSError as error:
            # A full disk: the file grows old, which its readers say.
            self._log.error("cannot write the state", reason=str(error))

    def _state(self, now: float, *, readable: bool) -> ShieldState:
        kernel = self._kernel
        missing = [f"{guard.name}: {guard.reason}" for guard in self._guards if not guard.attached]
        reason = self._reason or "; ".join((*missing, *self._notes))
        state = off_state(reason, wanted=True).model_copy(
            update={
                "on": kernel is not None and bool(self._guards) and not reason,
                "started": self._started,
                "interfaces": tuple(_view(guard) for guard in self._guards),
            }
        )
        if kernel is None or not readable:
            return state
        readings = kernel.readings()
        before, self._last = self._last, (now, readings)
        return state.model_copy(
            update={
                "counts": tuple(_counts(readings, before, now)),
                "lists": kernel.sizes(),
                "syn_cookies": readings.syn_cookies,
                "dns_challenge": readings.dns_challenge,
                "lost_samples": readings.lost_samples,
                "lost_captures": readings.lost_captures,
                "sources": tuple(
                    SampledSource(source=source, reason=why, packets_per_second=rate)
                    for source, why, rate in self._sources.most(SOURCES_SHOWN)
                ),
            }
        )

    # --- the end -------------------------------------------------------------------------------

    def end(self, *, hand_over: bool) -> None:
        """The last words: detached, or left attached, and said which."""
        kernel, stays = self._kernel, hand_over or self._configuration.shield.at_stop == "stay"
        attached = [guard.name for guard in self._guards if guard.attached]
        if self._loop is not None:
            self._end_loop(self._loop, hand_over=hand_over, stays=stays)
        if stays:
            self._log.info("left attached", interfaces=attached, hand_over=hand_over)
            # The cookies' settings stay as well: nobody but us would change them when they are needed.
            return
        with contextlib.suppress(RempartError, OSError):
            self._sysctls.restore()
        if kernel is not None:
            kernel.remove()
        self._log.info("detached", interfaces=attached)
        with contextlib.suppress(OSError):
            write_state(self._path, off_state("stopped with rempart up", wanted=False))

    def _end_loop(self, loop: PacketLoop, *, hand_over: bool, stays: bool) -> None:
        """What the loop has found goes on with the next process, or ends with this one."""
        with contextlib.suppress(RempartError, OSError):
            if hand_over:
                loop.hand_over(time.monotonic(), time.time())
                return
            loop.end(time.monotonic(), time.time())
            if stays:
                loop.clear()


def _view(guard: guarding.Guard) -> InterfaceView:
    return InterfaceView(
        name=guard.name, mode=guard.mode, since=guard.since, reason=guard.reason, lost=guard.lost
    )


def _counts(readings: Readings, before: tuple[float, Readings] | None, now: float) -> Iterable[ReasonCount]:
    """With rates since the last reading, for every reason that was ever seen."""
    earlier = before[1].counts if before is not None else readings.counts
    seconds = max(now - before[0], 0.001) if before is not None else 1.0
    for reason, (packets, octets) in readings.counts.items():
        if packets:
            packets_before, octets_before = earlier.get(reason, (0, 0))
            yield ReasonCount(
                reason=reason,
                packets=packets,
                bytes=octets,
                packets_per_second=round(max(packets - packets_before, 0) / seconds, 1),
                bytes_per_second=round(max(octets - octets_before, 0) / seconds, 1),
            )
