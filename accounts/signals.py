"""What the other apps have to do with a user who is deleted; the accounts do not know them."""

from django.dispatch import Signal

what_goes = Signal()
"""Asked with `user` before a deletion: a receiver returns what goes, in words with numbers."""

user_stops = Signal()
"""Sent with `user` and `by` in a transaction of its own: what is under way ends."""

user_leaves = Signal()
"""Sent with `user` in the transaction that deletes the user: a receiver removes what is theirs. It
may raise `accounts.services.Refused`: then nothing is deleted."""
