"""What of Wagtail's admin a careless or hostile request would break, mended: words, not a 500; and
what of its pages would break while the cache is away."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.signing import BadSignature
from django.db import models
from django.http import Http404, HttpRequest
from django.utils.translation import gettext as _
from wagtail.admin.forms.choosers import URLOrAbsolutePathField, URLOrAbsolutePathValidator
from wagtail.admin.views.bulk_action import BulkAction
from wagtail.admin.views.pages.bulk_actions import DeleteBulkAction
from wagtail.contrib.redirects.forms import ConfirmImportManagementForm
from wagtail.models import Page, Site
from wagtail.models.sites import SiteRootPath

from blog.memo import AWAY

EVERYTHING = "all"
_cached_root_paths = Site.get_site_root_paths
_begin_bulk_action = BulkAction.__init__


def mend() -> None:
    for target, name, mended in (
        (URLOrAbsolutePathField, "to_python", to_python),
        (ConfirmImportManagementForm, "clean", clean),
        (BulkAction, "__init__", begin_bulk_action),
        (DeleteBulkAction, "execute_action", classmethod(delete_pages)),
        (Site, "get_site_root_paths", staticmethod(site_root_paths)),
    ):
        setattr(target, name, mended)


def to_python(field: Any, value: Any) -> Any:
    """As Wagtail's, which asks None whether it is a path."""
    if value and URLOrAbsolutePathValidator.is_absolute_path(value):
        return value
    return super(URLOrAbsolutePathField, field).to_python(value)


def clean(form: Any) -> dict[str, Any]:
    """As Wagtail's, which takes fields for granted and reads a message that is not there."""
    found: dict[str, Any] = super(ConfirmImportManagementForm, form).clean()
    for name in ("import_file_name", "input_format"):
        try:
            found[name] = form.signer.unsign(found.get(name, ""))
        except BadSignature as error:
            said = _("The file's name came incomplete. Upload the file again.")
            raise forms.ValidationError(said) from error
    return found


def begin_bulk_action(view: Any, request: HttpRequest, model: type[models.Model]) -> None:
    """As Wagtail's, and what is no number of a row is no row. Here, because some actions look for
    their rows before anything else."""
    for text in request.GET.getlist("id"):
        try:
            text == EVERYTHING or model._meta.pk.to_python(text)
        except ValidationError as error:
            raise Http404 from error
    _begin_bulk_action(view, request, model)


def delete_pages(
    view: Any, objects: Sequence[Page], user: Any = None, **kwargs: Any
) -> tuple[int, int]:
    """As Wagtail's, which fails at a page that went already, with one above it."""
    parents = children = 0
    for page in objects:
        if any(page.is_descendant_of(other) for other in objects):
            continue
        parents += 1
        children += page.get_descendant_count()
        page.delete(user=user)
    return parents, children


def site_root_paths() -> list[SiteRootPath]:
    """As Wagtail's, which has no page's address while the cache is away."""
    try:
        return list(_cached_root_paths())
    except AWAY:
        sites = Site.objects.select_related("root_page", "root_page__locale")
        ordered = sites.order_by("-root_page__url_path", "-is_default_site", "hostname")
        return [
            SiteRootPath(
                site.pk, site.root_page.url_path, site.root_url, site.root_page.locale.language_code
            )
            for site in ordered
        ]
