"""Who can sign in to the demo. The passwords are public: it is for development only."""

from dataclasses import dataclass

from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group

from accounts.models import User
from accounts.roles import EDITORS, MANAGERS


@dataclass(frozen=True, slots=True)
class DemoAccount:
    email: str
    password: str
    full_name: str
    role: str
    """For people: what to look at when signed in with it."""
    group: str = ""
    is_superuser: bool = False


DEMO_ACCOUNTS = (
    DemoAccount(
        "admin@vestnik.example", "demo-admin-2026", "Алла Смирнова", "superuser", is_superuser=True
    ),
    DemoAccount(
        "manager@vestnik.example", "demo-manager-2026", "Марина Строева", "manager", MANAGERS
    ),
    DemoAccount("editor@vestnik.example", "demo-editor-2026", "Анна Ветрова", "editor", EDITORS),
    DemoAccount(
        "maria@knizhny-dvor.example", "demo-maria-2026", "Мария Лебедева", "user: a bookshop"
    ),
    DemoAccount(
        "pavel@studia-rovno.example", "demo-pavel-2026", "Павел Ежов", "user: a yoga studio"
    ),
)
BOOKSHOP = "maria@knizhny-dvor.example"
STUDIO = "pavel@studia-rovno.example"


def load_accounts() -> dict[str, User]:
    """Return the users of the demo by address; those that are missing are made."""
    return {account.email: _ensure(account) for account in DEMO_ACCOUNTS}


def _ensure(account: DemoAccount) -> User:
    user = User.objects.filter(email__iexact=account.email).first()
    if user is None:
        create = User.objects.create_superuser if account.is_superuser else User.objects.create_user
        user = create(account.email, account.password, full_name=account.full_name)
        if account.group:
            user.groups.add(Group.objects.get(name=account.group))
    # Signing in takes a confirmed address, also for a superuser.
    EmailAddress.objects.get_or_create(
        user=user, email=user.email, defaults={"verified": True, "primary": True}
    )
    return user


def existing_accounts() -> list[DemoAccount]:
    """Return the demo's accounts that are in the database."""
    known = set(User.objects.filter(email__endswith=".example").values_list("email", flat=True))
    return [account for account in DEMO_ACCOUNTS if account.email in known]
