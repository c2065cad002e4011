"""The origins there are."""

from __future__ import annotations

from rempart.lab.origins.contract import Origin
from rempart.lab.origins.forum import FORUM
from rempart.lab.origins.shop import SHOP

ORIGINS: dict[str, Origin] = {origin.name: origin for origin in (SHOP, FORUM)}
