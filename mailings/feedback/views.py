"""The door for webhooks: HTTP APIs of mail services tell here what became of a letter.

Off, with 404, for a service without a secret. What is not proved to come from the service is
refused with 403 and changes nothing; what the database cannot take is answered with 5xx, upon which
services repeat it. Which letter it is about is proved by its token (`services.record_all`).
"""

import logging
from hashlib import sha256

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseForbidden
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from mailings.feedback import services, webhooks
from mailings.feedback.notices import Notice, NoticeKind
from mailings.feedback.services import Report
from mailings.models.feedback import EventSource

log = logging.getLogger(__name__)


@never_cache
@csrf_exempt  # a service has no cookies; its secret or signature is asked for
@require_http_methods(["GET", "HEAD", "POST"])
def webhook(request: HttpRequest, service: str) -> HttpResponse:
    """Take in the events of one request; GET and HEAD only say that the address is there, which
    some services ask when it is set up."""
    secret = settings.WEBHOOK_SECRETS.get(service)
    if secret is None:
        raise Http404
    if request.method != "POST":
        return HttpResponse()
    body = request.body  # here: one too large is answered as everywhere, not as a forgery
    try:
        told = webhooks.read(service, secret, request)
    except webhooks.Forged as error:
        log.warning("webhook_not_proved", extra={"service": service, "error": str(error)})
        return HttpResponseForbidden("not proved\n", content_type="text/plain")
    except ValueError as error:
        log.warning("webhook_not_read", extra={"service": service, "error": str(error)})
        name = f"{service}:{sha256(body).hexdigest()}"
        told = [webhooks.Told(name, body, Notice(kind=NoticeKind.UNKNOWN))]
    services.record_all(
        [(notice, Report(raw, EventSource.WEBHOOK, name)) for name, raw, notice in told]
    )
    return HttpResponse()
