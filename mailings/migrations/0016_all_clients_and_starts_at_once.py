from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mailings", "0015_drafts_of_messages")]

    operations = [
        migrations.AddField(
            model_name="mailing",
            name="to_all",
            field=models.BooleanField(db_default=False, default=False, verbose_name="all clients"),
        ),
        migrations.AddField(
            model_name="mailing",
            name="starts_at_once",
            field=models.BooleanField(
                db_default=False, default=False, editable=False, verbose_name="starts at once"
            ),
        ),
    ]
