"""Visitors: ``contract`` says what they are, ``behaviours`` plans their visits (pure), ``browsing`` and
``resolving`` carry them out in the visitors' namespace, ``truth`` is what each saw."""
