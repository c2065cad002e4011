"""The judgement: what is an attack, what describes it, and what may be done about it. Pure.

Where it stands: the node hands ``loop.Defence`` an ``Observation`` ten times a second and carries out the
instructions that come back. No socket, clock, file or process: time is an argument, chance is seeded, memory
is bounded. docs/defence.md goes through it with the figures and their reasons.

``baseline`` knows what is usual, ``reservoir`` keeps good records, ``detect`` says that something is wrong,
``signatures`` what the wrong has in common, ``trial`` whom that would hit, ``mitigation`` whether it helped.
"""
