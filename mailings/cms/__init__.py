"""The managers' desk in Wagtail's admin: everything may be looked at, almost nothing changed."""
