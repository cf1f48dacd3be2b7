"""Every figure that is shown: of the site, a run, a period, the mail service."""
