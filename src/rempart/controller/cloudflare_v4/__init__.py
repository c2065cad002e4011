"""Cloudflare's v4 API over the same intents as our own command line, so that its clients work unchanged.

``endpoints`` is the one table of what there is and which permission it takes; ``dispatch`` takes a request
through limits, authentication, authorisation and its handler; ``application`` makes the servers' application
of it. What Cloudflare has and this does not is refused, never silently accepted.
"""
