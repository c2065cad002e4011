"""Those who protect the origin, side by side: ``contract`` says what one is, ``catalogue`` lists them. Each
has a folder with the configuration it gets, and the source of each recommendation in it: object, and we
change it."""
