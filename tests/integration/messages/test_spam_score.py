"""What SpamAssassin's own rules, without any network, say of every layout with its sample."""

import re
import subprocess
from datetime import UTC, datetime

from mailings.delivery.runs import composing
from mailings.messages import content, samples
from mailings.rendering.compiler import Recipient
from mailings.suppression import unsubscribe_links
from tests import factories, needs

MOST = 0.5
LANGUAGES = ("ru", "en")


def letters(owner) -> dict[str, bytes]:
    """Return each sample as a run sends it, by layout and language."""
    found = {}
    for language in LANGUAGES:
        owner.language = language
        owner.save()
        for layout in samples.Layout.values:
            sample = samples.sample(layout, language)
            message = factories.make_message(
                owner, subject=sample.subject, preheader=sample.preheader, body=sample.body,
                layout=layout,
            )  # fmt: skip
            html = content.frozen_html(message)
            client = factories.make_client(owner, full_name="Anna Orlova")
            mailing = factories.make_mailing(owner, clients=[client], message=message)
            run = factories.make_run(
                mailing, subject=sample.subject, preheader=sample.preheader,
                html=html, text=content.frozen_text(message, html),
                sender_name="Книжный двор" if language == "ru" else "The Book Yard",
                sender_email="news@shop-of-books.org",
            )  # fmt: skip
            compiled = composing.compile_run(run)
            link = unsubscribe_links.url(owner.pk, 1, client.email)
            recipient = Recipient(
                address=client.email, full_name=client.full_name, variables={},
                message_id=f"{len(found)}.17@shop-of-books.org", unsubscribe_url=link,
            )  # fmt: skip
            mail = compiled.render(recipient, datetime.now(UTC))
            found[f"{layout} {language}"] = mail.replace(b"\r\n", b"\n")
    return found


def test_no_layout_looks_like_spam(owner, tmp_path, site_at):
    program = needs.program("spamassassin", package="spamassassin")
    site_at("https://mail.shop-of-books.org")
    mails = letters(owner)
    mbox = b"".join(
        b"From test Mon Nov 30 10:00:00 2026\n" + mail + b"\n" for mail in mails.values()
    )
    said = subprocess.run(
        [
            program, "--local", "--mbox", "--prefspath", tmp_path / "p",
            "--cf", "use_bayes 0", "--cf", "add_header all Rules _TESTSSCORES(,)_",
            "--cf", "required_score 99",
        ],
        input=mbox, capture_output=True, check=True, timeout=120,
    )  # fmt: skip
    names = list(mails)
    bad, judged = {}, set()
    for mail in re.split(r"^From test ", said.stdout.decode(errors="replace"), flags=re.M)[1:]:
        name = names[int(re.search(r"^Message-ID: <(\d+)\.17@", mail, re.M | re.I)[1])]
        rules = re.search(r"^X-Spam-Rules: (.*(?:\n\s+.*)*)", mail, re.M)[1]
        found = dict(re.findall(r"(\w+)=(-?[\d.]+)", "".join(rules.split())))
        judged.add(name)
        # What speaks for a mailing list must not outweigh what speaks against the letter.
        if (score := sum(max(0.0, float(points)) for points in found.values())) > MOST:
            bad[name] = (score, found)
    assert judged == set(names), said.stderr.decode()
    assert bad == {}
