"""The intent store: what people decided, and the items published from it, in one database.

``tables`` are the rows, ``migrations`` their history, ``database`` opens SQLite or PostgreSQL and hands out
transactions, ``sealing`` keeps secrets unreadable at rest, ``published`` is the table nodes are fed from,
``views`` reads rows back as model values.
"""
