"""What stands behind the edge: ``contract`` says what an origin is, ``catalogue`` lists them."""
