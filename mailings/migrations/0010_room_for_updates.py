"""Leave so much room on the pages of the deliveries that every one finds it for its update.

With 30 % of a page free, half of the new versions did not fit beside the old ones and had to be put
into all the indexes: for that half the update cost twice as much.
"""

from django.db import migrations


def fill_up_to(percent):
    def alter(apps, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(f"ALTER TABLE mailings_delivery SET (fillfactor = {percent})")

    return alter


class Migration(migrations.Migration):
    dependencies = [("mailings", "0009_imports_of_clients")]

    operations = [migrations.RunPython(fill_up_to(50), fill_up_to(70))]
