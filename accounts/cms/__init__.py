"""The users' pages in Wagtail's admin."""
