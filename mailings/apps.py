from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.db.models.signals import pre_delete
from django.utils.translation import gettext_lazy as _

from accounts.signals import user_leaves, user_stops, what_goes


class MailingsConfig(AppConfig):
    name = "mailings"
    verbose_name = _("Mailings")

    def ready(self) -> None:
        from mailings import signals, tasks, user_deletion
        from mailings.models import Mailing, staying
        from mailings.models.past import keep_sums

        def before_a_user_goes(instance: Any, **_given: Any) -> None:
            """With them go their clients; sent before the first row is changed."""
            staying.may_go([instance.pk])

        pre_delete.connect(before_a_user_goes, settings.AUTH_USER_MODEL, weak=False)

        signals.mailing_scheduled.connect(tasks.on_mailing_scheduled)
        signals.deliveries_ready.connect(tasks.on_deliveries_ready)
        signals.proof_requested.connect(tasks.on_proof_requested)
        signals.imports_waiting.connect(tasks.on_imports_waiting)
        signals.subscribe_letters_wait.connect(tasks.on_subscribe_letters_wait)
        signals.clients_leave.connect(tasks.on_clients_leave)

        pre_delete.connect(keep_sums, sender=Mailing, dispatch_uid="mailings.past")
        user_stops.connect(user_deletion.stop, dispatch_uid="mailings.user_deletion")
        user_leaves.connect(user_deletion.remove_all, dispatch_uid="mailings.user_deletion")
        what_goes.connect(user_deletion.what_goes, dispatch_uid="mailings.user_deletion")
