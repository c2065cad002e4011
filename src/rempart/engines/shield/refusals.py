"""What can be wrong between the shield and the kernel, each with what to do about it. Pure."""

from __future__ import annotations

import errno

from rempart.model.errors import EngineRefused, EnvironmentLacks

ENGINE = "shield"
MINIMUM_KERNEL = "6.1"
LOG_LINES = 12


class BpfFailed(EngineRefused):
    """The kernel refused one operation; ``errno`` says why."""

    slug = "bpf-failed"

    def __init__(self, what: str, number: int) -> None:
        name = errno.errorcode.get(number, str(number))
        super().__init__(ENGINE, f"could not {what}: {_MEANING.get(number, 'the kernel refused')} ({name})")
        self.errno = number


class BrokenObject(EngineRefused):
    """The compiled packet program is not one, or not ours."""

    slug = "broken-object"

    def __init__(self, message: str, said: tuple[str, ...]) -> None:
        super().__init__(ENGINE, f"the packet program is damaged: {_joined(message, said)}")
        self.hint = "install Rempart again; nothing was changed"


class VerifierRefused(EngineRefused):
    """The kernel did not load the packet program; ``log`` holds all of the verifier's words."""

    slug = "verifier-refused"

    def __init__(self, name: str, number: int, log: str, said: tuple[str, ...]) -> None:
        reason = shortened(log) or "; ".join(said[-3:]) or errno.errorcode.get(number, str(number))
        super().__init__(ENGINE, f"the kernel refused the packet program:\n{reason}", item=name)
        self.hint = "what ran before runs on; report this with the kernel's version (uname -r)"
        self.errno = number
        self.log = log


def shortened(log: str) -> str:
    """The end of a verifier's log without its statistics: where it says what it did not like."""
    lines = [line for line in log.splitlines() if line.strip() and not line.startswith(_STATISTICS)]
    cut = len(lines) - LOG_LINES
    return "\n".join(([f"… {cut} lines before"] if cut > 0 else []) + lines[-LOG_LINES:])


def library_missing(words: str) -> EnvironmentLacks:
    return EnvironmentLacks(
        "libbpf1",
        f"libbpf is not installed or too old for the packet shield: {words}",
        hint="apt-get install libbpf1 (1.1 or newer), or switch the shield off",
    )


def no_privileges(what: str) -> EnvironmentLacks:
    return EnvironmentLacks(
        "CAP_BPF",
        f"not allowed to {what}",
        hint="run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, a container too",
    )


def kernel_too_old(missing: tuple[str, ...]) -> EnvironmentLacks:
    return EnvironmentLacks(
        "kernel",
        f"this kernel has not what the packet shield needs: {', '.join(missing)}",
        hint=f"Linux {MINIMUM_KERNEL} or newer (Debian 12's), or switch the shield off",
    )


def no_bpffs(path: str, words: str) -> EnvironmentLacks:
    return EnvironmentLacks(
        "bpffs",
        f"no bpf file system at {path} and it could not be mounted: {words}",
        hint=f"mount -t bpf bpf {path}",
    )


_STATISTICS = ("processed ", "verification time", "stack depth", "-- BEGIN", "-- END")
_MEANING = {
    errno.E2BIG: "the map is full",
    errno.ENOSPC: "the map is full",
    errno.ENOMEM: "no memory",
    errno.EBUSY: "something else is attached there",
    errno.EEXIST: "it exists already",
    errno.ENODEV: "there is no such interface",
    errno.ENOENT: "there is no such entry",
    errno.EINVAL: "an argument it does not know",
    errno.ENOTSUP: "this driver or kernel cannot do it",
}


def _joined(message: str, said: tuple[str, ...]) -> str:
    return "; ".join((message, *said[-3:]))
