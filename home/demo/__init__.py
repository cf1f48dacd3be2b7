"""Demo content: people, clients, mailings, articles. `load_demo` puts it into the database.

Each part looks for what is there by its natural key, makes what is missing and changes nothing
that exists; so it may run any number of times.
"""

from home.demo.accounts import DEMO_ACCOUNTS, DemoAccount

__all__ = ["DEMO_ACCOUNTS", "DemoAccount"]
