"""A small Internet in network namespaces: ``addressing`` and ``world`` plan it, ``making`` makes it,
``remains`` clears what a killed run left."""
