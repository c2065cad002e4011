"""``python -m rempart``: the same as the ``rempart`` command."""

from rempart.cli.main import main

if __name__ == "__main__":
    main()
