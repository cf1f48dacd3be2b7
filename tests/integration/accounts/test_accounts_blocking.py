"""Blocking: who may, what it ends, what is told, and what a manager cannot do with users."""

import pytest
from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.test import Client
from wagtail.log_actions import registry

from accounts import services
from accounts.models import User
from tests.conftest import PASSWORD
from tests.factories import make_user

pytestmark = pytest.mark.django_db

REASON = "Письма тем, кто не просил"


@pytest.fixture
def signed_in(owner: User) -> Client:
    services.confirm_address(user=owner)
    client = Client()
    client.post("/accounts/login/", {"login": owner.email, "password": PASSWORD})
    assert client.get("/accounts/profile/").status_code == 200
    return client


@pytest.fixture
def cms(manager: User) -> Client:
    client = Client()
    client.force_login(manager)
    return client


def test_block_ends_the_session_at_once(signed_in: Client, owner: User, manager: User) -> None:
    services.block_user(user=owner, by=manager, reason=REASON)
    assert signed_in.get("/accounts/profile/").url.startswith("/accounts/login/")
    assert not UserSession.objects.filter(user=owner).exists()
    services.unblock_user(user=owner, by=manager, reason="Ошибка")
    assert signed_in.get("/accounts/profile/").status_code == 302, "an old session stays ended"


def test_blocked_user_reads_why_only_with_the_right_password(owner: User, manager: User) -> None:
    services.confirm_address(user=owner)
    services.block_user(user=owner, by=manager, reason=REASON)
    login = {"login": owner.email, "password": PASSWORD}
    answer = Client().post("/accounts/login/", login)
    assert answer.status_code == 403
    assert REASON in answer.content.decode()
    wrong = Client().post("/accounts/login/", login | {"password": "wrong-password-1"})
    assert wrong.status_code == 200
    assert REASON not in wrong.content.decode()


def test_blocked_user_gets_no_reset_link(owner: User, manager: User, mailoutbox) -> None:
    services.confirm_address(user=owner)
    services.block_user(user=owner, by=manager, reason=REASON)
    Client().post("/accounts/password/reset/", {"email": owner.email})
    assert "/password/reset/key/" not in "".join(letter.body for letter in mailoutbox)


def test_block_keeps_who_when_why_and_writes_the_log(owner: User, manager: User) -> None:
    services.block_user(user=owner, by=manager, reason=f"  {REASON} ")
    owner.refresh_from_db()
    assert (owner.is_active, owner.blocked_by, owner.blocked_reason) == (False, manager, REASON)
    assert owner.blocked_at is not None
    services.unblock_user(user=owner, by=manager, reason="Разобрались")
    owner.refresh_from_db()
    assert (owner.is_active, owner.blocked_by, owner.blocked_at) == (True, None, None)
    log = registry.get_logs_for_instance(owner).order_by("timestamp")
    assert [(row.action, row.user, row.data["reason"]) for row in log] == [
        ("accounts.block", manager, REASON),
        ("accounts.unblock", manager, "Разобрались"),
    ]
    assert REASON in registry.get_formatter(log[0]).format_message(log[0])


def test_second_block_is_refused_and_logs_nothing(owner: User, manager: User) -> None:
    services.block_user(user=owner, by=manager, reason=REASON)
    with pytest.raises(services.Refused):
        services.block_user(user=owner, by=manager, reason="ещё раз")
    owner.refresh_from_db()
    assert owner.blocked_reason == REASON
    assert registry.get_logs_for_instance(owner).count() == 1


def test_block_without_a_reason_is_refused(owner: User, manager: User) -> None:
    with pytest.raises(services.Refused):
        services.block_user(user=owner, by=manager, reason="  ")
    owner.refresh_from_db()
    assert owner.is_active


def test_nobody_blocks_without_right_nor_themselves_nor_above_them(
    owner: User, stranger: User, manager: User, superuser: User
) -> None:
    forbidden = [(stranger, owner), (manager, manager), (superuser, manager), (owner, owner)]
    for user, by in forbidden:
        with pytest.raises(PermissionDenied):
            services.block_user(user=user, by=by, reason=REASON)
    services.block_user(user=manager, by=superuser, reason=REASON)
    manager.refresh_from_db()
    with pytest.raises(PermissionDenied):
        services.block_user(user=owner, by=manager, reason=REASON)


