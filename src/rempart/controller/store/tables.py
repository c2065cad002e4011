"""The tables. Names and columns change only together with a migration (a test compares the two)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


class Instant(TypeDecorator[datetime]):
    """A point in time: aware and UTC in Python, on every database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a point in time needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def ordered_text() -> String:
    """Text compared byte by byte, whatever the database's locale, so that prefixes are ranges."""
    return String().with_variant(String(collation="C"), "postgresql")


def reversed_name(name: str) -> str:
    """``www.example.org`` → ``org.example.www``: what lies below a name is one range of the index."""
    return ".".join(reversed(name.split(".")))


class Base(DeclarativeBase):
    pass


class AccountRow(Base):
    __tablename__ = "accounts"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    created_on: Mapped[datetime] = mapped_column(Instant)


class TokenRow(Base):
    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    sha256: Mapped[str] = mapped_column(unique=True)
    policies: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    created_on: Mapped[datetime] = mapped_column(Instant)
    modified_on: Mapped[datetime] = mapped_column(Instant)
    not_before: Mapped[datetime | None] = mapped_column(Instant)
    expires_on: Mapped[datetime | None] = mapped_column(Instant)
    disabled: Mapped[bool] = mapped_column(default=False)
    revoked: Mapped[bool] = mapped_column(default=False)


class ZoneRow(Base):
    __tablename__ = "zones"

    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    name: Mapped[str] = mapped_column(unique=True)
    reversed_name: Mapped[str] = mapped_column(ordered_text(), index=True)
    status: Mapped[str]
    paused: Mapped[bool]
    settings: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_on: Mapped[datetime] = mapped_column(Instant)
    modified_on: Mapped[datetime] = mapped_column(Instant)


