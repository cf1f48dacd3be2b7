"""/dev/mail/: what the mail catcher caught. Included only in development.

A mail is hostile until proven otherwise: its HTML is shown in a sandboxed frame whose own policy
allows inline styles, this site's own pictures and `data:` ones – no script, no other request, no
form.
"""

from csp.constants import NONE, SELF, UNSAFE_INLINE
from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, register_converter
from django.utils.translation import ngettext
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_GET, require_POST

from accounts import site_address
from site_config.mailbox import NAME, Mail, Mailbox
from site_config.middleware import relax

PAGE_SIZE = 50
VIEWS = ("html", "text", "headers", "source")

FRAME_POLICY = {
    "default-src": [NONE],
    "script-src": [NONE],
    "style-src": [UNSAFE_INLINE],
    "form-action": [NONE],
    "frame-ancestors": [SELF],
    # Links open in a new tab, where the target's own policy holds.
    "sandbox": ["allow-popups", "allow-popups-to-escape-sandbox"],
}


class NameConverter:
    regex = NAME

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(NameConverter, "mail")


def mailbox() -> Mailbox:
    return Mailbox(settings.MAILBOX_DIR)


def caught(name: str) -> Mail:
    try:
        return mailbox().mail(name)
    except FileNotFoundError as error:
        raise Http404("No such mail.") from error


@require_GET
def mail_list(request: HttpRequest) -> HttpResponse:
    box = mailbox()
    page = Paginator(box.names(), PAGE_SIZE).get_page(request.GET.get("page"))
    mails = [mail for name in page if (mail := head(box, name))]
    return render(request, "dev/mail_list.html", {"page": page, "mails": mails})


def head(box: Mailbox, name: str) -> Mail | None:
    try:
        return box.head(name)
    except FileNotFoundError:  # deleted since the folder was read
        return None


@require_GET
def mail_detail(request: HttpRequest, name: str) -> HttpResponse:
    mail = caught(name)
    views = [view for view in VIEWS if view in ("headers", "source") or getattr(mail, view)]
    view = request.GET.get("view", views[0])
    context = {"mail": mail, "views": views, "view": view if view in views else views[0]}
    return render(request, "dev/mail_detail.html", context)


@require_GET
@xframe_options_sameorigin
def mail_frame(request: HttpRequest, name: str) -> HttpResponse:
    response = HttpResponse(f'<base target="_blank">{caught(name).html}')
    pictures = {"img-src": [f"{site_address.url()}{settings.MEDIA_URL}", "data:"]}
    relax(response, FRAME_POLICY | pictures)
    return response


@require_GET
def mail_source(request: HttpRequest, name: str) -> FileResponse:
    try:
        file = mailbox().file(name).open("rb")
    except FileNotFoundError as error:
        raise Http404("No such mail.") from error
    return FileResponse(
        file, as_attachment=True, filename=f"{name}.eml", content_type="message/rfc822"
    )


@require_POST
def delete_all(request: HttpRequest) -> HttpResponse:
    count = mailbox().clear()
    text = ngettext("%(count)s mail deleted.", "%(count)s mails deleted.", count)
    messages.success(request, text % {"count": count})
    return redirect("dev_mail_list")


urlpatterns = [
    path("", mail_list, name="dev_mail_list"),
    path("delete/", delete_all, name="dev_mail_delete"),
    path("<mail:name>/", mail_detail, name="dev_mail"),
    path("<mail:name>/frame/", mail_frame, name="dev_mail_frame"),
    path("<mail:name>/source/", mail_source, name="dev_mail_source"),
]
