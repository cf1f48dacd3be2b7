"""E-mail addresses: one spelling for one mailbox, domains, and signs that nobody sees."""
