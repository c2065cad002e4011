"""What people may decide, one module per kind of thing. Every write is one transaction: the rows, the items
compiled from them, the plan's check, the revision and the audit entry are all there, or none is.

``Intents`` (in ``facade``) is the door; ``transaction`` is what a write goes through; ``compilation`` turns
touched names into items.
"""

from rempart.controller.intents.actor import OPERATOR, SYSTEM, Actor, ActorKind
from rempart.controller.intents.facade import Intents
from rempart.controller.intents.transaction import Written

__all__ = ["OPERATOR", "SYSTEM", "Actor", "ActorKind", "Intents", "Written"]
