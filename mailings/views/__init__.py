"""The cabinet's pages: each view reads the request, asks one selector or service, and answers."""
