"""Attacks: ``contract`` says what one is, ``catalogue`` lists them; each other module is one attack's sender,
run as ``python -m rempart.lab.attacks.NAME`` inside the bots' namespace."""