def test_manager_blocks_and_unblocks_through_the_admin(cms: Client, owner: User) -> None:
    asked = cms.get(f"/cms/users/block/{owner.pk}/")
    assert asked.status_code == 200
    empty = cms.post(f"/cms/users/block/{owner.pk}/", {"reason": " "})
    assert "reason" in empty.context["form"].errors
    cms.post(f"/cms/users/block/{owner.pk}/", {"reason": REASON})
    owner.refresh_from_db()
    assert owner.blocked_reason == REASON
    assert REASON in cms.get(f"/cms/users/inspect/{owner.pk}/").content.decode()
    history = cms.get(f"/cms/users/history/{owner.pk}/").content.decode()
    assert REASON in history
    assert "/cms/users/edit/" not in history
    cms.post(f"/cms/users/unblock/{owner.pk}/", {"reason": "Разобрались"})
    owner.refresh_from_db()
    assert owner.is_active


def test_get_blocks_nobody(cms: Client, owner: User) -> None:
    cms.get(f"/cms/users/block/{owner.pk}/?reason=x")
    owner.refresh_from_db()
    assert owner.is_active


def test_blocking_page_of_an_unknown_user_is_a_404(cms: Client) -> None:
    assert cms.get("/cms/users/block/999999/").status_code == 404


def test_user_without_the_right_cannot_block_through_the_admin(owner: User, stranger: User) -> None:
    editor = make_user(password=PASSWORD)
    editor.groups.add(Group.objects.get(name="Editors"))
    for user in (editor, stranger):
        client = Client()
        client.force_login(user)
        client.post(f"/cms/users/block/{owner.pk}/", {"reason": REASON})
        assert client.get("/cms/users/").status_code != 200
        owner.refresh_from_db()
        assert owner.is_active


def test_manager_reads_the_list_and_the_page_of_a_user(cms: Client, owner: User) -> None:
    listed = cms.get("/cms/users/")
    assert owner.email in listed.content.decode()
    assert f"/cms/users/block/{owner.pk}/" in listed.content.decode()
    assert f"/cms/users/edit/{owner.pk}/" not in listed.content.decode()
    page = cms.get(f"/cms/users/inspect/{owner.pk}/").content.decode()
    assert owner.email in page
    assert 'class="v-status' in page
    assert owner.email in cms.get("/cms/users/?q=Орлова").content.decode()


@pytest.mark.parametrize(
    "path",
    [
        "/cms/users/new/",
        "/cms/users/edit/{pk}/",
        "/cms/users/delete/{pk}/",
        "/cms/users/edit/{me}/",
        "/cms/groups/",
        "/cms/groups/new/",
        "/cms/groups/edit/{group}/",
        "/cms/bulk/accounts/user/set_active_state/?id={pk}",
        "/cms/bulk/accounts/user/assign_role/?id={me}",
        "/cms/bulk/accounts/user/delete/?id={pk}",
    ],
)
def test_manager_can_neither_edit_users_nor_rise(
    cms: Client, owner: User, manager: User, path: str
) -> None:
    group = Group.objects.get(name="Managers")
    url = path.format(pk=owner.pk, me=manager.pk, group=group.pk)
    assert cms.get(url).status_code != 200 or "bulk" in url
    rights = set(group.permissions.values_list("pk", flat=True))
    data = {
        "email": "risen@example.org", "full_name": "Risen", "language": "ru",
        "time_zone": "Europe/Moscow", "password1": "", "password2": "", "name": group.name,
        "is_superuser": "on", "is_staff": "on", "groups": "1", "permissions": "1",
        "mark_as_active": "False", "role": group.pk, "next": "/cms/users/",
    }  # fmt: skip
    cms.post(url, data)
    manager.refresh_from_db()
    owner.refresh_from_db()
    assert not manager.is_superuser
    assert not manager.is_staff
    assert owner.is_active
    assert owner.email == "owner@example.org"
    assert set(group.permissions.values_list("pk", flat=True)) == rights
    assert User.objects.count() == 2
    assert not owner.groups.exists()


def test_even_a_superuser_cannot_switch_off_in_bulk(superuser: User, owner: User) -> None:
    client = Client()
    client.force_login(superuser)
    client.post(
        f"/cms/bulk/accounts/user/set_active_state/?id={owner.pk}", {"mark_as_active": "False"}
    )
    owner.refresh_from_db()
    assert owner.is_active


def test_list_of_users_asks_no_query_per_row(cms: Client, django_assert_max_num_queries) -> None:
    for _ in range(30):
        services.confirm_address(user=make_user())
    cms.get("/cms/users/")
    with django_assert_max_num_queries(20):
        cms.get("/cms/users/")


