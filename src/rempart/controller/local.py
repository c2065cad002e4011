"""The admin API without a running controller: what the command line calls in-process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import FastAPI

from rempart.controller.admin_api.application import admin_application
from rempart.controller.assembly import assembled
from rempart.model.configuration import Configuration


@contextmanager
def application(configuration: Configuration) -> Iterator[FastAPI]:
    """The application on the store of ``configuration``, which is made when there is none yet.

    The caller holds the state folder's lock (`lock.hold`) meanwhile.
    """
    with assembled(configuration) as controller:
        controller.authority.publish_root(configuration.paths)
        yield admin_application(controller)
