"""A client of the JSON API for programs that start runs.

It can start runs, read them and wait for them. Deciding is for people, so it has no way to.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx

from .errors import Conflict, InterlockError, NotFound, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PAUSES = (0.2, 0.4, 0.8)
_POLL_SECONDS = 0.25
_LONGEST_POLL = 2.0
_LOST_ANSWER = frozenset({502, 503, 504})


class ServerUnreachable(InterlockError):
    """The server did not answer, however often it was asked."""


class ApiRefused(InterlockError):
    """The server answered with a refusal; `status` is its HTTP status."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class Client:
    """Starts runs over the JSON API of `interlock serve`, reads them and waits for them.

    Args:
        url: where it is served.
        token: a reviewer's API token, from `interlock tokens add`.
        timeout: seconds to wait for one answer.
    """

    def __init__(
        self, token: str, url: str = "http://127.0.0.1:8400", *, timeout: float = 30.0
    ) -> None:
        self._http = httpx.Client(
            base_url=f"{url.rstrip('/')}/api",
            headers={"authorization": f"Bearer {token}"},
            timeout=timeout,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def start_run(
        self,
        agent: str,
        input: Any,  # noqa: A002 - the word of the API
        *,
        tags: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
        limits: Mapping[str, float] | None = None,
    ) -> UUID:
        """Have a run committed to the queue and return its id.

        An answer that was lost is asked for again with the same idempotency key, so that one call
        starts one run. Give a key of your own to repeat the request in another process. `limits`
        are those of the agent's that are to be lower for this run.

        Raises:
            NotFound: no worker has registered such an agent.
            Conflict: the key was used for another request.
            UsageError: the request is not valid, or the token is not.
        """
        body = {
            "agent": agent,
            "input": input,
            "tags": dict(tags or {}),
            **({"limits": dict(limits)} if limits else {}),
            "idempotency_key": idempotency_key or uuid4().hex,
        }
        return UUID(self._ask("POST", "/runs", body)["run_id"])

    def get_run(self, run_id: UUID | str) -> dict[str, Any]:
        """The run as the API gives it: status, exit, usage, limits, calls, approvals, output.

        Raises:
            NotFound: there is no such run.
        """
        return self._ask("GET", f"/runs/{quote(str(run_id), safe='')}")

    def wait(
        self, run_id: UUID | str, *, timeout: float | None = None, stop_at_approval: bool = False
    ) -> dict[str, Any]:
        """The run once it has ended, as `get_run` gives it.

        With `stop_at_approval` also once it waits for a person, which can take a year.

        Raises:
            TimeoutError: it took longer than `timeout` seconds.
            NotFound: there is no such run.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = _POLL_SECONDS
        while True:
            run = self.get_run(run_id)
            asked = stop_at_approval and run["status"] == "waiting" and run["pending_approvals"]
            if run["status"] == "ended" or asked:
                return run
            if deadline is not None and time.monotonic() + pause > deadline:
                raise TimeoutError(f"Run {run_id} is still {run['status']} after {timeout:g} s.")
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_POLL)

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ask, again while no answer comes: every request of this client can be repeated."""
        for pause in _PAUSES:
            with suppress(httpx.TransportError):
                response = self._http.request(method, path, json=body)
                if response.status_code not in _LOST_ANSWER:
                    return _read(response)
            time.sleep(pause)
        try:
            return _read(self._http.request(method, path, json=body))
        except httpx.TransportError as error:
            raise ServerUnreachable(
                f"Interlock at {self._http.base_url} does not answer: {error}."
            ) from error


def _read(response: httpx.Response) -> dict[str, Any]:
    status = response.status_code
    try:
        content = response.json()
    except ValueError:
        content = None
    if response.is_success and isinstance(content, dict):
        return content
    sentence = _sentence(content) or f"The server answered with HTTP status {status}."
    match status:
        case 401 | 403 | 422:
            raise UsageError(sentence)
        case 404:
            raise NotFound(sentence)
        case 409:
            raise Conflict(sentence)
    raise ApiRefused(sentence, status=status)


def _sentence(content: Any) -> str | None:
    sentence = content.get("error") if isinstance(content, dict) else None
    return sentence if isinstance(sentence, str) and sentence else None
