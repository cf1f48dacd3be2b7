"""The answer to a bulk action: do it, ask before deleting, or send the file."""

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from mailings.clients import bulk, deleting, exporting
from mailings.clients.bulk_forms import DELETE, EXPORTS, BulkForm
from mailings.models import Client, ClientDeletion
from mailings.web.files import as_file
from mailings.web.words import figure


def answer(
    request: HttpRequest, user: User, form: BulkForm, back: str, name: str
) -> HttpResponseBase:
    """Act on the valid or faulty form; `back`: the page it came from, `name`: of an export."""
    if not form.is_valid():
        for error in form.problems():
            messages.error(request, error)
        return redirect(back)
    if form.action_name in EXPORTS:
        return export(request, user, form.chosen(), EXPORTS[form.action_name], name)
    if form.action_name == DELETE:
        return delete(request, user, form, back)
    messages.success(request, form.act())
    return redirect(back)


def delete(request: HttpRequest, user: User, form: BulkForm, back: str) -> HttpResponse:
    """Ask with the number of clients; delete only when it is still the same."""
    count = form.chosen().count()
    agreed = request.POST.get("agreed", "")
    if agreed != str(count):
        if agreed:
            messages.warning(request, _("Meanwhile the number has changed. Look once more."))
        context = {"form": form, "count": count, "back": back, "section": "clients"}
        context["is_for_later"] = deleting.is_for_later(count)
        return render(request, "mailings/client_bulk_delete.html", context)
    deleted = deleting.delete(chosen=form.chosen(), by=user)
    if isinstance(deleted, ClientDeletion):
        return redirect(deleted)
    said = ngettext("%(count)s client is deleted.", "%(count)s clients are deleted.", deleted)
    messages.success(request, said % {"count": figure(deleted)})
    return redirect(request.path)


def export(
    request: HttpRequest, user: User, chosen: QuerySet[Client], kind: str, name: str
) -> HttpResponseBase:
    bulk.record_export(count=chosen.count(), kind=kind, by=user)
    return as_file(exporting.clients(user, chosen), kind, name)
