"""The stop-list of the whole service: a manager adds addresses for everybody, and takes them off.

An owner's own entries are theirs: a manager reads them and changes none.
"""

from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.generic import FormView
from wagtail.admin import messages
from wagtail.admin.views.generic.base import WagtailAdminTemplateMixin
from wagtail.admin.views.generic.permissions import PermissionCheckedMixin
from wagtail.admin.widgets import AdminAutoHeightTextInput

from accounts.models import User
from mailings.cms.access import VisibleRows
from mailings.errors import Invalid, Refused
from mailings.models import Suppression
from mailings.models.suppression import SuppressionReason
from mailings.spreadsheets import tables
from mailings.suppression import services
from mailings.suppression.forms import LONGEST, REASONS
from mailings.suppression.services import NOTE_LENGTH, REASON_LENGTH, EntriesInput


class AddForm(forms.Form):
    addresses = forms.CharField(
        label=gettext_lazy("Addresses"),
        max_length=LONGEST,
        widget=forms.Textarea({"rows": 8, "spellcheck": "false"}),
        help_text=gettext_lazy("One a line."),
        required=False,
    )
    file = forms.FileField(
        label=gettext_lazy("Or a file of them"),
        required=False,
        help_text=gettext_lazy(
            "CSV, TXT, XLSX or VCF, up to 10 MB and 20 000 addresses. The column that holds most"
            " addresses counts."
        ),
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,.tsv,.xlsx,.vcf"}),
        error_messages={"empty": gettext_lazy("The file is empty.")},
    )
    reason = forms.ChoiceField(
        label=gettext_lazy("Why"),
        choices=REASONS,
        initial=SuppressionReason.MANUAL.value,
        widget=forms.RadioSelect,
    )
    note = forms.CharField(
        label=gettext_lazy("Reason in words"),
        max_length=NOTE_LENGTH,
        help_text=gettext_lazy("Managers read it beside the entry. It stays in the log."),
        error_messages={"required": gettext_lazy("Write why nobody may write to them.")},
    )

    def clean_file(self) -> UploadedFile | None:
        file: UploadedFile | None = self.cleaned_data["file"]
        if file is not None and (file.size or 0) > tables.MAX_BYTES:
            raise ValidationError(
                _("The file is larger than 10 MB. Divide it, or remove what is not needed.")
            )
        return file

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if "file" in data and "addresses" in data:
            if data["file"] and data["addresses"].strip():
                self.add_error("file", _("Either write addresses or choose a file."))
            elif not data["file"] and not data["addresses"].strip():
                self.add_error("addresses", _("Write at least one address, or choose a file."))
        return data


class TakeOutForm(forms.Form):
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=REASON_LENGTH,
        help_text=gettext_lazy("It stays in the log."),
        widget=AdminAutoHeightTextInput,
        error_messages={"required": gettext_lazy("Write why: it stays in the log.")},
    )
    confirmed = forms.BooleanField(
        label=gettext_lazy("They themselves asked to get mail again, and we can show it."),
        required=False,
    )
    seen = forms.CharField(widget=forms.HiddenInput, required=False)


class _ForEverybody(PermissionCheckedMixin, WagtailAdminTemplateMixin, FormView):
    """Base of both: GET asks, POST calls the service and shows what it refused. A subclass names
    its `model`: without one Wagtail asks for no permission."""

    template_name = "mailings/cms/decision.html"
    header_icon = "no-view"
    index_url_name = ""
    inspect_url_name = ""
    verb: Any = ""
    way_out: Any = ""
    is_destructive = False

    @property
    def by(self) -> User:
        return cast("User", self.request.user)

    @cached_property
    def inspect_url(self) -> str:
        return reverse(self.index_url_name)

    def question(self) -> str:
        raise NotImplementedError

    def consequences(self) -> list[str]:
        raise NotImplementedError

    def get_page_title(self) -> str:
        return str(self.verb)

    def get_breadcrumbs_items(self) -> list[dict[str, str]]:
        return [
            *self.breadcrumbs_items,
            {
                "url": reverse(self.index_url_name),
                "label": capfirst(str(Suppression._meta.verbose_name_plural)),
            },
            {"url": "", "label": str(self.verb)},
        ]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            question=self.question(),
            consequences=self.consequences(),
            verb=self.verb,
            way_out=self.way_out,
            inspect_url=self.inspect_url,
            is_destructive=self.is_destructive,
            **kwargs,
        )


