"""Named people for rights, factories for rows."""

import pytest

from accounts.models import User

PASSWORD = "vier-Fluesse-7"


@pytest.fixture
def owner(db) -> User:
    return User.objects.create_user("owner@example.org", PASSWORD, full_name="Ольга Орлова")


@pytest.fixture
def stranger(db) -> User:
    return User.objects.create_user("stranger@example.org", PASSWORD, full_name="Пётр Чужой")
