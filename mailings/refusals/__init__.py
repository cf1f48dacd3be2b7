"""What a mail server's refusal says: code, enhanced code (RFC 3463) and words become one kind.

Pure, and without policy: what follows from a kind is decided by whoever asks – the engine
(`mailings.delivery.retry`), reports, feedback. The words stand in one table (`table.py`).
"""

from mailings.refusals.kinds import OF_MAILBOX, OF_SERVICE, Refusal, RefusalKind
from mailings.refusals.reading import classify
from mailings.refusals.receivers import receiver_of_domain

__all__ = ["OF_MAILBOX", "OF_SERVICE", "Refusal", "RefusalKind", "classify", "receiver_of_domain"]
