"""Give what waits in runs under way to chunks; leave room on the pages for updates in place."""

from django.db import migrations
from django.utils import timezone

ROWS = 1000  # of a chunk


def make_room(apps, schema_editor):
    """A delivery is updated about once: its new version shall find room beside the old one."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE mailings_delivery SET (fillfactor = 70)")


def take_room(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE mailings_delivery RESET (fillfactor)")


def cut_chunks(apps, schema_editor):
    Delivery = apps.get_model("mailings", "Delivery")
    Chunk = apps.get_model("mailings", "Chunk")
    claimed = Delivery.objects.filter(status="sending")
    claimed.filter(attempt_count=0).update(status="pending", lease_owner=None)
    claimed.update(status="deferred", lease_owner=None, next_attempt_at=timezone.now())
    Delivery.objects.filter(status="deferred", next_attempt_at=None).update(
        next_attempt_at=timezone.now()
    )
    pending = Delivery.objects.filter(status="pending")
    for run_id in pending.order_by("run_id").values_list("run_id", flat=True).distinct():
        first = None
        ids = pending.filter(run_id=run_id).order_by("pk").values_list("pk", flat=True)
        for number, pk in enumerate(ids.iterator()):
            if number % ROWS == 0:
                if first is not None:
                    Chunk.objects.create(run_id=run_id, first_id=first, last_id=pk - 1)
                first = pk
        Chunk.objects.create(run_id=run_id, first_id=first, last_id=pk)


def drop_chunks(apps, schema_editor):
    apps.get_model("mailings", "Chunk").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [("mailings", "0002_chunk_leases")]

    operations = [
        migrations.RunPython(make_room, take_room),
        migrations.RunPython(cut_chunks, drop_chunks),
    ]
