import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("home", "0003_seeded_address")]

    operations = [
        migrations.CreateModel(
            name="HomeViews",
            fields=[
                (
                    "page",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="view_count",
                        serialize=False,
                        to="home.homepage",
                    ),
                ),
                ("count", models.PositiveBigIntegerField(default=0)),
            ],
            options={
                "verbose_name": "views of the home page",
                "verbose_name_plural": "views of the home page",
            },
        ),
    ]
