"""The case in the story: the first operator's charter, and every step of the process, on the command line.

What arbiters, owner and operator do is what they would do; only the policy's times are short: seconds to
answer and of notice, which a policy may give (``model.cases.Policy``), where a real one gives days.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rempart.controller.admin_api.case_messages import CaseSteps
from rempart.lab.drills.starting import HOST
from rempart.lab.drills.story_account import Account
from rempart.lab.instance import Instance
from rempart.model.cases import Case
from rempart.model.cases_kept import CaseStep

ARBITERS = {"ada": "Ada", "ben": "Ben", "cleo": "Cleo", "dan": "Dan", "eve": "Eve", "finn": "Finn"}
DECIDING, APPELLATE = ("ada", "ben", "cleo"), ("dan", "eve", "finn")
ANSWER_S, NOTICE_S = 30, 8
POLICY: dict[str, Any] = {
    "version": "drill-1",
    "quorum": len(DECIDING),
    "answer_s": ANSWER_S,
    "notice_s": NOTICE_S,
    "rules": [
        {
            "id": "violence",
            "title": "Calls for violence",
            "text": "Nobody calls for violence on a site that we protect.",
            "most": "drop_proxy",
        }
    ],
}
REPORTER_NAME = "Rosalind Tell"
REPORT = {
    "category": "threats",
    "urls": [f"https://{HOST}/forum/general/topic/topic-1-1/"],
    "explanation": "Somebody calls for killings there and names who shall be killed.",
    "name": REPORTER_NAME,
    "email": "rosalind@reporter.test",
    "good_faith": True,
}
"""As JSON to the public address for reports; the reporter stays unknown to the site."""
ANSWER = "The post was removed within the hour. We ask you to leave the board protected.\n"
FACTS = "Posts on the first page call for killings and name people. The owner was told and has answered.\n"
APPEAL = "The post was gone before anybody decided. Without protection the board is down for everyone.\n"
REASONS = "The post was removed before the decision. What the rule is for had been reached already.\n"
EXPLANATION = "The posts call for violence against people."
WHY_NOT = {
    "forward": "The owner has had the report.",
    "interstitial": "A warning keeps nobody from reading it.",
    "block_url": "It is posted again under other addresses.",
    "no_cache": "It is served from the origin all the same.",
    "challenge": "Readers who pass it read the same.",
}


@dataclass(slots=True)
class Court:
    """The first operator's process."""

    operator: Instance
    account: Account
    folder: Path
    """For keys and texts: each arbiter's key lies with the arbiter, here in a file of its own."""
    id: str = ""

    def founded(self) -> None:
        """Arbiters make their keys, the operator appoints them and adopts the policy: before any case."""
        for id_, name in ARBITERS.items():
            key, public = self._key(id_), self.folder / f"{id_}.pub"
            _openssl("genpkey", "-algorithm", "ed25519", "-out", str(key))
            _openssl("pkey", "-in", str(key), "-pubout", "-out", str(public))
            self._charter("arbiter", "add", id_, "--name", name, "--key", str(public))
        self.account.note("operator", f"appoints {len(ARBITERS)} arbiters, each with a key of their own",
                          step=f"charter/{len(ARBITERS)}")  # fmt: skip
        seq = self._charter("policy", "add", str(self._text("policy.json", json.dumps(POLICY))))
        self.account.note(
            "operator", f"adopts policy {POLICY['version']}: {POLICY['quorum']} arbiters decide",
            step=f"charter/{seq}",
        )  # fmt: skip

    def accepted(self) -> None:
        """The operator makes a case of the one report that waits."""
        (report,) = self.operator.json("report", "list", "--waiting")["reports"]
        done = self.operator.json("report", "triage", report["id"], "--accept", "--reason", "It may be so.")
        self.id = done["case_id"]
        self.account.took("opened", "operator", "opens a case about the report")
        self.account.took("triaged", "operator", "takes it up")

    def notified(self) -> None:
        self._case("notify")
        self.account.took("notified", "operator", f"gives notice to the owner: {ANSWER_S} s to answer")

    def answered(self) -> None:
        self._case("answer", str(self._text("answer.txt", ANSWER)))
        self.account.took("answered", "owner", "answers")

    def decided(self) -> None:
        """Three arbiters, each with their own key."""
        first, *others = DECIDING
        whys = [f"--why-not={remedy}={why}" for remedy, why in WHY_NOT.items()]
        self._case(
            "propose", "--arbiter", first, "--key", str(self._key(first)),
            "--facts", str(self._text("facts.txt", FACTS)), "--remedy", "drop_proxy",
            "--rule", "violence", "--explanation", EXPLANATION, *whys,
        )  # fmt: skip
        self.account.took("moved", f"arbiter {first}", "proposes to lift the protection, and signs")
        self._agree(others)

    def announced(self) -> datetime:
        """The moment at which the decision takes effect."""
        done = self._case("announce")
        effective = Case.model_validate(done["case"]).effective_at
        assert effective is not None  # noqa: S101 - it was announced
        self.account.took(
            "announced",
            "operator",
            f"announces the decision to owner and public: in effect {effective:%H:%M:%S} UTC",
        )
        return effective

    def appealed(self) -> None:
        self._case("appeal", str(self._text("appeal.txt", APPEAL)))
        self.account.took("appealed", "owner", "appeals")

    def reversed(self) -> None:
        first, *others = APPELLATE
        self._case(
            "propose", "--kind", "appeal", "--outcome", "reversed", "--arbiter", first,
            "--key", str(self._key(first)), "--facts", str(self._text("reasons.txt", REASONS)),
        )  # fmt: skip
        self.account.took("moved", f"arbiter {first}", "proposes to reverse the decision, and signs")
        self._agree(others)

    def closed(self) -> None:
        self._case("close", "--reason", "Reversed on appeal.")
        self.account.took("closed", "operator", "closes the case")

    def case(self) -> Case:
        return Case.model_validate(self._case("show")["case"])

    def record(self) -> tuple[CaseStep, ...]:
        """The case's steps as the operator has them, each with its entry in the log."""
        return CaseSteps.model_validate(self._case("show", "--steps")).steps

    def charter_entries(self) -> dict[str, int]:
        """Id of each step of the charter → its entry in the log."""
        found = self.operator.json("log", "show", "--under", "charter/")["entries"]
        return {one["step"]["id"]: int(one["index"]) for one in found}

    def public_text(self) -> str:
        """What the owner is given to read: the statement of reasons."""
        return self.operator.cli("case", "reasons", self.id).stdout

    def confided(self) -> str:
        """What the operator keeps sealed, who reported among it."""
        return self.operator.cli("case", "show", self.id, "--reporter").stdout

    def _agree(self, names: Iterable[str]) -> None:
        for name in names:
            self._case("sign", "--arbiter", name, "--key", str(self._key(name)), "--impartial")
            self.account.took("stated", f"arbiter {name}", "signs")

    def _case(self, verb: str, *arguments: str) -> Any:
        return self.operator.json("case", verb, self.id, *arguments)

    def _charter(self, *arguments: str) -> int:
        return int(self.operator.json("case", *arguments)["seq"])

    def _key(self, arbiter: str) -> Path:
        return self.folder / f"{arbiter}.pem"

    def _text(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.write_text(text)
        return file


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
