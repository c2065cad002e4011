"""Abuse reports, judged: is it one that we have (``duplicates``), may it come now (``floods``, ``proof``),
who is told of it (``forwarding``), what of it must be left out (``identity``), what the reporter is told
(``outcomes``), how sites answer (``answering``). Pure.
"""
