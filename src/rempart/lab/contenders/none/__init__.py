"""No protection at all: a plain nginx with TLS before the application."""

from __future__ import annotations

from rempart.lab.contenders.writing import nginx_contender

NONE = nginx_contender("none", "nginx as a plain reverse proxy, no limits")
