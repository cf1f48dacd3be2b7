"""One client for each mailbox of an owner: doubles that differ in case, in how their domain is
written or in signs that nobody sees become the oldest of them, with all that they had.

A few statements over all rows, whatever their number; only what people wrote about doubles is
merged in Python. Deliveries to clients who are gone lose their number on the way, so that the
engine skips them.
"""

import json
import re
from itertools import groupby

import idna
from django.db import migrations, models, transaction
from django.db.models.functions import Lower
from django.utils import timezone

BATCH = 1_000
MAX_ATTRIBUTES = 50

# As in `mailings/unseen.py` when this was written.
UNSEEN = re.compile(
    "[\u00a0\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2007\u200b-\u200f\u202a-\u202f"
    "\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001d173-\U0001d17a"
    "\U000e0000-\U000e007f\U000e0100-\U000e01ef]"
)
REFUSALS = {
    "no", "n", "false", "0", "-", "none", "declined", "refused", "not agreed", "unsubscribed",
    "нет", "не", "н", "ложь", "отказ", "отказался", "отказалась", "не согласен", "не согласна",
}  # fmt: skip
"""What a file's column said of somebody who did not agree: it stood as “how they agreed”."""

LOWER = {"postgresql": 'LOWER(email_normalised COLLATE "C")', "sqlite": "LOWER(email_normalised)"}
SPECIAL = {
    "postgresql": "email ~ '[^!-~]' OR email_normalised LIKE '%xn--%'",
    "sqlite": "email GLOB '*[^!-~]*' OR email_normalised LIKE '%xn--%'",
}


def merge_doubles(apps, schema_editor):
    connection = schema_editor.connection
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute(FORGET_THE_GONE)
        for statement in TABLES:
            cursor.execute(statement)
        cursor.execute(MOVING.format(lower=LOWER[connection.vendor]))
        respell(cursor, connection.vendor)
        cursor.execute(DOUBLES)
        analyse(cursor, connection.vendor)
        cursor.execute("SELECT COUNT(*) FROM doubles")
        if cursor.fetchone()[0]:
            client = apps.get_model("mailings", "Client")
            merge_texts(connection, cursor, client)
            hand_over(cursor, client)
            cursor.execute("DELETE FROM mailings_client WHERE id IN (SELECT id FROM doubles)")
        for statement in (MAKE_ROOM, LOWER_CASE, TO_IDNA_2008):
            cursor.execute(statement)
        for name in ("moving", "doubles", "theirs"):
            cursor.execute(f"DROP TABLE {name}")


FORGET_THE_GONE = """
UPDATE mailings_delivery SET client_id = NULL
WHERE client_id IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM mailings_client c WHERE c.id = mailings_delivery.client_id)
"""
TABLES = (
    (
        "CREATE TEMPORARY TABLE moving"
        " (id bigint PRIMARY KEY, owner_id bigint, mailbox varchar(254), is_idna integer)"
    ),
    "CREATE TEMPORARY TABLE doubles (id bigint PRIMARY KEY, keep_id bigint)",
    (
        "CREATE TEMPORARY TABLE theirs"
        " (id bigint PRIMARY KEY, client_id bigint, keep_id bigint, number bigint)"
    ),
)
MOVING = """
INSERT INTO moving SELECT id, owner_id, {lower}, 0 FROM mailings_client
WHERE email_normalised <> {lower}
"""
DOUBLES = """
INSERT INTO doubles
WITH everybody AS (
  SELECT id, owner_id, mailbox FROM moving
  UNION ALL
  SELECT c.id, c.owner_id, c.email_normalised FROM mailings_client c
    JOIN (SELECT DISTINCT owner_id, mailbox FROM moving) AS wanted
    ON wanted.owner_id = c.owner_id AND wanted.mailbox = c.email_normalised
  WHERE NOT EXISTS (SELECT 1 FROM moving WHERE moving.id = c.id)
), numbered AS (
  SELECT id, MIN(id) OVER (PARTITION BY owner_id, mailbox) AS keep_id FROM everybody
)
SELECT id, keep_id FROM numbered WHERE id <> keep_id
"""


def analyse(cursor, vendor):
    cursor.execute("CREATE INDEX doubles_by_keep ON doubles (keep_id)")
    if vendor == "postgresql":
        cursor.execute("ANALYZE moving")
        cursor.execute("ANALYZE doubles")


