"""People of the admin beside the managers: an editor, who writes the blog and sees no mailings."""

import pytest
from django.contrib.auth.models import Group, Permission

from accounts.models import User


@pytest.fixture(autouse=True)
def _groups(request):
    if "db" not in request.fixturenames and "transactional_db" not in request.fixturenames:
        return
    request.getfixturevalue("db")
    managers, _ = Group.objects.get_or_create(name="Managers")
    managers.permissions.add(
        *Permission.objects.filter(codename__in=["access_admin", "stop_mailing"]),
        *Permission.objects.filter(
            content_type__app_label="mailings", codename__startswith="view_"
        ),
    )
    editors, _ = Group.objects.get_or_create(name="Editors")
    editors.permissions.add(Permission.objects.get(codename="access_admin"))


@pytest.fixture
def editor(db) -> User:
    user = User.objects.create_user("editor@example.org", "vier-Fluesse-7", full_name="Эд Райтер")
    user.groups.add(Group.objects.get(name="Editors"))
    return user
