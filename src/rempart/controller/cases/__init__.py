"""Cases as they are kept and carried out: the shell around ``governance``.

``docket`` takes steps: intended, then in the public log, then in force, each in a transaction of its own.
``effects`` is the only place that writes remedies. ``charter`` keeps arbiters and policies, ``confidences``
what is nobody's business; ``probing`` looks from outside whether a remedy is in force; ``clockwork`` does
what is due.
"""
