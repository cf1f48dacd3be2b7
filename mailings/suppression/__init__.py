"""Who must not be written to, and how people get onto that list."""
