"""The forum's own project: django-machina as its documentation sets it up. Runs in an environment of its own
(``.venv-forum``), so it imports nothing of Rempart's."""
