"""Occurrences of mailings: made, frozen, held, closed."""
