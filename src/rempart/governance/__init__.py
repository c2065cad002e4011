"""How the power over who is protected is exercised: cases, quorum, deadlines, statements, log. Pure.

``cases.step(case, event, now)`` is the whole process: it gives the case as it then is, and what is to be done
about it, or refuses the event. Nothing here knows of a store or a network; ``controller.cases`` keeps the
steps, has each of them in the public log (``log``) before it has an effect, and carries the instructions out.
"""
