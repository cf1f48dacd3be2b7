from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.db.models.signals import pre_delete
from django.utils.translation import gettext_lazy as _


class MailingsConfig(AppConfig):
    name = "mailings"
    verbose_name = _("Mailings")

    def ready(self) -> None:
        from mailings import signals, tasks
        from mailings.models import staying

        def before_a_user_goes(instance: Any, **_given: Any) -> None:
            """With them go their clients; sent before the first row is changed."""
            staying.may_go([instance.pk])

        pre_delete.connect(before_a_user_goes, settings.AUTH_USER_MODEL, weak=False)

        signals.mailing_scheduled.connect(tasks.on_mailing_scheduled)
        signals.deliveries_ready.connect(tasks.on_deliveries_ready)
        signals.proof_requested.connect(tasks.on_proof_requested)
        signals.imports_waiting.connect(tasks.on_imports_waiting)
