"""What the home page shows of the whole service, cached: three figures and three articles.

The figures are right at once after a change, although they are cached. Each change replaces the
*generation*; figures belong to the generation that was read before they were counted, so a count
that a change has overtaken is never taken for the new one. All is fetched by one `get_many`,
which the embedded default (a cache in a table) answers with one query.
"""

import contextlib
import random
import secrets
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.db import transaction

from blog.cards import Card, cards
from blog.memo import AWAY
from blog.models import BlogPage
from mailings.reports.site import SiteFigures, site_figures

GENERATION = "home:generation"
FIGURES = "home:figures:1"  # the number changes with the shape of what is kept
ARTICLES = "home:articles:2"
FIGURES_TTL = 45  # seconds; only for what no signal tells, such as rows changed in the database;
# with the seconds that a whole page is kept (site_config/page_cache.py) a minute at most
ARTICLES_SHOWN = 3
ARTICLES_DRAWN = 24  # of which each page shows three, until others are drawn with the figures


@dataclass(frozen=True, slots=True)
class Summary:
    figures: SiteFigures
    articles: list[Card]


def load() -> Summary:
    """Return the summary, counting only what the cache does not hold."""
    try:
        kept = cache.get_many([GENERATION, FIGURES, ARTICLES])
    except AWAY:  # the home page can do without
        return Summary(site_figures(), random_articles(ARTICLES_SHOWN))
    fresh: dict[str, Any] = {}
    generation = kept.get(GENERATION)
    counted_in, figures = kept.get(FIGURES, (None, None))
    if figures is None or counted_in != generation:
        figures = site_figures()
        fresh[FIGURES] = (generation, figures)
    articles = kept.get(ARTICLES)
    if articles is None:
        articles = fresh[ARTICLES] = random_articles(ARTICLES_DRAWN)
    if fresh:
        with contextlib.suppress(*AWAY):
            cache.set_many(fresh, FIGURES_TTL)
    shown = random.sample(articles, min(ARTICLES_SHOWN, len(articles)))
    return Summary(figures, shown)


def random_articles(number: int) -> list[Card]:
    drawn = BlogPage.objects.live().public().with_views().order_by("?")
    return cards(drawn[:number], None)


# ---------------------------------------------------------------- what makes it old


def forget_figures(**kwargs: Any) -> None:
    """Signal receiver: once the change is committed, nobody is shown older figures.

    `robust`: the change is done; a cache that is away must not turn it into an error.
    """
    transaction.on_commit(_renew_generation, robust=True)


def forget_articles(**kwargs: Any) -> None:
    """Signal receiver: an article came, went or changed its address."""
    transaction.on_commit(lambda: cache.delete(ARTICLES), robust=True)


def _renew_generation() -> None:
    cache.set(GENERATION, secrets.token_hex(8), timeout=None)
