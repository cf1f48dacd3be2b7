import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mailings", "0020_sender_domains"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="mailing",
            name="link_parameters",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                max_length=500,
                verbose_name="parameters of links",
            ),
        ),
        migrations.AddField(
            model_name="mailing",
            name="track_clicks",
            field=models.BooleanField(db_default=False, default=False, verbose_name="count clicks"),
        ),
        migrations.AddField(
            model_name="mailing",
            name="track_opens",
            field=models.BooleanField(
                db_default=False, default=False, verbose_name="count openings"
            ),
        ),
        migrations.AddField(
            model_name="pastrun",
            name="clicked",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="pastrun",
            name="opened",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="run",
            name="track_clicks",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="run",
            name="track_opens",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.CreateModel(
            name="Hit",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("opened", "Opened"), ("clicked", "Clicked")],
                        max_length=8,
                        verbose_name="what happened",
                    ),
                ),
                ("link", models.PositiveSmallIntegerField(default=0)),
                ("is_machine", models.BooleanField(default=False, verbose_name="by a machine")),
                ("why", models.CharField(blank=True, max_length=16)),
                ("first_at", models.DateTimeField(verbose_name="time")),
                ("count", models.PositiveIntegerField(default=1, verbose_name="times")),
                (
                    "delivery",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="hits",
                        to="mailings.delivery",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="hits",
                        to="mailings.run",
                    ),
                ),
            ],
            options={
                "verbose_name": "hit",
                "verbose_name_plural": "hits",
                "indexes": [
                    models.Index(
                        fields=["run", "kind", "link", "is_machine", "first_at"], name="hit_by_run"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("delivery", "kind", "link", "is_machine"), name="hit_unique"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["opened", "clicked"])),
                        name="hit_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind", "clicked"), ("link", 0), _connector="OR"),
                        name="hit_link_of_a_click",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="TrackedLink",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("position", models.PositiveSmallIntegerField()),
                ("url", models.CharField(max_length=2000, verbose_name="address")),
                ("label", models.CharField(blank=True, max_length=120)),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="links",
                        to="mailings.run",
                    ),
                ),
            ],
            options={
                "verbose_name": "link of a letter",
                "verbose_name_plural": "links of letters",
                "constraints": [
                    models.UniqueConstraint(fields=("run", "position"), name="tracked_link_unique")
                ],
            },
        ),
    ]
