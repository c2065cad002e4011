"""The exit kit: a zone's belongings in one archive, and an archive read, distrusting every octet of it.

``archive`` and ``contents`` are pure; ``gathering`` reads the store; what an import writes is
``intents.bundles``.
"""
