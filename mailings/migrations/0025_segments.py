import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mailings", "0024_subscribe_forms"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="client",
            name="came_by",
            field=models.CharField(
                blank=True,
                choices=[
                    ("hand", "by hand"),
                    ("import", "with a file"),
                    ("form", "by a form"),
                ],
                db_default="",
                default="",
                editable=False,
                max_length=8,
                verbose_name="how they came",
            ),
        ),
        migrations.CreateModel(
            name="Segment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=120, verbose_name="name")),
                (
                    "conditions",
                    models.JSONField(default=dict, editable=False, verbose_name="conditions"),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="changed")),
                (
                    "owner",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="segments",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "segment",
                "verbose_name_plural": "segments",
                "ordering": ["name"],
            },
        ),
        migrations.AddField(
            model_name="mailing",
            name="excluded_segments",
            field=models.ManyToManyField(
                blank=True,
                related_name="excluded_from",
                to="mailings.segment",
                verbose_name="except segments",
            ),
        ),
        migrations.AddField(
            model_name="mailing",
            name="segments",
            field=models.ManyToManyField(
                blank=True, related_name="mailings", to="mailings.segment", verbose_name="segments"
            ),
        ),
        migrations.AddConstraint(
            model_name="segment",
            constraint=models.UniqueConstraint(
                fields=("owner", "name"), name="segment_name_unique_per_owner"
            ),
        ),
    ]
