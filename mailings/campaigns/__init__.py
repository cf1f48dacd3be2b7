"""The mailing itself: which message goes to whom and when, and what its owner does with it."""
