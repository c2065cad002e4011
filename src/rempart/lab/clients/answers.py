"""What a client was answered."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. Header names are in lower case; a header that came twice is there twice."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """The first header of this name, or ""."""
        return next((value for other, value in self.headers if other == name), "")

    @property
    def cookies(self) -> dict[str, str]:
        """What the answer sets; attributes are left out."""
        pairs = (
            value.partition(";")[0].partition("=") for name, value in self.headers if name == "set-cookie"
        )
        return {name.strip(): value.strip() for name, _, value in pairs}
