"""What the parts of one execution of a run share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from .agent import Agent
    from .calls_made import CallsMade
    from .database import Database
    from .lease import Lease
    from .outbox import Outbox
    from .progress import Progress
    from .replies import Replies
    from .runs import Claim
    from .spool import Spool
    from .taint import Taint


@dataclass(frozen=True, slots=True)
class Means:
    """What an execution works with, and what it knows of its run.

    Attributes:
        term: the lease's, from before the claim.
        threads: for what blocks.
        spool: where results are kept while the database is away; None where nowhere.
    """

    db: Database
    agent: Agent
    claim: Claim
    lease: Lease
    term: int
    outbox: Outbox
    made: CallsMade
    replies: Replies
    progress: Progress
    taint: Taint
    threads: Executor
    spool: Spool | None
