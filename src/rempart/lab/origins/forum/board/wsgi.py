"""What the WSGI server serves: the forum, with the lab's truth around it."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", f"{__package__}.settings")

from django.core.wsgi import get_wsgi_application

from .scene import told
from .truth import Truthful

_scene = told()
application = Truthful(get_wsgi_application(), _scene.secret, _scene.folder)
