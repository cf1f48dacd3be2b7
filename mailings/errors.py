"""What the use cases raise when a rule does not allow what was asked for."""


class Refused(Exception):  # noqa: N818 - an answer, not an error
    """The rules do not allow it now; the message, in the reader's language, says why and how to
    mend it."""
