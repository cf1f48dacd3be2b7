"""SMTP, written for one purpose: many mails over few connections, and no doubt left unsaid."""
