"""When a session commits: often enough for the connections, seldom enough for the database."""

from dataclasses import dataclass

BETWEEN_COMMITS = 0.006
"""Seconds. To commit whenever something came costs five times the database on a slow service."""
AFTER_COMMIT = 0.0015
"""Seconds at least in which what a commit allowed may be answered before the next one."""
EARLY_COMMIT_PART = 4
"""With outcomes of a quarter of the connections the next commit follows on the heels of one."""
EARLY_COMMIT_OUTCOMES = 50
"""Outcomes that are worth a commit at any time."""
HEARTBEAT_EVERY = 15.0
"""Seconds between commits that do nothing but prolong the lease."""


@dataclass(slots=True)
class CommitPacing:
    """Moments are seconds of one monotonic clock."""

    begun_at: float = 0.0  # the last commit
    free_since: float = 0.0  # the recorder

    def wait(self, now: float) -> float:
        """Return in how many seconds the next commit is due, if there is anything to commit."""
        return max(self.begun_at + BETWEEN_COMMITS, self.free_since + AFTER_COMMIT) - now

    def follows(self, outcomes: int, connections: int, now: float) -> bool:
        """Return whether there is so much already that the next commit comes without a pause."""
        if outcomes * EARLY_COMMIT_PART < connections:
            return False
        return outcomes > 0 and (
            now >= self.begun_at + BETWEEN_COMMITS or outcomes >= EARLY_COMMIT_OUTCOMES
        )

    def heartbeat_is_due(self, now: float) -> bool:
        return now - self.begun_at > HEARTBEAT_EVERY
