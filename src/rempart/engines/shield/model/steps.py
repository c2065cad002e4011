"""The packet shield in plain Python: the oracle that the program is held to.

`decide` follows docs/shield.md step by step; each step is a function here that has its number and either ends
with a reason or says None. It is written for being right and read, not for speed.
"""

from __future__ import annotations

from rempart.engines.shield.layout import CAPTURE_SNAP, SNAP, Reason, Verdict
from rempart.engines.shield.model.cookies import cookies
from rempart.engines.shield.model.decision import Decision
from rempart.engines.shield.model.limits import buckets
from rempart.engines.shield.model.lists import lists, martians
from rempart.engines.shield.model.name_server import name_server
from rempart.engines.shield.model.parse import Packet, parse
from rempart.engines.shield.model.passage import Passage, is_sampled, sample
from rempart.engines.shield.model.rules import rules
from rempart.engines.shield.model.served import ours, served
from rempart.engines.shield.model.state import State
from rempart.engines.shield.model.tables import Flags, Tables
from rempart.engines.shield.model.vector import vector

LOOPBACK = 1
STEPS = (lists, martians, rules, ours, served, buckets, cookies, name_server)


def decide(
    tables: Tables, state: State, frame: bytes, now: int, answer: bytes = b"", interface: int = LOOPBACK
) -> Decision:
    """What the shield does with a frame at `now` (ns, monotonic). Changes `state`.

    `answer` is the frame that the program made of it. Only the cookie and the upper bits of the timestamp are
    read from it, and only when the decision here is TX_SYN_COOKIE: the kernel's secret is not ours.
    """
    config = tables.config
    if not config.flags & Flags.ON:
        passage = Passage(tables, state, Packet(frame), bytes(64), now, answer, interface)
        return _ended(passage, Reason.PASS_OFF)
    packet = parse(frame)
    passage = Passage(tables, state, packet, vector(packet), now, answer, interface)
    if packet.fault is not None:
        return _ended(passage, packet.fault)
    for step in STEPS:
        reason = step(passage)
        if reason is not None:
            return _ended(passage, reason)
    raise AssertionError("the last step always ends with a reason")


def _ended(p: Passage, reason: Reason) -> Decision:
    """Count, and step 10: samples and captures."""
    config, frame = p.config, p.packet.frame
    n = p.state.counters[reason].add(frame)
    mask = config.sample_mask if reason.verdict is Verdict.PASS else config.drop_sample_mask
    if is_sampled(n, mask):
        p.samples.append(sample(p, reason, p.rule, SNAP))
    captured = config.flags & Flags.CAPTURING and is_sampled(n, config.capture_mask)
    return Decision(
        verdict=reason.verdict,
        reason=reason,
        rule=p.rule,
        vector=p.vector,
        frame_out=frame if p.frame_out is None else p.frame_out,
        samples=tuple(p.samples),
        captures=(sample(p, reason, p.rule, CAPTURE_SNAP),) if captured else (),
    )
