"""The part that judges requests: what HAProxy says of them, into the defence loop; what follows, into
HAProxy.

Where it stands: a process of its own under the supervisor. ``listening`` is the socket, ``observing`` makes
observations (pure), ``carrying`` keeps HAProxy equal to what the loop wants, ``words`` are people's (pure),
``service`` the process.
"""
