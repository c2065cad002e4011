"""Drills: ``contract`` says what one is, ``catalogue`` lists them, ``running`` gives every contender the
same world one after the other, ``measures`` judges from the truths, ``report`` draws."""
