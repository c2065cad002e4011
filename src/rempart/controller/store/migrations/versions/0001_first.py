"""The first tables.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None

DEFAULT_ACCOUNT = "00000000000000000000000000000001"


def _ordered() -> sa.String:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")


def _instant() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def upgrade() -> None:
    _owners()
    _zones()
    _edge()
    _names()
    _published()


def _owners() -> None:
    accounts = op.create_table(
        "accounts",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("name", sa.String(), nullable=False, unique=True),
        sa.Column("created_on", _instant(), nullable=False),
    )
    op.bulk_insert(accounts, [{"id": DEFAULT_ACCOUNT, "name": "operator", "created_on": datetime.now(UTC)}])
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column(
            "account_id", sa.String(), sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False, unique=True),
        sa.Column("created_on", _instant(), nullable=False),
        sa.Column("expires_on", _instant()),
        sa.Column("revoked", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_tokens_account_id", "tokens", ["account_id"])


def _zones() -> None:
    op.create_table(
        "zones",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("account_id", sa.String(), sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("name", sa.String(), nullable=False, unique=True),
        sa.Column("reversed_name", _ordered(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("created_on", _instant(), nullable=False),
        sa.Column("modified_on", _instant(), nullable=False),
    )
    op.create_index("ix_zones_account_id", "zones", ["account_id"])
    op.create_index("ix_zones_reversed_name", "zones", ["reversed_name"])
    op.create_table(
        "records",
        sa.Column("id", sa.String(), primary_key=True),
        _zone_id(),
        sa.Column("name", _ordered(), nullable=False),
        sa.Column("reversed_name", _ordered(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("rdata", sa.Text(), nullable=False),
        sa.Column("data", sa.JSON()),
        sa.Column("priority", sa.Integer()),
        sa.Column("ttl", sa.Integer(), nullable=False),
        sa.Column("proxied", sa.Boolean(), nullable=False),
        sa.Column("flatten_cname", sa.Boolean(), nullable=False),
        sa.Column("comment", sa.Text()),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("created_on", _instant(), nullable=False),
        sa.Column("modified_on", _instant(), nullable=False),
    )
    op.create_index("records_by_name", "records", ["zone_id", "name", "type", "id"])
    op.create_index("records_by_reversed_name", "records", ["zone_id", "reversed_name"])


def _edge() -> None:
    op.create_table(
        "sites",
        sa.Column("id", sa.String(), primary_key=True),
        _zone_id(),
        sa.Column("host", _ordered(), nullable=False, unique=True),
        sa.Column("reversed_name", _ordered(), nullable=False),
        sa.Column("origins", sa.JSON(), nullable=False),
        sa.Column("https_redirect", sa.Boolean(), nullable=False),
        sa.Column("limits", sa.JSON(), nullable=False),
        sa.Column("created_on", _instant(), nullable=False),
        sa.Column("modified_on", _instant(), nullable=False),
    )
    op.create_index("sites_by_reversed_name", "sites", ["zone_id", "reversed_name"])
    op.create_table(
        "certificates",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("hosts", sa.JSON(), nullable=False),
        sa.Column("chain_pem", sa.Text(), nullable=False),
        sa.Column("sealed_key", sa.Text(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("not_before", _instant(), nullable=False),
        sa.Column("not_after", _instant(), nullable=False),
        sa.Column("created_on", _instant(), nullable=False),
    )
    op.create_table(
        "certificate_hosts",
        sa.Column("host", sa.String(), primary_key=True),
        sa.Column(
            "certificate_id",
            sa.String(),
            sa.ForeignKey("certificates.id", ondelete="CASCADE"),
            primary_key=True,
        ),
    )
    op.create_index("ix_certificate_hosts_certificate_id", "certificate_hosts", ["certificate_id"])


def _names() -> None:
    op.create_table(
        "secondaries",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("ns_name", sa.String()),
        sa.Column("tsig_name", sa.String(), nullable=False, unique=True),
        sa.Column("tsig_algorithm", sa.String(), nullable=False),
        sa.Column("sealed_secret", sa.Text(), nullable=False),
        sa.Column("created_on", _instant(), nullable=False),
    )
    op.create_index("secondaries_by_address", "secondaries", ["address", "port"], unique=True)
    op.create_table(
        "resolutions",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("addresses", sa.JSON(), nullable=False),
        sa.Column("ttl", sa.Integer(), nullable=False),
        sa.Column("asked", sa.Boolean(), nullable=False),
        sa.Column("answered_at", _instant()),
        sa.Column("refresh_at", _instant(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
    )
    op.create_index("ix_resolutions_refresh_at", "resolutions", ["refresh_at"])
    op.create_table(
        "dependencies",
        sa.Column("zone_id", sa.String(), sa.ForeignKey("zones.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("key", sa.String(), primary_key=True),
    )
    op.create_index("ix_dependencies_key", "dependencies", ["key"])


def _published() -> None:
    op.create_table(
        "published",
        sa.Column("key", _ordered(), primary_key=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("zone", sa.String()),
        sa.Column("owner", sa.String()),
        sa.Column("body", sa.Text()),
        sa.Column("changed_on", _instant(), nullable=False),
    )
    op.create_index("published_by_revision", "published", ["revision", "key"])
    op.create_index("published_by_owner", "published", ["zone", "owner"])
    op.create_index("published_by_kind", "published", ["kind", "key"])
    counter = op.create_table(
        "counter",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("forgotten", sa.BigInteger(), nullable=False),
        sa.Column("surroundings", sa.String()),
    )
    op.bulk_insert(counter, [{"id": 1, "revision": 0, "forgotten": 0, "surroundings": None}])
    op.create_table(
        "audit",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("at", _instant(), nullable=False),
        sa.Column("actor_kind", sa.String(), nullable=False),
        sa.Column("actor_id", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("zone", sa.String()),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
    )
    op.create_index("ix_audit_at", "audit", ["at"])
    op.create_index("ix_audit_zone", "audit", ["zone"])


def _zone_id() -> sa.Column[str]:
    return sa.Column("zone_id", sa.String(), sa.ForeignKey("zones.id", ondelete="CASCADE"), nullable=False)