class TestSuperuserEditsUsers:
    @pytest.fixture
    def client(self, superuser: User) -> Client:
        client = Client()
        client.force_login(superuser)
        client.post("/accounts/reauthenticate/", {"password": PASSWORD})
        return client

    @pytest.mark.parametrize(
        "path",
        [
            "users/new/",
            "users/edit/{pk}/",
            "groups/new/",
            "groups/edit/{group}/",
            "bulk/accounts/user/assign_role/?id={pk}",
        ],
    )
    def test_a_session_alone_hands_out_no_account_and_no_right(
        self, superuser: User, owner: User, path: str
    ) -> None:
        stolen = Client()
        stolen.force_login(superuser)
        group = Group.objects.get(name="Managers")
        data = self.fields(email="thief@example.org", password1=PASSWORD, password2=PASSWORD)
        data |= {"name": "thieves", "role": group.pk}
        url = "/cms/" + path.format(pk=owner.pk, group=group.pk)
        for answer in (stolen.get(url), stolen.post(url, data | {"is_superuser": "on"})):
            assert answer.status_code == 302
            assert answer.url.startswith("/accounts/reauthenticate/")
        assert not User.objects.filter(email="thief@example.org").exists()
        assert not Group.objects.filter(name="thieves").exists()
        assert not owner.groups.exists()

    def test_own_address_and_password_are_not_changed_here(
        self, client: Client, superuser: User
    ) -> None:
        url = f"/cms/users/edit/{superuser.pk}/"
        assert {"email", "password1"}.isdisjoint(client.get(url).context["form"].fields)
        before = superuser.password
        other = "another-Fluss-9"
        data = self.fields(email="thief@example.org", password1=other, password2=other)
        assert client.post(url, data).status_code == 302
        superuser.refresh_from_db()
        assert (superuser.email, superuser.password) == ("root@example.org", before)
        assert (superuser.full_name, superuser.is_superuser) == ("Новый Человек", True)

    @staticmethod
    def fields(**changes: object) -> dict[str, object]:
        return {
            "email": "boss@example.org", "full_name": "Новый Человек", "phone": "",
            "language": "ru", "time_zone": "Asia/Omsk", "password1": "", "password2": "",
        } | changes  # fmt: skip

    def test_added_user_can_sign_in(self, client: Client) -> None:
        page = client.get("/cms/users/new/").content.decode()
        assert "first_name" not in page
        assert '<option value="Europe/Moscow" selected' in page
        data = self.fields(email="New@Example.org", password1=PASSWORD, password2=PASSWORD)
        assert client.post("/cms/users/new/", data).status_code == 302
        visitor = Client()
        visitor.post("/accounts/login/", {"login": "new@example.org", "password": PASSWORD})
        assert visitor.get("/accounts/profile/").status_code == 200
        assert User.objects.get(email="new@example.org").time_zone == "Asia/Omsk"

    def test_new_address_is_known_to_the_sign_in_and_the_old_one_is_not(
        self, client: Client, owner: User
    ) -> None:
        services.confirm_address(user=owner)
        assert client.get(f"/cms/users/edit/{owner.pk}/").status_code == 200
        client.post(f"/cms/users/edit/{owner.pk}/", self.fields(email="Other@example.org"))
        owner.refresh_from_db()
        assert owner.email == "other@example.org"
        rows = EmailAddress.objects.filter(user=owner)
        assert [(row.email, row.verified, row.primary) for row in rows] == [
            ("other@example.org", True, True)
        ]

    def test_address_of_another_user_is_refused(
        self, client: Client, owner: User, stranger: User
    ) -> None:
        data = self.fields(email=stranger.email.upper())
        answer = client.post(f"/cms/users/edit/{owner.pk}/", data)
        assert "email" in answer.context["form"].errors

    def test_edit_does_not_unblock(self, client: Client, owner: User, superuser: User) -> None:
        services.block_user(user=owner, by=superuser, reason=REASON)
        data = self.fields(email=owner.email, is_active="on")
        client.post(f"/cms/users/edit/{owner.pk}/", data)
        owner.refresh_from_db()
        assert not owner.is_active


def test_account_page_of_the_admin_shows_and_saves_without_first_name(cms: Client) -> None:
    page = cms.get("/cms/account/").content.decode()
    assert "first_name" not in page
    assert "/accounts/profile/" in page
    data = {"theme-theme": "dark", "theme-contrast": "system", "theme-density": "default"}
    answer = cms.post("/cms/account/", data)
    assert answer.status_code == 302
    assert User.objects.get(email="manager@example.org").wagtail_userprofile.theme == "dark"


def test_admin_sign_in_goes_through_the_one_door(client: Client, owner: User) -> None:
    asked = client.get("/cms/login/?next=/cms/users/")
    assert asked.url == "/accounts/login/?next=/cms/users/"
    away = client.get("/cms/login/?next=https://evil.example/")
    assert away.url == "/accounts/login/?next=/cms/"
    client.force_login(owner)
    assert client.get("/cms/login/").status_code == 403
    assert client.post("/cms/login/", {"username": "x", "password": "y"}).status_code == 403


def test_admin_of_a_stranger_to_it_ends_in_one_refusal(client: Client, owner: User) -> None:
    client.force_login(owner)
    assert client.get("/cms/", follow=True).status_code == 403
