"""The demo: the story of a real forum under attack (``story``), or a tour of one site on this machine
(``tour``).

``bin/demo`` runs it; it ends by itself, with status 0 when everything was as it should be.
"""
