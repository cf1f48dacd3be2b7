"""The pages of messages and pictures."""
