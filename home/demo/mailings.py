"""Letters and mailings in each state a newcomer should see; one of them really goes out, and
some have thirty days behind them."""

import tomllib
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path

from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from accounts.models import User
from home.demo import history
from home.demo.accounts import BOOKSHOP, STUDIO
from home.demo.drawings import draw
from mailings.campaigns import editing, services
from mailings.campaigns.editing import MailingInput
from mailings.messages import pictures
from mailings.messages import services as messages
from mailings.messages.services import MessageInput
from mailings.models import Client, ClientList, Mailing, Message, SenderDomain
from mailings.sender_domains import services as sender_domains
from mailings.sender_domains.services import DomainInput
from mailings.states import Frequency, Layout

FILE = Path(__file__).parent / "messages.toml"
MORNING = time(9, 0)


@dataclass(frozen=True, slots=True)
class DemoMailing:
    owner: str
    name: str
    subject: str
    """The beginning of its message's subject."""
    lists: tuple[str, ...]
    """None: to all clients."""
    sender_name: str
    days_ahead: int
    """0: at once."""
    frequency: Frequency = Frequency.ONCE
    runs_for_days: int = 0
    is_draft: bool = False
    is_paused: bool = False
    past: history.Past | None = None


MAILINGS = (
    DemoMailing(
        BOOKSHOP, "Новинки недели", "{{ first_name", ("Книжный клуб",), "Книжный двор", 0
    ),
    DemoMailing(
        BOOKSHOP, "Утренний отрывок", "Утренний", ("Покупатели",), "Книжный двор", 1,
        Frequency.DAILY, runs_for_days=60, past=history.MORNING_READING,
    ),
    DemoMailing(
        BOOKSHOP, "Книжный дайджест", "Что читали", ("Книжный клуб",), "Книжный двор", 0,
        Frequency.WEEKLY, past=history.DIGEST,
    ),
    DemoMailing(
        BOOKSHOP, "Книжная ярмарка", "Приходите на", ("Покупатели",), "Книжный двор", 0,
        past=history.FAIR,
    ),
    DemoMailing(
        BOOKSHOP, "Каталог на лето", "Каталог", ("Покупатели",), "Книжный двор", 0,
        past=history.CATALOGUE,
    ),
    DemoMailing(
        BOOKSHOP, "Вечер стихов", "Вечер стихов", ("Книжный клуб",), "Книжный двор", 0,
        past=history.EVENING,
    ),
    DemoMailing(
        BOOKSHOP, "Школьные списки", "Школьные", ("Дети и школа",), "Книжный двор", 3,
        Frequency.MONTHLY, is_paused=True,
    ),
    DemoMailing(
        STUDIO, "Расписание на месяц", "Расписание", (), "Студия «Ровно»", 5,
        Frequency.MONTHLY, is_draft=True,
    ),
)  # fmt: skip


DOMAIN = "knizhny-dvor.example"


def load_messages(users: dict[str, User]) -> None:
    for letter in tomllib.loads(FILE.read_text())["message"]:
        owner = users[letter["owner"]]
        if Message.objects.filter(owner=owner, subject=letter["subject"]).exists():
            continue
        body = letter["body"].strip()
        if name := letter.get("drawing"):
            picture = f'<img src="{_picture(name, owner)}" alt="{letter["drawing_alt"]}"'
            body = body.replace('<img src="DRAWING" alt=""', picture)
        data = MessageInput(
            subject=letter["subject"],
            preheader=letter["preheader"],
            layout=letter.get("layout", Layout.LETTER),
            body=body,
        )
        messages.create_message(data=data, owner=owner, by=owner)


def _picture(name: str, owner: User) -> str:
    """Draw a picture into the owner's library; return its address."""
    drawn = pictures.read(SimpleUploadedFile(f"{name}.png", draw(name)))
    return pictures.add(drawn, name=f"{name}.png", owner=owner).address


def load_mailings(users: dict[str, User]) -> None:
    for demo in MAILINGS:
        owner = users[demo.owner]
        if not Mailing.objects.filter(owner=owner, name=demo.name).exists():
            _make(demo, owner)


def load_domains(users: dict[str, User]) -> None:
    """Add a domain that waits for its records; it is asked for only when somebody says so."""
    owner = users[BOOKSHOP]
    if not SenderDomain.objects.filter(owner=owner).exists():
        row = sender_domains.add(data=DomainInput(DOMAIN), owner=owner, by=owner)
        SenderDomain.objects.filter(pk=row.pk).update(next_check_at=None)


def _make(demo: DemoMailing, owner: User) -> None:
    now = timezone.now()
    start_at = _morning(owner, demo.days_ahead) if demo.days_ahead else None
    if demo.past:
        start_at = history.begin(demo.past, _morning(owner, 0), now)
    end_at = None
    if start_at and demo.runs_for_days:
        end_at = start_at + timedelta(days=demo.runs_for_days)
    data = MailingInput(
        name=demo.name,
        message=Message.objects.get(owner=owner, subject__startswith=demo.subject),
        sender_name=demo.sender_name,
        to_all=not demo.lists,
        lists=ClientList.objects.filter(owner=owner, name__in=demo.lists),
        start_at=start_at,
        end_at=end_at,
        frequency=demo.frequency,
    )
    mailing = editing.create_mailing(data=data, owner=owner, by=owner)
    if demo.is_draft:
        return
    if demo.past:
        history.write(mailing, demo.past, Client.objects.filter(owner=owner).order_by("pk"), now)
        return
    services.schedule_mailing(mailing=mailing, by=owner)
    if demo.is_paused:
        services.pause_mailing(mailing=mailing, by=owner)


def _morning(owner: User, days_ahead: int) -> datetime:
    """Return nine in the morning of the owner's zone, some days from today."""
    day = timezone.localdate(timezone=owner.zone) + timedelta(days=days_ahead)
    return datetime.combine(day, MORNING, tzinfo=owner.zone)
