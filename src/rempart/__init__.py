"""Rempart: self-hosted edge protection, in five nouns.

A *zone* is a domain whose DNS we answer. A *site* is a host name in it whose visitors come through
us to its *origins*. What people decide about zones and sites is an *intent*, kept in the store and
compiled into *items*; a *node* makes its engines (Knot DNS, HAProxy) equal to the items it was sent.
"""

__version__ = "0.1.0"
