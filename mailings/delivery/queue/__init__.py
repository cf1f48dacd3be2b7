"""Rows are the queue: which runs have work, and how a worker gets hold of it."""
