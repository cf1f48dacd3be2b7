"""Wagtail's default site gets its address from SITE_URL, for as long as nobody has changed it.

What was written last is kept in a row: a site that still says it is ours to follow SITE_URL, one
that says anything else has been set by somebody and stays (decision 0040).
"""

import contextlib
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, transaction
from django.db.models.signals import post_migrate

from accounts import site_address
from home.models import SeededAddress

FIRST = ("localhost", 80)
"""What Wagtail's own migration and ours make."""


def seed(address: str, using: str = DEFAULT_DB_ALIAS) -> bool:
    """Give the default site the address, unless somebody else has; say whether it has it now."""
    from wagtail.models import Site

    wanted = site_address.parts_of(address)
    with transaction.atomic(using=using):
        known = SeededAddress.objects.using(using).values_list("hostname", "port").first()
        before = known or FIRST
        ours = Site.objects.using(using).filter(
            is_default_site=True, hostname=before[0], port=before[1]
        )
        others = Site.objects.using(using).filter(is_default_site=False)
        if others.filter(hostname=wanted[0], port=wanted[1]).exists():
            return False
        if not ours.update(hostname=wanted[0], port=wanted[1]):
            return False
        SeededAddress.objects.using(using).update_or_create(
            pk=1, defaults={"hostname": wanted[0], "port": wanted[1]}
        )
    site_address.forget()  # an update sends no signal
    # The cache's table is made after the first `migrate`; there is nothing to clear before.
    with contextlib.suppress(DatabaseError), transaction.atomic(using=using):
        Site.clear_site_root_paths_cache()
    return True


def seed_after_migrate(app: AppConfig) -> None:
    post_migrate.connect(_seed, sender=app, dispatch_uid="home.site_seed")


def _seed(using: str = DEFAULT_DB_ALIAS, **kwargs: Any) -> None:
    tables = connections[using].introspection.table_names()
    if {SeededAddress._meta.db_table, "wagtailcore_site"} <= set(tables):
        seed(settings.SITE_URL, using)
