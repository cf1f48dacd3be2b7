"""What SITE_URL last gave the default site; and files that are nobody's to fetch leave `media`."""

from pathlib import Path

from django.conf import settings
from django.db import migrations, models

PRIVATE_FOLDERS = ("documents", "original_images")


def move(source: Path, target: Path) -> None:
    for folder in PRIVATE_FOLDERS:
        for file in sorted((source / folder).glob("**/*")):
            new = target / file.relative_to(source)
            if file.is_file() and not new.exists():
                new.parent.mkdir(parents=True, exist_ok=True)
                file.replace(new)


def hide(apps, schema_editor):
    move(Path(settings.MEDIA_ROOT), Path(settings.PRIVATE_ROOT))


def show(apps, schema_editor):
    move(Path(settings.PRIVATE_ROOT), Path(settings.MEDIA_ROOT))


class Migration(migrations.Migration):
    dependencies = [("home", "0002_site_root")]

    operations = [
        migrations.CreateModel(
            name="SeededAddress",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("hostname", models.CharField(max_length=255)),
                ("port", models.IntegerField()),
            ],
        ),
        migrations.RunPython(hide, show),
    ]
