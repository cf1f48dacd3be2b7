from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mailings", "0011_clients_without_a_spare_index")]

    operations = [
        migrations.AddField(model_name="import", name="look", field=models.JSONField(default=dict)),
    ]
