"""Rows read back as model values, and values as rows. Validation happened on entry; rows are trusted."""

from __future__ import annotations

from typing import Any

from rempart.controller.resolver import Held
from rempart.controller.store.tables import (
    AccountRow,
    CertificateRow,
    NoticeRow,
    RecordRow,
    ResolutionRow,
    RestrictionRow,
    SecondaryRow,
    SiteRow,
    TokenRow,
    ZoneRow,
    reversed_name,
)
from rempart.model.accounts import Account, ApiToken
from rempart.model.cases_remedies import Announced, Measure, Notice, Restriction, Standing, Target
from rempart.model.certificates import Certificate, CertificateSource
from rempart.model.challenges import Exemptions, SecurityLevel
from rempart.model.permissions import TokenPolicy
from rempart.model.records import Record, RecordFields, RecordType
from rempart.model.sites import Origin, Site, SiteLimits
from rempart.model.zones import Secondary, Zone, ZoneSettings, ZoneStatus


def account(row: AccountRow) -> Account:
    return Account(id=row.id, name=row.name, created_on=row.created_on)


def token(row: TokenRow) -> ApiToken:
    return ApiToken(
        id=row.id,
        account_id=row.account_id,
        name=row.name,
        sha256=row.sha256,
        policies=tuple(TokenPolicy.model_validate(one) for one in row.policies),
        created_on=row.created_on,
        modified_on=row.modified_on,
        not_before=row.not_before,
        expires_on=row.expires_on,
        disabled=row.disabled,
        revoked=row.revoked,
    )


def zone(row: ZoneRow) -> Zone:
    return Zone(
        id=row.id,
        account_id=row.account_id,
        name=row.name,
        status=ZoneStatus(row.status),
        paused=row.paused,
        settings=ZoneSettings.model_validate(row.settings),
        created_on=row.created_on,
        modified_on=row.modified_on,
    )


def record(row: RecordRow) -> Record:
    return Record(
        id=row.id,
        zone_id=row.zone_id,
        type=RecordType(row.type),
        name=row.name,
        content=row.content,
        rdata=row.rdata,
        data=row.data,
        priority=row.priority,
        ttl=row.ttl,
        proxied=row.proxied,
        flatten_cname=row.flatten_cname,
        comment=row.comment,
        tags=tuple(row.tags),
        created_on=row.created_on,
        modified_on=row.modified_on,
    )


def record_columns(fields: RecordFields) -> dict[str, Any]:
    """The columns that hold ``fields``; identity and times are the caller's."""
    return {
        "name": fields.name,
        "reversed_name": reversed_name(fields.name),
        "type": fields.type.value,
        "content": fields.content,
        "rdata": fields.rdata,
        "data": fields.data,
        "priority": fields.priority,
        "ttl": fields.ttl,
        "proxied": fields.proxied,
        "flatten_cname": fields.flatten_cname,
        "comment": fields.comment,
        "tags": list(fields.tags),
    }


def fields_of(record: RecordFields) -> RecordFields:
    """A record without its identity and times."""
    return RecordFields(**{name: getattr(record, name) for name in RecordFields.model_fields})


def site(row: SiteRow) -> Site:
    return Site(
        id=row.id,
        zone_id=row.zone_id,
        host=row.host,
        origins=tuple(Origin.model_validate(one) for one in row.origins),
        https_redirect=row.https_redirect,
        limits=SiteLimits.model_validate(row.limits),
        security_level=None if row.security_level is None else SecurityLevel(row.security_level),
        exemptions=Exemptions.model_validate(row.exemptions),
        created_on=row.created_on,
        modified_on=row.modified_on,
    )


def certificate(row: CertificateRow) -> Certificate:
    return Certificate(
        id=row.id,
        hosts=tuple(row.hosts),
        chain_pem=row.chain_pem,
        source=CertificateSource(row.source),
        not_before=row.not_before,
        not_after=row.not_after,
    )


def secondary(row: SecondaryRow) -> Secondary:
    return Secondary(
        id=row.id,
        address=row.address,
        port=row.port,
        ns_name=row.ns_name,
        tsig_name=row.tsig_name,
        tsig_algorithm=row.tsig_algorithm,
        created_on=row.created_on,
    )


def held(row: ResolutionRow) -> Held:
    return Held(
        host=row.name,
        addresses=tuple(row.addresses),
        answered_at=row.answered_at,
        refresh_at=row.refresh_at,
        problem=row.problem,
    )


def announced(row: NoticeRow) -> Announced:
    """What a notice says will have to be found elsewhere."""
    return Announced(target=Target(host=row.host, whole_zone=row.whole_zone), account=row.account_id)


def standing(row: RestrictionRow) -> Standing:
    """A remedy in force."""
    return Standing(
        restriction=Restriction(
            id=row.id, case=row.case_id, measure=Measure.model_validate(row.measure), since=row.since
        ),
        notice=None if row.notice is None else Notice.model_validate(row.notice),
        account=row.account_id,
    )
