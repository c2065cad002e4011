"""The forum at the root, and the robots.txt of such a site."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import include, path


def robots(request: HttpRequest) -> HttpResponse:
    return HttpResponse("User-agent: *\nDisallow: /search/\n", content_type="text/plain")


urlpatterns = [path("robots.txt", robots), path("", include("machina.urls"))]
