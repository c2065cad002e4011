"""nginx with limit_req and limit_conn."""

from __future__ import annotations

from rempart.lab.contenders.writing import nginx_contender

NGINX = nginx_contender("nginx", "nginx with limit_req and limit_conn")
