"""The name server: Knot DNS, configured by a file, filled through its control socket.

``compile`` writes ``knot.conf``; ``records``, ``catalog`` and ``soa`` turn desired and observed zones into
operations, all pure; ``session`` speaks the control protocol; ``control`` makes the engine equal to the
items, with ``boot`` (the file), ``membership`` (which zones) and ``contents`` (what is in them).
"""
