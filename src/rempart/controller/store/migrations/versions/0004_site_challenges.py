"""Sites have a security level and exemptions of their own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    with op.batch_alter_table("sites") as sites:
        sites.add_column(sa.Column("security_level", sa.String()))
        sites.add_column(sa.Column("exemptions", sa.JSON(), nullable=False, server_default="{}"))
    with op.batch_alter_table("sites") as sites:
        sites.alter_column("exemptions", existing_type=sa.JSON(), server_default=None)
