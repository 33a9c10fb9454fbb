"""A browser without JavaScript: pages are fetched, and their own forms are filled and sent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from typing import TYPE_CHECKING, Any

from argon2 import PasswordHasher

if TYPE_CHECKING:
    import httpx
    from starlette.testclient import TestClient

PASSWORD = "a password for anyone"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@dataclass
class Person:
    """Somebody with a browser of their own."""

    client: TestClient
    name: str

    def get(self, path: str) -> httpx.Response:
        """A page; redirects are not followed."""
        return self.client.get(path, follow_redirects=False)

    def csrf(self, path: str = "/runs") -> str:
        """The token that this session's forms carry."""
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', self.get(path).text)
        assert found
        return found.group(1)

    def post(self, path: str, **fields: Any) -> httpx.Response:
        """Send a form with its token, as the page would."""
        return self.client.post(path, data={"csrf": self.csrf(), **fields}, follow_redirects=False)

    def decide(self, approval_id: object, decision: str, **fields: Any) -> httpx.Response:
        """Fill the decision form of an approval and press a button."""
        shown = re.search(
            r'name="digest" value="([0-9a-f]{64})"', self.get(f"/approvals/{approval_id}").text
        )
        fields.setdefault("digest", shown.group(1) if shown else "0" * 64)
        return self.post(f"/approvals/{approval_id}/decisions", decision=decision, **fields)


def text_of(response: httpx.Response) -> str:
    """What a page says, without markup; marked pieces of a text stay in it."""
    whole = re.sub(r'<span class="(?:id|glyph)">([^<]*)</span>', r"\1", response.text)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", whole)).split())
