"""Run by the interpreter that has Cloudflare's own library, version 5: abuse reports, from both sides.

Every answer is validated against the library's models.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import cloudflare
from cloudflare import Cloudflare

PERSON = {"name": "Jane Quimby", "email": "jane.quimby@example.net", "email2": "jane.quimby@example.net"}
WORDS = "The page asks for the password of my bank. Jane Quimby"


def main() -> None:
    host = sys.argv[1]
    reporter = Cloudflare(
        api_token=os.environ["REPORTER_TOKEN"], _strict_response_validation=True, max_retries=0
    )
    owner = Cloudflare(_strict_response_validation=True, max_retries=0)
    theirs, ours = (next(iter(one.accounts.list())).id for one in (reporter, owner))
    print(json.dumps(seen(reporter, theirs, owner, ours, host), default=str))  # noqa: T201


def seen(reporter: Cloudflare, theirs: str, owner: Cloudflare, ours: str, host: str) -> dict[str, Any]:
    common: dict[str, Any] = {**PERSON, "account_id": theirs, "urls": f"https://{host}/1\nhttps://{host}/2"}
    anonymous = {"owner_notification": "send-anon", "host_notification": "send-anon"}
    named = {"owner_notification": "send", "host_notification": "send"}
    reports = reporter.abuse_reports
    sent = [
        reports.create(
            report_param="abuse_phishing", act="abuse_phishing", justification=WORDS, **common, **anonymous
        ),
        reports.create(
            report_param="abuse_general",
            act="abuse_general",
            justification=WORDS,
            source_ips="192.0.2.1\n192.0.2.2",
            ports_protocols="80/TCP,53/UDP",
            **common,
            **anonymous,
        ),
        reports.create(
            report_param="abuse_dmca",
            act="abuse_dmca",
            address1="1 Street",
            agent_name="Jane Quimby",
            agree=1,
            city="Paris",
            country="FR",
            original_work="My book",
            signature="Jane Quimby",
            state="IDF",
            **common,
            **named,
        ),
        reports.create(
            report_param="abuse_trademark",
            act="abuse_trademark",
            justification=WORDS,
            trademark_number="1",
            trademark_office="EUIPO",
            trademark_symbol="Quimby's",
            **common,
            **named,
        ),
        reports.create(
            report_param="abuse_ncsei",
            act="abuse_ncsei",
            ncsei_subject_representation=True,
            **common,
            **anonymous,
        ),
        reports.create(
            report_param="abuse_threat", act="abuse_threat", justification=WORDS, **common, **named
        ),
        reports.create(
            report_param="abuse_children",
            act="abuse_children",
            justification=WORDS,
            ncmec_notification="send-anon",
            **common,
            **anonymous,
        ),
    ]
    found: dict[str, Any] = {"version": cloudflare.__version__, "sent": sent}
    raw = reports.with_raw_response.create(
        report_param="abuse_phishing", act="abuse_phishing", justification=WORDS, **common, **anonymous
    )
    repeat = json.loads(raw.http_response.text)
    found["repeat"] = [
        repeat["request"]["act"],
        any("before" in one["message"] for one in repeat["messages"]),
    ]
    found["submitted"] = sorted(
        (one.type, one.status, one.denial_reason)
        for page in reports.submitted.list(account_id=theirs, per_page=3)
        for one in page.reports
    )
    found["denied"] = [
        one.denial_reason
        for page in reports.submitted.list(
            account_id=theirs, status=["denied"], type=["PHISH", "DMCA"], domain=[host, "x.example"]
        )
        for one in page.reports
    ]
    general = next(
        one for page in reports.submitted.list(account_id=theirs, type=["GEN"]) for one in page.reports
    )
    whole = reports.submitted.get(report_id=general.id, account_id=theirs)
    found["whole"] = [
        whole.justification,
        whole.source_ips,
        whole.ports_protocols,
        whole.urls,
        whole.submitter and whole.submitter.name,
        whole.dsa_attestation,
    ]
    found["emails"] = list(reports.submitted.emails.list(report_id=general.id, account_id=theirs))
    found["received"] = sorted(
        (one.type, one.status)
        for page in owner.abuse_reports.list(account_id=ours, per_page=2)
        if page is not None
        for one in page.reports
    )
    details = {}
    for page in owner.abuse_reports.list(account_id=ours):
        for one in page.reports if page is not None else ():
            got = owner.abuse_reports.get(report_param=one.id, account_id=ours)
            details[got.type] = [got.justification, got.original_work, got.submitter and got.submitter.name]
            assert list(owner.abuse_reports.mitigations.list(report_id=one.id, account_id=ours)) == []
    found["details"] = details
    found["refused"] = refused(reporter, theirs, host)
    return found


def refused(client: Cloudflare, account: str, host: str) -> list[Any]:
    """What the library makes of refusals: the class it raises and the code in it."""
    common: dict[str, Any] = {
        **PERSON,
        "account_id": account,
        "owner_notification": "send-anon",
        "host_notification": "send-anon",
        "justification": WORDS,
    }
    calls: tuple[Callable[[], object], ...] = (
        lambda: client.abuse_reports.create(
            report_param="abuse_general", act="abuse_general", urls="https://other.example.net/", **common
        ),
        lambda: client.abuse_reports.create(
            report_param="abuse_general", act="abuse_phishing", urls=f"https://{host}/", **common
        ),
        lambda: client.abuse_reports.get(report_param="0" * 32, account_id=account),
        lambda: client.abuse_reports.mitigations.review(
            report_id="0" * 32,
            account_id=account,
            appeals=[{"id": "x", "reason": "removed"}],
            type="content_removed",
            data={
                "city": "Paris",
                "country": "FR",
                "email": "o@example.net",
                "full_name": "O",
                "jurisdiction_consent": True,
                "perjury_attestation": True,
                "phone_number": "1",
                "signature": "O",
                "state": "IDF",
                "street_address": "1",
                "urls": [f"https://{host}/"],
                "zip_code": "1",
            },
        ),
    )
    found = []
    for call in calls:
        try:
            call()
        except cloudflare.APIStatusError as error:
            found.append([type(error).__name__, error.errors[0].code])
    return found


if __name__ == "__main__":
    main()
