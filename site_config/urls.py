"""All doors of the site. Wagtail's pages come last: they take every path that is left."""

from django.conf import settings
from django.urls import include, path
from django.views.static import serve
from wagtail import urls as wagtail_urls
from wagtail.admin import urls as wagtailadmin_urls
from wagtail.admin.auth import require_admin_access
from wagtail.contrib.sitemaps.views import sitemap
from wagtail.documents import urls as wagtaildocs_urls

from accounts.cms.account import AdminAccountView
from accounts.views import admin_login
from mailings.views.pictures import picture_file
from mailings.views.unsubscribing import Unsubscribe
from site_config import exports, health, upstream, views

# Here, not at the start: a worker shows no page of the admin, and does without them.
exports.neutralise()
upstream.mend()

handler400 = "site_config.bodies.bad_request"
handler500 = "site_config.failures.error_page"

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("theme/", views.set_theme, name="set_theme"),
    path("cms/login/", admin_login),  # before Wagtail's own form, which knows no limits and no MFA
    path("cms/account/", require_admin_access(AdminAccountView.as_view())),
    path("cms/", include(wagtailadmin_urls)),
    path("documents/", include(wagtaildocs_urls)),
    path("accounts/", include("accounts.urls")),
    path("accounts/", include("allauth.urls")),
    path("app/", include("mailings.urls")),
    path("u/<str:token>/", Unsubscribe.as_view(), name="unsubscribe"),
    path("sitemap.xml", sitemap),
    path("robots.txt", views.robots),
    path("favicon.ico", views.favicon),
    path("media/letters/<str:name>", picture_file, name="picture_file"),
    path("media/<path:path>", serve, {"document_root": settings.MEDIA_ROOT}),
    path("", include(wagtail_urls)),
]
if settings.DEBUG:
    urlpatterns.insert(0, path("dev/mail/", include("site_config.mailbox_views")))
