"""Programs that fetch pages, told from readers by the name they give themselves.

The names are those of `crawler-user-agents`, a list that is kept by many and renewed every month.
Who gives no name at all is taken for a reader: some browsers are set to say nothing.
"""

from functools import lru_cache

from crawleruseragents import is_crawler

LONGEST = 1_000
"""Letters of a name that are looked at; no browser's is half as long."""


@lru_cache(maxsize=4096)
def is_robot(user_agent: str) -> bool:
    """Is it a search engine, a maker of previews, a monitor, a library for programs?

    The list is some hundred patterns, a tenth of a millisecond; most visitors share few names.
    """
    return bool(user_agent) and is_crawler(user_agent[:LONGEST])
