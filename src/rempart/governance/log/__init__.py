"""The public log's arithmetic: an append-only Merkle tree in the C2SP formats, as pure functions of octets.

``step`` says what an entry is, ``hashing`` and ``tree`` are RFC 6962's tree and its proofs, ``tiles`` the
files it is served as, ``growing`` what appending writes, ``note``, ``checkpoint`` and ``cosignature`` what is
signed, ``witnessing`` what a witness decides, ``proof`` a proof in one file, ``auditing`` the check of it.
Files, sockets and clocks are ``controller/transparency``'s.
"""
