"""The packet shield: an XDP program before everything else, and what loads, feeds and reads it.

``docs/shield.md`` says what the program decides, ``bpf/tables.h`` how it and we share memory.
"""
