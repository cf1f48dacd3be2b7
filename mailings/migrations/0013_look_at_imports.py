from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mailings", "0012_meaning_of_imports")]

    operations = [
        migrations.AddField(model_name="import", name="look", field=models.JSONField(default=dict)),
    ]
