"""The consent ledger: who agreed to what, when and how, and what proves it to others."""
