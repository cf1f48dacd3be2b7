"""Who a letter is from, as clients read it: a name, and never an address in its place."""

import re

from accounts.models import User

_HOLDS_ADDRESS = re.compile(r"\S@\S").search


def name_of(chosen: str, owner: User) -> str:
    """Return the name in From: the mailing's own, else that of the profile; empty rather than an
    address, which programs show beside the real one and filters warn of."""
    return next((name.strip() for name in (chosen, owner.full_name) if is_name(name)), "")


def is_name(text: str) -> bool:
    """Return whether clients could read it as a name: it is not empty and holds no address."""
    return bool(text.strip()) and not _HOLDS_ADDRESS(text)