class AddView(_ForEverybody):
    model = Suppression
    permission_required = "add"
    form_class = AddForm
    verb = gettext_lazy("Put on the list of everybody")
    way_out = gettext_lazy("Do not add")

    def question(self) -> str:
        return _("Who gets no mail from anybody here?")

    def consequences(self) -> list[str]:
        return [
            _("Nobody of this service writes to these addresses, whoever adds or imports them."),
            _("Owners see at their client that the whole service does not write there."),
        ]

    def form_valid(self, form: AddForm) -> HttpResponse:
        data = form.cleaned_data
        reason, note = SuppressionReason(data["reason"]), data["note"]
        without = 0
        try:
            if data["file"]:
                content = data["file"].read()
                added, without = services.add_file(
                    content=content, reason=reason, note=note, by=self.by
                )
            else:
                entries = EntriesInput(addresses=data["addresses"], reason=reason, note=note)
                added = services.add(data=entries, owner=None, by=self.by)
        except Invalid as refusal:
            for name, errors in refusal.faults.error_dict.items():
                form.add_error(name, errors)
            return self.form_invalid(form)
        said = ngettext(
            "%(new)d address is on the list of everybody now; there before: %(there)d.",
            "%(new)d addresses are on the list of everybody now; there before: %(there)d.",
            added.new,
        )
        said %= {"new": added.new, "there": added.there + added.raised}
        if without:
            passed = ngettext(
                "%(count)d row of the file holds no address.",
                "%(count)d rows of the file hold no address.",
                without,
            )
            said = f"{said} {passed % {'count': without}}"
        messages.success(self.request, said)
        return redirect(self.index_url_name)


class TakeOutView(VisibleRows, _ForEverybody):
    model = Suppression
    permission_required = "take_out"
    form_class = TakeOutForm
    verb = gettext_lazy("Take off the list of everybody")
    way_out = gettext_lazy("Leave on the list")
    is_destructive = True
    object: Suppression

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.object = cast("Suppression", self.get_object())

    @cached_property
    def inspect_url(self) -> str:
        return reverse(self.inspect_url_name, args=[self.object.pk])

    def question(self) -> str:
        return _("Take %(address)s off the list of everybody?") % {"address": called(self.object)}

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if self.object.owner_id is not None:
            messages.error(request, _("This entry is its owner's: only they can take it off."))
            return redirect(self.inspect_url)
        return super().get(request, *args, **kwargs)

    def get_form(self, form_class: Any = None) -> TakeOutForm:
        form: TakeOutForm = super().get_form(form_class)
        if not self.object.is_own_wish:
            del form.fields["confirmed"]
        return form

    def get_initial(self) -> dict[str, Any]:
        return {"seen": services.as_seen([self.object])[self.object.pk]}

    def consequences(self) -> list[str]:
        said = [_("Owners may write to this address again, unless it is on their own list.")]
        if self.object.is_own_wish:
            said.append(
                _(
                    "The person themselves complained. Writing to them again without their new"
                    " consent may be fined, and harms the delivery of everybody's letters."
                )
            )
        return said

    def form_valid(self, form: TakeOutForm) -> HttpResponse:
        data = form.cleaned_data
        seen = services.seen_in([data["seen"]])
        try:
            services.take_out(
                seen=[one for one in seen if one.pk == self.object.pk],
                owner=None,
                by=self.by,
                reason=data["reason"],
                confirmed=data.get("confirmed", False),
            )
        except services.NotConfirmed as refusal:
            form.add_error("confirmed", str(refusal))
            return self.form_invalid(form)
        except services.NothingLeft as refusal:
            messages.error(self.request, str(refusal))
            return redirect(self.index_url_name)
        except Refused as refusal:
            return self.form_invalid(self.again(form, str(refusal)))
        said = _("%(address)s is off the list of everybody.")
        messages.success(self.request, said % {"address": called(self.object)})
        return redirect(self.index_url_name)

    def again(self, form: TakeOutForm, refusal: str) -> TakeOutForm:
        """Return the form as it was filled in, now about the entry as it is."""
        self.object.refresh_from_db()
        fresh = TakeOutForm({**form.cleaned_data, **self.get_initial()})
        if not self.object.is_own_wish:
            del fresh.fields["confirmed"]
        fresh.add_error(None, refusal)
        return fresh


def called(entry: Suppression) -> str:
    """Return the address, or the beginning of its fingerprint where it was erased."""
    return entry.address or f"{entry.address_hash[:12]}…"
