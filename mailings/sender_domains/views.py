"""«Domains»: the owner's domains, what to publish for each, and what DNS has of it."""

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from django.views.generic import DetailView, FormView, ListView, View

from mailings import audit, permissions
from mailings.delivery import domain_keys, signing
from mailings.errors import Invalid, Refused
from mailings.models import SenderDomain
from mailings.models.sender_domain import DomainState
from mailings.sender_domains import checklist, explaining, records, services
from mailings.sender_domains.forms import DomainForm
from mailings.timing import clock
from mailings.web.asking import Asking
from mailings.web.views import Owned


class OwnDomains(Owned):
    section = "profile"

    def get_queryset(self) -> QuerySet[SenderDomain]:
        return permissions.owned(SenderDomain, self.user).order_by("domain")


class DomainIndex(OwnDomains, ListView[SenderDomain]):
    model = SenderDomain
    template_name = "mailings/domain_list.html"
    context_object_name = "domains"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        rows = [(row, explaining.status_of(row)) for row in self.object_list]
        return super().get_context_data(
            rows=rows, service_address=signing.service_address(), **kwargs
        )


class DomainCreate(OwnDomains, FormView[DomainForm]):
    form_class = DomainForm
    template_name = "mailings/domain_form.html"

    def form_valid(self, form: DomainForm) -> HttpResponse:
        try:
            row = services.add(data=form.input(), owner=self.user, by=self.user)
        except services.AlreadyThere as refusal:
            messages.info(self.request, str(refusal))
            return redirect(refusal.row)
        except Invalid as refusal:
            for name, errors in refusal.faults.error_dict.items():
                form.add_error(name, errors)
            return self.form_invalid(form)
        except Refused as refusal:
            form.add_error(None, str(refusal))
            return self.form_invalid(form)
        return redirect(row)


class DomainDetail(OwnDomains, DetailView[SenderDomain]):
    model = SenderDomain
    template_name = "mailings/domain_detail.html"
    context_object_name = "domain"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        row = self.object
        row.owner = self.user
        return super().get_context_data(
            status=explaining.status_of(row),
            records=self.to_publish(row),
            lines=explaining.lines(row),
            dmarc=explaining.dmarc_wanted(row),
            demands=checklist.of(row, clock.now()),
            has_another=self.is_proven_by_another(row),
            until=services.counts_until(row),
            log=audit.entries_of(row)[:10],
            **kwargs,
        )

    def to_publish(self, row: SenderDomain) -> list[tuple[str, records.Record]]:
        """Return the records with a word about each; without keys that can be read, the proof."""
        found = [(_("Shows that the domain is yours"), records.proof(row))]
        try:
            rsa, ed25519 = signing.keys_of(row)
        except domain_keys.KeysUnreadable:
            return found
        return [
            *found,
            (_("The key to our signature"), records.key_record(rsa)),
            (
                _("The key to the second signature, for newer receivers"),
                records.key_record(ed25519),
            ),
        ]

    def is_proven_by_another(self, row: SenderDomain) -> bool:
        if row.state == DomainState.PROVEN:
            return False
        others = SenderDomain.objects.exclude(pk=row.pk)
        return others.filter(domain=row.domain, state=DomainState.PROVEN).exists()


class DomainCheck(OwnDomains, View):
    """Asks DNS now."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Whoever comes back here by signing in again sees the page with the button."""
        return redirect(get_object_or_404(self.get_queryset(), pk=pk))

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = get_object_or_404(self.get_queryset(), pk=pk)
        row = services.check(row=row, by=self.user)
        if row.may_send and row.missing_since is None:
            said = _("All is in order: letters may leave in the name of %(domain)s.")
            messages.success(request, said % {"domain": row.readable})
        else:
            messages.info(request, _("Looked at just now. What is still to be done stands below."))
        return redirect(row)


class DomainRemove(OwnDomains, Asking):
    verb = pgettext_lazy("sender domain", "Remove")
    keep = pgettext_lazy("sender domain", "Keep it")

    def question(self) -> str:
        return _("Remove the domain %(domain)s?") % {"domain": self.object.readable}

    def consequences(self) -> list[str]:
        return [
            _("Nothing more is sent in its name."),
            _("Its signing keys are deleted for good; added again it gets new ones."),
            _("Letters that left stay valid as long as you leave the records in DNS."),
        ]

    def done(self) -> str:
        return _("The domain %(domain)s is removed.") % {"domain": self.object.readable}

    def act(self) -> None:
        services.remove(row=self.object, by=self.user)

    def after(self) -> str:
        return reverse("mailings:domain_list")


class DomainKeys(OwnDomains, Asking):
    verb = gettext_lazy("Make new keys")
    keep = gettext_lazy("Keep the keys")

    def question(self) -> str:
        return _("New signing keys for %(domain)s?") % {"domain": self.object.readable}

    def consequences(self) -> list[str]:
        return [
            _("Until you have published the new records, nothing is sent in the domain’s name."),
            _("The old records may stay for a week: letters on their way are verified by them."),
        ]

    def done(self) -> str:
        return _("The keys are made. Publish the two new records.")

    def act(self) -> None:
        services.renew_keys(row=self.object, by=self.user)

    def after(self) -> str:
        return self.object.get_absolute_url()
