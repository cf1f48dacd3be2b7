"""A limit of mails a day and its warm-up; who unsubscribed by a letter becomes an event of it, and so
stays in the figures when the entry is taken off the stop-list.

The events of the past are made by two statements over the entries that name a run: by the very
address, which an index finds, and for the few that are left – deliveries from before one mailbox
was one client – without regard to case.
"""

from django.db import migrations, models

EVENTS_OF_THE_PAST = """
    INSERT INTO mailings_event (
        delivery_id, run_id, kind, happened_at, recorded_at, source, source_id,
        enhanced_code, diagnostic, evidence
    )
    SELECT
        MIN(delivery.id), entry.run_id, 'unsubscribed', entry.created_at, entry.created_at,
        CASE entry.source WHEN 'one-click' THEN 'one-click' ELSE 'link' END,
        CAST(MIN(delivery.id) AS varchar(20)), '', '', ''
    FROM mailings_suppression entry
    JOIN mailings_delivery delivery
        ON delivery.run_id = entry.run_id AND {address} = entry.address
    WHERE entry.reason = 'unsubscribed' AND entry.run_id IS NOT NULL {only}
    GROUP BY entry.id, entry.run_id, entry.created_at, entry.source
    ON CONFLICT DO NOTHING
"""
UNFOUND = """
    AND entry.address <> '' AND NOT EXISTS (
        SELECT 1 FROM mailings_delivery theirs
        WHERE theirs.run_id = entry.run_id AND theirs.address = entry.address
    )
"""
BY_ADDRESS = EVENTS_OF_THE_PAST.format(address="delivery.address", only="")
BY_MAILBOX = EVENTS_OF_THE_PAST.format(address="LOWER(delivery.address)", only=UNFOUND)
FORGET = "DELETE FROM mailings_event WHERE kind = 'unsubscribed'"


class Migration(migrations.Migration):
    dependencies = [
        ("mailings", "0022_deletions_of_clients"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="event",
            name="event_kind_known",
        ),
        migrations.AddField(
            model_name="transport",
            name="counted",
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name="transport",
            name="counted_on",
            field=models.DateField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="transport",
            name="mails_per_day",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Empty: as many as there are.",
                null=True,
                verbose_name="mails a day",
            ),
        ),
        migrations.AddField(
            model_name="transport",
            name="warm_up_from",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="For a new mail service or sender’s domain, 200 say: after each day that used half of it, twice as many, up to the mails a day, or for 14 such days. Empty: no warm-up.",
                null=True,
                verbose_name="warm-up: mails on the first day",
            ),
        ),
        migrations.AddField(
            model_name="transport",
            name="warm_up_step",
            field=models.PositiveSmallIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AlterField(
            model_name="event",
            name="kind",
            field=models.CharField(
                choices=[
                    ("bounced_hard", "Returned for good"),
                    ("bounced_soft", "Returned for now"),
                    ("complained", "Complained about spam"),
                    ("unsubscribed", "Unsubscribed"),
                ],
                max_length=16,
                verbose_name="what happened",
            ),
        ),
        migrations.AlterField(
            model_name="event",
            name="source",
            field=models.CharField(
                choices=[
                    ("pipe", "handed in by the mail server"),
                    ("mailbox", "read from the mailbox"),
                    ("webhook", "told by the mail service"),
                    ("link", "the link in the letter"),
                    ("one-click", "the button of the mail program"),
                ],
                max_length=16,
                verbose_name="source",
            ),
        ),
        migrations.AlterField(
            model_name="unmatchednotice",
            name="kind",
            field=models.CharField(
                blank=True,
                choices=[
                    ("bounced_hard", "Returned for good"),
                    ("bounced_soft", "Returned for now"),
                    ("complained", "Complained about spam"),
                    ("unsubscribed", "Unsubscribed"),
                ],
                max_length=16,
                verbose_name="what it says",
            ),
        ),
        migrations.AlterField(
            model_name="unmatchednotice",
            name="source",
            field=models.CharField(
                choices=[
                    ("pipe", "handed in by the mail server"),
                    ("mailbox", "read from the mailbox"),
                    ("webhook", "told by the mail service"),
                    ("link", "the link in the letter"),
                    ("one-click", "the button of the mail program"),
                ],
                max_length=16,
                verbose_name="source",
            ),
        ),
        migrations.AddConstraint(
            model_name="event",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("kind__in", ["bounced_hard", "bounced_soft", "complained", "unsubscribed"])
                ),
                name="event_kind_known",
            ),
        ),
        migrations.RunSQL([BY_ADDRESS, BY_MAILBOX], FORGET),
    ]
