"""Domains that owners send from: proved, signed for (DKIM), looked at in DNS line by line."""
