from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MailingsConfig(AppConfig):
    name = "mailings"
    verbose_name = _("Mailings")

    def ready(self) -> None:
        from mailings import signals, tasks

        signals.mailing_scheduled.connect(tasks.on_mailing_scheduled)
        signals.deliveries_ready.connect(tasks.on_deliveries_ready)
        signals.proof_requested.connect(tasks.on_proof_requested)
        signals.imports_waiting.connect(tasks.on_imports_waiting)