# ---------------------------------------------------------------- spellings


def respell(cursor, vendor):
    """Note the clients whose mailbox IDNA 2008 writes otherwise, and clean what was typed."""
    cursor.execute(
        "SELECT id, owner_id, email, email_normalised FROM mailings_client"  # noqa: S608 - constants
        f" WHERE {SPECIAL[vendor]} ORDER BY id"
    )
    cleaned, moved = [], []
    for pk, owner_id, email, normalised in cursor.fetchall():
        typed = clean(email)
        if typed != email:
            cleaned.append((typed, pk))
        mailbox = mailbox_of(typed, normalised)
        if mailbox != normalised.lower():
            moved.append((pk, owner_id, mailbox))
    for first in range(0, len(cleaned), BATCH):
        cursor.executemany(
            "UPDATE mailings_client SET email = %s WHERE id = %s", cleaned[first : first + BATCH]
        )
    for first in range(0, len(moved), BATCH):
        cursor.executemany(
            "INSERT INTO moving VALUES (%s, %s, %s, 1)"
            " ON CONFLICT (id) DO UPDATE SET mailbox = excluded.mailbox, is_idna = 1",
            moved[first : first + BATCH],
        )


def clean(email):
    """Joiners stay in a domain in which they mean something."""
    local, at, domain = email.strip().rpartition("@")
    local, plain = UNSEEN.sub("", local).strip(), UNSEEN.sub("", domain).strip()
    if "\u200c" in domain or "\u200d" in domain:
        joined = "".join(c for c in domain if c in "\u200c\u200d" or not UNSEEN.match(c))
        if in_ascii(joined):
            return f"{local}{at}{joined}"
    return f"{local}{at}{plain}"


def mailbox_of(typed, normalised):
    local = normalised.lower().rpartition("@")[0]
    domain = typed.rpartition("@")[2]
    known = "" if domain.isascii() else in_ascii(domain)
    return f"{local}@{known}" if known else normalised.lower()


def in_ascii(domain):
    try:
        return idna.encode(domain, uts46=True).decode("ascii").lower()
    except UnicodeError:
        return ""


# The unique constraint is asked for each row: whoever changes their domain makes room first.
MAKE_ROOM = """
UPDATE mailings_client SET email_normalised = '~' || id
WHERE id IN (SELECT id FROM moving WHERE is_idna = 1)
"""
LOWER_CASE = """
UPDATE mailings_client SET email_normalised =
  (SELECT mailbox FROM moving WHERE moving.id = mailings_client.id)
WHERE id IN (SELECT id FROM moving WHERE is_idna = 0)
"""
TO_IDNA_2008 = LOWER_CASE.replace("is_idna = 0", "is_idna = 1")


# ---------------------------------------------------------------- what doubles had


def hand_over(cursor, client):
    """Give lists, mailings and the log of the doubles to who is kept."""
    cursor.execute(THEIRS)
    # A run has one delivery a client: of several the one that went furthest keeps the link.
    cursor.execute(
        "UPDATE mailings_delivery SET client_id = NULL"
        " WHERE id IN (SELECT id FROM theirs WHERE number > 1)"
    )
    cursor.execute(
        "UPDATE mailings_delivery SET client_id ="
        " (SELECT keep_id FROM theirs WHERE theirs.id = mailings_delivery.id)"
        " WHERE id IN (SELECT id FROM theirs WHERE number = 1 AND client_id <> keep_id)"
    )
    for relation in client._meta.get_fields(include_hidden=True):
        if not isinstance(relation, models.ManyToOneRel):
            continue
        model, column = relation.related_model, relation.field.column
        table = model._meta.db_table
        if table == "mailings_delivery":
            continue
        if model._meta.auto_created:
            (other,) = (
                field.column
                for field in model._meta.concrete_fields
                if not field.primary_key and field.column != column
            )
            cursor.execute(
                f"INSERT INTO {table} ({other}, {column})"  # noqa: S608 - names of the models
                f" SELECT DISTINCT t.{other}, d.keep_id FROM {table} t"
                f" JOIN doubles d ON d.id = t.{column} WHERE true ON CONFLICT DO NOTHING"
            )
            cursor.execute(f"DELETE FROM {table} WHERE {column} IN (SELECT id FROM doubles)")  # noqa: S608
        else:
            cursor.execute(
                f"UPDATE {table} SET {column} ="  # noqa: S608
                f" (SELECT keep_id FROM doubles WHERE doubles.id = {table}.{column})"
                f" WHERE {column} IN (SELECT id FROM doubles)"
            )


