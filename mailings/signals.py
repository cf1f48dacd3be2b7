"""What the rest of the product tells the workers. Nobody has to listen: the rows are the queue,
and the minutely sweep finds whatever a lost signal would have announced."""

from django.dispatch import Signal

mailing_scheduled = Signal()
"""A mailing got a (new) `next_run_at`. Sent after commit, with `at`: aware datetime."""

deliveries_ready = Signal()
"""Deliveries are due, or will be at `at` (aware datetime or None). Sent after commit."""

figures_changed = Signal()
"""A mailing was created or deleted, or its status changed, or a client went. Sent after commit."""

proof_requested = Signal()
"""A test send waits. Sent after commit."""

imports_waiting = Signal()
"""A file is to be checked or imported. Sent after commit."""

subscribe_letters_wait = Signal()
"""Somebody filled in a subscribe form and is to be written to. Sent after commit."""
clients_leave = Signal()
"""Clients are to be deleted in the background. Sent after commit."""
