"""The library of pictures: shown on a page and in the editor, added, deleted; and the files."""

from typing import Any

from csp.constants import NONE
from csp.decorators import csp
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_safe
from django.views.generic import TemplateView

from mailings.messages import pictures
from mailings.messages.forms import PictureForm
from mailings.models import Picture
from mailings.web import keyset, words
from mailings.web.asking import Asking
from mailings.web.views import Owned

YEAR = 365 * 24 * 3600  # seconds
USES_SHOWN = 5


class PictureIndex(Owned, TemplateView):
    """The page, and the same pictures in the editor's window (htmx's header tells them apart)."""

    model = Picture
    section = "messages"
    template_name = "mailings/picture_list.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        page = keyset.page(self.get_queryset(), ("-created_at", "-id"), self.request.GET)
        kwargs.setdefault("form", PictureForm())
        found = keyset.Count.of(self.get_queryset())
        return super().get_context_data(page=page, found=found, **kwargs)

    def get_template_names(self) -> list[str]:
        live = self.request.htmx  # type: ignore[attr-defined]
        return ["mailings/_pictures.html"] if live else [self.template_name]

    def post(self, request: HttpRequest) -> HttpResponse:
        form = PictureForm(request.POST, request.FILES)
        picture = self.added(form) if form.is_valid() else None
        if picture is None:
            return render(
                request, self.get_template_names()[0], self.get_context_data(form=form), status=422
            )
        if request.htmx:  # type: ignore[attr-defined]
            return self.render_to_response(self.get_context_data(new=picture))
        messages.success(
            request, _("Picture “%(picture)s” is in your library.") % {"picture": picture}
        )
        return redirect("mailings:picture_list")

    def added(self, form: PictureForm) -> Picture | None:
        upload = form.cleaned_data["file"]
        try:
            drawn = pictures.read(upload)
            return pictures.add(drawn, name=upload.name or "", owner=self.user)
        except ValidationError as error:
            form.add_error("file", error)
            return None


class PictureDelete(Asking):
    model = Picture
    section = "messages"
    verb = gettext_lazy("Delete the picture")
    keep = gettext_lazy("Keep the picture")

    def question(self) -> str:
        return _("Delete picture “%(picture)s”?") % {"picture": self.object}

    def consequences(self) -> list[str]:
        users = list(pictures.messages_with(self.object)[: USES_SHOWN + 1])
        said = []
        if users:
            names = ", ".join(
                _("“%(name)s”") % {"name": words.readable(m.subject)} for m in users[:USES_SHOWN]
            )
            said.append(
                ngettext(
                    "a message shows it: %(names)s. It will have an empty place;",
                    "messages show it: %(names)s. They will have an empty place;",
                    len(users),
                )
                % {"names": names + (" …" if len(users) > USES_SHOWN else "")}
            )
        if pictures.was_sent(self.object):
            said.append(_("letters that were sent with it show an empty place from now on;"))
        elif not users:
            said.append(_("no message uses it;"))
        return [*said, _("the file is deleted for good.")]

    def act(self) -> None:
        pictures.remove(self.object, self.user)

    def done(self) -> str:
        return _("Picture “%(picture)s” is deleted.") % {"picture": self.object}

    def after(self) -> str:
        return "mailings:picture_list"


@require_safe
@csp({"default-src": [NONE], "sandbox": []})  # type: ignore[arg-type]
def picture_file(request: HttpRequest, name: str) -> HttpResponse | FileResponse:
    """The file for everybody: a mail program asks without signing in, and seldom twice."""
    if not pictures.is_name(name):
        raise Http404
    try:
        file = default_storage.open(f"{pictures.FOLDER}/{name}")
    except FileNotFoundError as error:
        raise Http404 from error
    kind = pictures.TYPES[name.rpartition(".")[2]]
    response = FileResponse(file, content_type=kind)
    response["Cache-Control"] = f"public, max-age={YEAR}, immutable"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"  # webmail
    return response