class RecordRow(Base):
    __tablename__ = "records"

    id: Mapped[str] = mapped_column(primary_key=True)
    zone_id: Mapped[str] = mapped_column(ForeignKey("zones.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(ordered_text())
    reversed_name: Mapped[str] = mapped_column(ordered_text())
    type: Mapped[str]
    content: Mapped[str] = mapped_column(Text)
    rdata: Mapped[str] = mapped_column(Text)
    data: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    priority: Mapped[int | None]
    ttl: Mapped[int]
    proxied: Mapped[bool]
    flatten_cname: Mapped[bool]
    comment: Mapped[str | None] = mapped_column(Text)
    tags: Mapped[list[str]] = mapped_column(JSON)
    created_on: Mapped[datetime] = mapped_column(Instant)
    modified_on: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (
        Index("records_by_name", "zone_id", "name", "type", "id"),
        Index("records_by_reversed_name", "zone_id", "reversed_name"),
    )


class SiteRow(Base):
    __tablename__ = "sites"

    id: Mapped[str] = mapped_column(primary_key=True)
    zone_id: Mapped[str] = mapped_column(ForeignKey("zones.id", ondelete="CASCADE"))
    host: Mapped[str] = mapped_column(ordered_text(), unique=True)
    reversed_name: Mapped[str] = mapped_column(ordered_text())
    origins: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    https_redirect: Mapped[bool]
    limits: Mapped[dict[str, Any]] = mapped_column(JSON)
    security_level: Mapped[str | None]
    exemptions: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_on: Mapped[datetime] = mapped_column(Instant)
    modified_on: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (Index("sites_by_reversed_name", "zone_id", "reversed_name"),)


class CertificateRow(Base):
    __tablename__ = "certificates"

    id: Mapped[str] = mapped_column(primary_key=True)
    hosts: Mapped[list[str]] = mapped_column(JSON)
    chain_pem: Mapped[str] = mapped_column(Text)
    sealed_key: Mapped[str] = mapped_column(Text)
    source: Mapped[str]
    not_before: Mapped[datetime] = mapped_column(Instant)
    not_after: Mapped[datetime] = mapped_column(Instant)
    created_on: Mapped[datetime] = mapped_column(Instant)


class CertificateHostRow(Base):
    __tablename__ = "certificate_hosts"

    host: Mapped[str] = mapped_column(primary_key=True)
    certificate_id: Mapped[str] = mapped_column(
        ForeignKey("certificates.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class SecondaryRow(Base):
    __tablename__ = "secondaries"

    id: Mapped[str] = mapped_column(primary_key=True)
    address: Mapped[str]
    port: Mapped[int]
    ns_name: Mapped[str | None]
    tsig_name: Mapped[str] = mapped_column(unique=True)
    tsig_algorithm: Mapped[str]
    sealed_secret: Mapped[str] = mapped_column(Text)
    created_on: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (Index("secondaries_by_address", "address", "port", unique=True),)


class ZoneKeysRow(Base):
    """The DNSSEC keys of a zone: made by the name server, or brought along by its owner."""

    __tablename__ = "zone_keys"

    zone_id: Mapped[str] = mapped_column(ForeignKey("zones.id", ondelete="CASCADE"), primary_key=True)
    sealed: Mapped[str] = mapped_column(Text)
    """ZoneKeys as JSON."""
    modified_on: Mapped[datetime] = mapped_column(Instant)


class ResolutionRow(Base):
    """What is known about an outside name; ``answered_at`` None: nobody has answered yet."""

    __tablename__ = "resolutions"

    name: Mapped[str] = mapped_column(primary_key=True)
    addresses: Mapped[list[str]] = mapped_column(JSON)
    ttl: Mapped[int]
    asked: Mapped[bool]
    """An attempt was made; False: its addresses are not known to be none."""
    answered_at: Mapped[datetime | None] = mapped_column(Instant)
    refresh_at: Mapped[datetime] = mapped_column(Instant, index=True)
    problem: Mapped[str] = mapped_column(Text)


class DependencyRow(Base):
    """A key that the compilation of a name looked at: see ``snapshot.dependencies``."""

    __tablename__ = "dependencies"

    zone_id: Mapped[str] = mapped_column(ForeignKey("zones.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True, index=True)


class PublishedRow(Base):
    """The item under a key as of a revision; a body of None says that the key is gone."""

    __tablename__ = "published"

    key: Mapped[str] = mapped_column(ordered_text(), primary_key=True)
    revision: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str]
    zone: Mapped[str | None]
    owner: Mapped[str | None]
    """The name whose compilation made the item; None for items that are not made name by name."""
    body: Mapped[str | None] = mapped_column(Text)
    """JSON, or sealed JSON for kinds that carry secrets."""
    changed_on: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (
        Index("published_by_revision", "revision", "key"),
        Index("published_by_owner", "zone", "owner"),
        Index("published_by_kind", "kind", "key"),
    )


class CounterRow(Base):
    """One row, which every writer locks first: writes happen one after the other."""

    __tablename__ = "counter"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    revision: Mapped[int] = mapped_column(BigInteger)
    forgotten: Mapped[int] = mapped_column(BigInteger)
    """Deletions up to this revision may be forgotten: who is older than it must be sent everything."""
    surroundings: Mapped[str | None]
    """Digest of the surroundings that everything published was compiled in."""


class EpochRow(Base):
    """A stretch of the store's history: from ``began`` until the next one begins; see ``store.epochs``."""

    __tablename__ = "epochs"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    id: Mapped[str] = mapped_column(unique=True)
    began: Mapped[int] = mapped_column(BigInteger)
    """The revision it began at."""


class CaseRow(Base):
    """A case as its steps have made it: derived from them, kept for lists and for the clock."""

    __tablename__ = "cases"

    id: Mapped[str] = mapped_column(primary_key=True)
    phase: Mapped[str]
    category: Mapped[str]
    source: Mapped[str]
    host: Mapped[str]
    """Of its first target."""
    opened_on: Mapped[datetime] = mapped_column(Instant)
    due_on: Mapped[datetime | None] = mapped_column(Instant, index=True)
    """When the clock brings something about next."""
    verify_from: Mapped[datetime | None] = mapped_column(Instant, index=True)
    """Since when it is to be seen from outside that a remedy is in force, or gone; None: it was."""
    emergency_on: Mapped[datetime | None] = mapped_column(Instant, index=True)
    effect_revision: Mapped[int | None] = mapped_column(BigInteger)
    """Where its remedy was put in force or lifted last: nodes that are there have applied it."""
    state: Mapped[str] = mapped_column(Text)

    # Each list is one range of one of them, whatever it is narrowed to.
    __table_args__ = (
        Index("cases_by_time", "opened_on", "id"),
        Index("cases_by_phase", "phase", "opened_on", "id"),
        Index("cases_by_host", "host", "opened_on", "id"),
    )


class CaseStepRow(Base):
    """A step of a case, or of the charter. Only ever added; the public log's place is noted once."""

    __tablename__ = "case_steps"

    case_id: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(Instant)
    event: Mapped[str] = mapped_column(Text)
    public: Mapped[bool]
    salt: Mapped[str]
    """Base64; of the seal that the log holds when the step is not public."""
    log_index: Mapped[int | None] = mapped_column(BigInteger)
    """None: intended, perhaps in the log, without effect yet."""

    __table_args__ = (Index("case_steps_pending", "log_index", "case_id"),)


class CaseTargetRow(Base):
    """What a case is about, by name: how owners find the cases about their zones."""

    __tablename__ = "case_targets"

    case_id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    host: Mapped[str] = mapped_column(ordered_text(), index=True)
    """Without the first label of a wildcard."""
    reversed_name: Mapped[str] = mapped_column(ordered_text(), index=True)
    whole_zone: Mapped[bool]


class RegisterRow(Base):
    """A case that the public knows of, as the register lists it: derived from its public steps."""

    __tablename__ = "register"

    case_id: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str] = mapped_column(ordered_text(), index=True)
    reversed_name: Mapped[str] = mapped_column(ordered_text(), index=True)
    path: Mapped[str | None]
    whole_zone: Mapped[bool]
    remedy: Mapped[str] = mapped_column(index=True)
    rule: Mapped[str | None] = mapped_column(index=True)
    state: Mapped[str] = mapped_column(index=True)
    decided_on: Mapped[datetime] = mapped_column(Instant, index=True)
    changed_on: Mapped[datetime] = mapped_column(Instant)


class CaseMarkRow(Base):
    """What of a step transparency reports count: no name, no site. Derived from the steps."""

    __tablename__ = "case_marks"

    case_id: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(Instant, index=True)
    mark: Mapped[str] = mapped_column(Text)


class CaseConfidenceRow(Base):
    """Something confidential of a case: who reported, evidence, answers. Log and case hold its seal."""

    __tablename__ = "case_confidences"

    seal: Mapped[str] = mapped_column(primary_key=True)
    case_id: Mapped[str] = mapped_column(index=True)
    what: Mapped[str]
    at: Mapped[datetime] = mapped_column(Instant)
    sealed: Mapped[str] = mapped_column(Text)
    """Salt and content, unreadable without the store's key."""


class RestrictionRow(Base):
    """A remedy in force. Written together with the step that puts it in force, and nowhere else.

    By name, not by id: an owner who removes and adds the site again changes nothing about it.
    """

    __tablename__ = "restrictions"

    id: Mapped[str] = mapped_column(primary_key=True)
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id"))
    host: Mapped[str] = mapped_column(ordered_text(), index=True)
    reversed_name: Mapped[str] = mapped_column(ordered_text(), index=True)
    whole_zone: Mapped[bool]
    measure: Mapped[dict[str, Any]] = mapped_column(JSON)
    since: Mapped[datetime] = mapped_column(Instant)
    notice: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """What visitors are told of it."""
    account_id: Mapped[str | None] = mapped_column(index=True)
    """The account that it closes."""


class NoticeRow(Base):
    """An owner was told that a name must be found elsewhere soon: its answers are made short-lived."""

    __tablename__ = "notices"

    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id"), primary_key=True)
    host: Mapped[str] = mapped_column(ordered_text(), index=True)
    reversed_name: Mapped[str] = mapped_column(ordered_text(), index=True)
    whole_zone: Mapped[bool]
    account_id: Mapped[str | None] = mapped_column(index=True)
    """Of a closed account: all its zones are meant. By value, as in ``RestrictionRow``."""


class AbuseReportRow(Base):
    """An abuse report. Who sent it and what they wrote are in ``contact`` and ``content`` alone, sealed."""

    __tablename__ = "abuse_reports"

    id: Mapped[str] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(unique=True)
    """SHA-256 of what its reporter follows it by."""
    category: Mapped[str]
    host: Mapped[str]
    site: Mapped[str]
    zone: Mapped[str]
    account_id: Mapped[str] = mapped_column(index=True)
    """Whose site it is about. By value: it stays when the account goes."""
    urls: Mapped[list[str]] = mapped_column(JSON)
    way: Mapped[str]
    language: Mapped[str]
    received_at: Mapped[datetime] = mapped_column(Instant, index=True)
    anonymous: Mapped[bool]
    host_anonymous: Mapped[bool]
    held: Mapped[bool]
    standing: Mapped[str] = mapped_column(index=True)
    denial: Mapped[str | None]
    reason: Mapped[str] = mapped_column(Text)
    same_as: Mapped[str | None] = mapped_column(index=True)
    case_id: Mapped[str | None] = mapped_column(index=True)
    decided_at: Mapped[datetime | None] = mapped_column(Instant)
    forwarded_at: Mapped[datetime | None] = mapped_column(Instant)
    host_told_at: Mapped[datetime | None] = mapped_column(Instant)
    answered_at: Mapped[datetime | None] = mapped_column(Instant)
    answer: Mapped[str | None]
    sealed_answer: Mapped[str | None] = mapped_column(Text)
    words: Mapped[str]
    """Mark of what they wrote."""
    reporter: Mapped[str | None]
    """Mark of the reporter's address for mail."""
    submitter: Mapped[str | None] = mapped_column(index=True)
    """Mark of the account that sent it through the API."""
    contact: Mapped[str | None] = mapped_column(Text)
    """Sealed; None: there was none, or it was kept long enough."""
    content: Mapped[str] = mapped_column(Text)
    """Sealed."""
    told: Mapped[str]
    """The last stage that a letter to the reporter was written of."""

    __table_args__ = (Index("abuse_reports_alike", "host", "category", "received_at"),)


class ReportFileRow(Base):
    """A file that came with an abuse report; the file itself lies sealed in the controller's folder."""

    __tablename__ = "report_files"

    report_id: Mapped[str] = mapped_column(
        ForeignKey("abuse_reports.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    sha256: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    media_type: Mapped[str]
    sealed_name: Mapped[str] = mapped_column(Text)


class ReportLetterRow(Base):
    """A letter that is to be mailed, or was. Nothing mails it but people."""

    __tablename__ = "report_letters"

    id: Mapped[str] = mapped_column(primary_key=True)
    report_id: Mapped[str] = mapped_column(ForeignKey("abuse_reports.id", ondelete="CASCADE"), index=True)
    recipient: Mapped[str]
    about: Mapped[str]
    at: Mapped[datetime] = mapped_column(Instant, index=True)
    sent_at: Mapped[datetime | None] = mapped_column(Instant)
    sealed: Mapped[str] = mapped_column(Text)
    """Address, subject, text."""


class AuditRow(Base):
    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    at: Mapped[datetime] = mapped_column(Instant, index=True)
    actor_kind: Mapped[str]
    actor_id: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    account_id: Mapped[str | None] = mapped_column(index=True)
    """Whose affair it was; None: the operator's alone."""
    zone: Mapped[str | None] = mapped_column(index=True)
    revision: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[str]
    """Of the plan that was carried out."""
    summary: Mapped[str] = mapped_column(Text)
