"""One folder per engine: ``compile`` (pure: items → files and commands) and ``control`` (talks to it)."""
