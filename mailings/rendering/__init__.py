"""A letter for one recipient from what was compiled once: pure, without a database."""
