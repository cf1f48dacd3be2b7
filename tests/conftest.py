"""Named people for rights: Olga owns rows, Pyotr is a stranger to them, Marina is a manager,
Ed an editor."""

import math
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.db import connection
from wagtail.models import Site
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from accounts import site_address
from accounts.models import User
from accounts.roles import EDITORS, MANAGERS
from blog.models import BlogIndexPage
from tests import migrated
from tests.articles import make_site_root
from tests.certificates import Certificate, make_certificate

# Speed is measured by `make bench`, never by a test: a busy machine must not fail one.
hypothesis.settings.register_profile("vestnik", deadline=None)
hypothesis.settings.load_profile("vestnik")

PASSWORD = "vier-Fluesse-7"


@pytest.fixture(scope="session")
def django_db_keepdb(django_db_modify_db_settings) -> bool:
    """Have pytest-django take the database that is put there, instead of migrating one."""
    name = connection.creation._get_test_db_name()
    if connection.vendor == "sqlite":
        migrated.copy_sqlite(Path(name))
    else:
        migrated.copy_postgresql(connection.settings_dict, name)
    return True


@pytest.fixture(autouse=True)
def known_address() -> Iterator[None]:
    """A process that has been running for a while knows the site's address; a busy machine must
    not make it ask again in the midst of a test that counts."""
    site_address.remember(settings.SITE_URL, lasts=math.inf)
    yield
    site_address.forget()


@pytest.fixture
def site_at(blog) -> Callable[[str], None]:
    """Return a function that gives the site another address, as the admin does."""

    def move(address: str) -> None:
        site = Site.objects.get(is_default_site=True)
        site.hostname, site.port = site_address.parts_of(address)
        site.save()

    return move


@pytest.fixture
def owner(db) -> User:
    return User.objects.create_user("owner@example.org", PASSWORD, full_name="Ольга Орлова")


@pytest.fixture
def stranger(db) -> User:
    return User.objects.create_user("stranger@example.org", PASSWORD, full_name="Пётр Чужой")


@pytest.fixture
def manager(db) -> User:
    """A member of the Managers group, whose permissions come with the migrations."""
    user = User.objects.create_user("manager@example.org", PASSWORD, full_name="Марина Строгая")
    user.groups.add(Group.objects.get(name=MANAGERS))
    return user


@pytest.fixture
def editor(db) -> User:
    """Writes the blog; mailings are none of their business."""
    user = User.objects.create_user("editor@example.org", PASSWORD, full_name="Эд Райтер")
    user.groups.add(Group.objects.get(name=EDITORS))
    return user


@pytest.fixture
def superuser(db) -> User:
    return User.objects.create_superuser("root@example.org", PASSWORD, full_name="Корней Первый")


@pytest.fixture
def blog(db) -> BlogIndexPage:
    """The empty blog, with the home page above it."""
    return make_site_root()


@pytest.fixture(scope="session")
def certificate() -> Certificate:
    """A good certificate for 127.0.0.1."""
    return make_certificate()


TIERS = ("unit", "gates", "integration", "browser")


def pytest_configure() -> None:
    """A shell that runs the tests behind itself has SIGINT ignored, and so would every process that
    they start and then stop as a person does."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


AS_A_WHOLE = ("tests/browser/", "test_seeds_way.py", "home/test_demo.py")
"""Modules whose tests follow one person through one site, or share what is dear to make."""


class InOrder(LoadScopeScheduling):
    """Hands tests out one by one, but some modules as a whole."""

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return module if any(part in module for part in AS_A_WHOLE) else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> InOrder:
    """Keep the order: tests that empty the tables come after the others."""
    config.option.loadscopereorder = False
    return InOrder(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the quick tests first and the browser last."""

    def tier(item: pytest.Item) -> int:
        return next((i for i, name in enumerate(TIERS) if f"tests/{name}/" in item.nodeid), 0)

    items.sort(key=tier)