THEIRS = """
INSERT INTO theirs
WITH everybody AS (
  SELECT id, keep_id FROM doubles UNION SELECT keep_id, keep_id FROM doubles
)
SELECT v.id, v.client_id, e.keep_id, ROW_NUMBER() OVER (
  PARTITION BY v.run_id, e.keep_id
  ORDER BY CASE v.status WHEN 'sent' THEN 0 WHEN 'sending' THEN 1 WHEN 'uncertain' THEN 2
    WHEN 'deferred' THEN 3 WHEN 'pending' THEN 4 WHEN 'failed' THEN 5 ELSE 6 END, v.id
)
FROM mailings_delivery v JOIN everybody e ON e.id = v.client_id
"""


def merge_texts(connection, cursor, client):
    """Lay together what the owners wrote; where it differs, the rest goes into the comment."""
    cursor.execute(
        "SELECT keep_id, id FROM doubles"
        " UNION SELECT keep_id, keep_id FROM doubles ORDER BY keep_id, id"
    )
    groups = [[pk for _, pk in pair] for _, pair in groupby(cursor.fetchall(), lambda row: row[0])]
    ops = connection.ops
    now = ops.adapt_datetimefield_value(timezone.now())
    for first in range(0, len(groups), BATCH):
        some = groups[first : first + BATCH]
        rows = client.objects.in_bulk([pk for group in some for pk in group])
        changed = []
        for group in some:
            keep = rows[group[0]]
            before = said_by(keep)
            merged([rows[pk] for pk in group])
            if said_by(keep) != before:
                changed.append(
                    (
                        keep.full_name, keep.comment, json.dumps(keep.attributes),
                        keep.consent_source, ops.adapt_datefield_value(keep.consent_at),
                        ops.adapt_datetimefield_value(keep.created_at), now, keep.pk,
                    )
                )  # fmt: skip
        if changed:
            cursor.executemany(WRITE, changed)


WRITE = """
UPDATE mailings_client SET full_name = %s, comment = %s, attributes = %s, consent_source = %s,
  consent_at = %s, created_at = %s, updated_at = %s WHERE id = %s
"""


def said_by(row):
    return (
        row.full_name, row.comment, row.attributes, row.consent_source, row.consent_at,
        row.created_at,
    )  # fmt: skip


def merged(rows):
    """Give the first row what all of them said."""
    keep = rows[0]
    said = [line for row in rows for line in row.comment.splitlines()]
    names = [row.full_name for row in rows if row.full_name]
    consents = [row for row in rows if row.consent_source or row.consent_at]
    keep.full_name = names[0] if names else ""
    said += names[1:]
    attributes = {}
    for row in rows:
        for name, value in row.attributes.items():
            if name not in attributes and len(attributes) < MAX_ATTRIBUTES:
                attributes[name] = value
            elif attributes.get(name) != value:
                said.append(f"{name} = {value}")
    keep.attributes = attributes
    if consents:
        strictest = max(consents, key=strictness)
        agreed = (strictest.consent_source, strictest.consent_at)
        for row in consents:
            if (row.consent_source, row.consent_at) != agreed:
                said.append(
                    ", ".join(filter(None, [row.consent_source, str(row.consent_at or "")]))
                )
        keep.consent_source, keep.consent_at = agreed
    known = {keep.full_name}
    keep.comment = "\n".join(
        line for line in said if line.strip() and not (line in known or known.add(line))
    )
    keep.created_at = min(row.created_at for row in rows)


def strictness(row):
    """A refusal is stronger than any consent; of those the newest is what holds."""
    source = row.consent_source.strip().casefold()
    return (source in REFUSALS, str(row.consent_at or ""), bool(source))


class Migration(migrations.Migration):
    # The constraint cannot be added in the transaction that has just changed its table.
    atomic = False
    dependencies = [("mailings", "0017_spellings_of_a_mailbox")]

    operations = [
        migrations.RunPython(merge_doubles, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="client",
            constraint=models.CheckConstraint(
                condition=models.Q(email_normalised=Lower("email_normalised")),
                name="client_mailbox_is_lower_case",
            ),
        ),
    ]
