"""Room for how a mailbox is spelled, and a mark for entries whose addresses are of IDNA 2003."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mailings", "0016_all_clients_and_starts_at_once")]

    operations = [
        migrations.AddField(
            model_name="delivery",
            name="spelling",
            field=models.CharField(editable=False, max_length=254, null=True),
        ),
        # Every entry that is there is of that time; those that come are not.
        migrations.AddField(
            model_name="suppression",
            name="is_by_idna_2003",
            field=models.BooleanField(default=True, editable=False),
        ),
        migrations.AlterField(
            model_name="suppression",
            name="is_by_idna_2003",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
    ]
