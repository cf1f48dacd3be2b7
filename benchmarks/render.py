"""How long one personalised letter takes: our renderer against Django's own tools.

The same letter (multipart, about 5 kB of HTML, four variables) for the same clients, in Russian
and in English, as complete bytes ready for SMTP. Django gets every advantage: its templates are
compiled once. The figures are processor time, medians of three; the ratio is the worse language's.
"""

import resource
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import django
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template import Context, Template

if not settings.configured:
    settings.configure(
        SECRET_KEY="only-for-benchmarks-0123456789-abcdefghijklmnopqrstuvwxyz",
        SITE_URL="https://example.org",
        BOUNCE_DOMAIN="returns.example.org",
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "DIRS": [Path(__file__).resolve().parent.parent / "templates"],
            }
        ],
    )
    django.setup()

from benchmarks.report import Figures, Goal, conclude, options
from mailings.delivery import bounce_addresses
from mailings.messages import letter
from mailings.rendering.compiler import Content, Recipient, compile_content
from mailings.suppression import unsubscribe_links

LETTERS = 20_000  # a round
FEWER = 20  # Django makes so many times fewer
WORDS = {
    "en": (
        "Hello {{ first_name }},",
        "We have prepared the digest of product news, articles and events; five minutes to read.",
        "Discounts & offers: the second item in every category is at half price until Sunday.",
        ("Alice Liddell", "Bob Cratchit", "D'Arcy Wentworth", "Eve Moneypenny"),
        "Acme Ltd",
    ),
    "ru": (
        "Здравствуйте, {{ first_name }}!",
        "Мы подготовили для вас обзор новостей, статей и событий; чтение займёт пять минут.",
        "Скидки и предложения: второй товар в каждой категории за полцены до воскресенья.",
        ("Алиса Лидделл", "Борис Крачит", "Екатерина Дмитриевна Орлова", "Фёдор Ёлкин"),
        "ООО «Ромашка»",
    ),
}


def letter_in(language: str) -> Content:
    greeting, first, second, _names, _company = WORDS[language]
    link = '<p><a href="https://example.org/?client={{ card }}">{{ company }}</a></p>'
    html = letter.document(
        subject="{{ first_name }}, {{ company }}",
        preheader=second,
        body=f"<p>{greeting}</p>" + f"<p>{first}</p><p>{second}</p>" * 2 + link,
        sender_name="{{ company }}",
        accent="#0d5463",
        language=language,
    )
    return Content(
        subject="{{ first_name }}, {{ company }}",
        preheader=second,
        html=html,
        text=f"{greeting}\n\n{first}\n\n{second}\n\n" * 3
        + "{{ company }}\n{{ unsubscribe_url }}\n",
        sender_name="Vestnik",
        sender_email="news@example.org",
        list_id="17.news.example.org",
    )


def clients(language: str, count: int) -> Iterator[Recipient]:
    *_words, names, company = WORDS[language]
    for number in range(count):
        address = f"user{number}@example{number % 50}.org"
        yield Recipient(
            address=address,
            full_name=names[number % len(names)],
            variables={"company": company, "card": str(4400 + number)},
            message_id=f"{number}.17@example.org",
            unsubscribe_url=unsubscribe_links.url(17, 1_000_000 + number, address),
        )


class Django:
    """What a project writes with Django alone."""

    def __init__(self, content: Content) -> None:
        self.content = content
        self.subject, self.text, self.html = map(
            Template, (content.subject, content.text, content.html)
        )

    def render(self, recipient: Recipient, now: datetime) -> bytes:
        context = Context(
            {
                **recipient.variables,
                "full_name": recipient.full_name,
                "first_name": recipient.full_name.split()[0],
                "unsubscribe_url": recipient.unsubscribe_url,
            }
        )
        mail = EmailMultiAlternatives(
            self.subject.render(context),
            self.text.render(context),
            f"{self.content.sender_name} <{self.content.sender_email}>",
            [f"{recipient.full_name} <{recipient.address}>"],
            headers={
                "Message-ID": f"<{recipient.message_id}>",
                "List-ID": f"<{self.content.list_id}>",
                "List-Unsubscribe": f"<{recipient.unsubscribe_url}>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
                "Precedence": "bulk",
                "Auto-Submitted": "auto-generated",
            },
        )
        mail.attach_alternative(self.html.render(context), "text/html")
        return mail.message().as_bytes(linesep="\r\n")


def cost(render: Callable[[Recipient, datetime], bytes], language: str, count: int) -> float:
    """Return microseconds of processor a letter, making the recipient included."""
    now = datetime.now(UTC)
    started = time.process_time()
    for recipient in clients(language, count):
        render(recipient, now)
    return (time.process_time() - started) / count * 1e6


def measure(language: str, rounds: int, letters: int) -> tuple[float, float]:
    content = letter_in(language)
    compiled, reference = compile_content(content), Django(content)
    sample = next(clients(language, 1))
    size = len(compiled.render(sample, datetime.now(UTC)))
    our_costs, their_costs = [], []
    for _round in range(rounds):  # by turns, so that a busy machine is unfair to both
        our_costs.append(cost(compiled.render, language, letters))
        their_costs.append(cost(reference.render, language, max(1, letters // FEWER)))
    our_cost, their_cost = statistics.median(our_costs), statistics.median(their_costs)
    print(
        f"{language}: {size} bytes, ours {our_cost:.1f} µs, Django {their_cost:.0f} µs, "
        f"{their_cost / our_cost:.0f} times faster"
    )
    return our_cost, their_cost


def envelopes(rounds: int, letters: int) -> None:
    """Say what the envelope's own sender costs beside the token of the unsubscribe link, which is
    made in the same way."""
    addresses = [f"user{number}@example{number % 50}.org" for number in range(letters)]

    def verp(number: int, address: str) -> str:
        return bounce_addresses.sender("news@example.org", number, address)

    def link(number: int, address: str) -> str:
        return unsubscribe_links.token(17, number, address)

    costs: dict[str, list[float]] = {"verp": [], "link": []}
    for _round in range(rounds):
        for name, make in (("verp", verp), ("link", link)):
            started = time.process_time()
            for number, address in enumerate(addresses):
                make(number, address)
            costs[name].append((time.process_time() - started) / letters * 1e6)
    ours, token = (statistics.median(costs[name]) for name in ("verp", "link"))
    print(
        f"envelope sender {ours:.1f} µs a letter, unsubscribe token {token:.1f} µs:"
        f" {ours / token:.2f} of it"
    )


def main() -> None:
    chosen = options(count=LETTERS, noun="letters")
    envelopes(chosen.runs, chosen.count)
    costs = [measure(language, chosen.runs, chosen.count) for language in WORDS]
    our_cost, their_cost = min(costs, key=lambda pair: pair[1] / pair[0])
    ratio = their_cost / our_cost
    conclude(
        Figures(
            "render", 1e6 / our_cost, "letters/s", 1e6 / their_cost, ratio, client_us=our_cost,
            rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        ),
        Goal("at least 20 × faster than Django", ratio >= 20),
    )  # fmt: skip


if __name__ == "__main__":
    main()
