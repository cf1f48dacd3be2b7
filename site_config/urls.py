"""All doors of the site. Wagtail's pages come last: they take every path that is left."""

from django.conf import settings
from django.urls import include, path, re_path
from django.views.decorators.http import require_POST
from wagtail import urls as wagtail_urls
from wagtail.admin import urls as wagtailadmin_urls
from wagtail.admin.auth import require_admin_access
from wagtail.admin.views.account import LogoutView
from wagtail.contrib.sitemaps.views import sitemap
from wagtail.documents import urls as wagtaildocs_urls

from accounts.cms.account import AdminAccountView
from accounts.cms.proof import assign_role
from accounts.second_factor import password_change
from accounts.views import admin_login
from mailings.feedback.views import webhook
from mailings.messages.views.pictures import picture_file
from mailings.subscribing.views import preferences
from mailings.subscribing.views import public as subscribing
from mailings.suppression.views.public import Unsubscribe
from mailings.tracking.views import follow, picture
from site_config import doors, exports, health, media, pages, upstream, views

# Here, not at the start: a worker shows no page of the admin, and does without them.
exports.neutralise()
upstream.mend()

handler400 = "site_config.bodies.bad_request"
handler500 = "site_config.failures.error_page"

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("theme/", views.set_theme, name="set_theme"),
    *doors.urlpatterns,
    path("cms/login/", admin_login),  # before Wagtail's own form, which knows no limits and no MFA
    path("cms/logout/", require_POST(LogoutView.as_view())),  # a mere GET drops the cookie too
    path("cms/account/", require_admin_access(AdminAccountView.as_view())),
    path("cms/bulk/accounts/user/assign_role/", assign_role),
    path("cms/", include(wagtailadmin_urls)),
    re_path(r"^documents/(\d+)/(.*)$", media.document),  # before Wagtail's own, which it calls
    path("documents/", include(wagtaildocs_urls)),
    path("accounts/password/change/", password_change),
    path("accounts/", include("accounts.urls")),
    path("accounts/", include("allauth.urls")),
    path("app/", include("mailings.urls")),
    path("webhooks/<slug:service>/", webhook, name="webhook"),
    path("r/<str:token>/<int:position>", follow, name="tracked_link"),
    path("o/<str:token>.gif", picture, name="tracked_opening"),
    path("u/<str:token>/", Unsubscribe.as_view(), name="unsubscribe"),
    path("u/<str:token>/choices/", preferences.LetterChoices.as_view(), name="choices"),
    path("s/confirm/<str:token>/", subscribing.Confirm.as_view(), name="subscribe_confirm"),
    path("s/choices/<str:token>/", preferences.FormChoices.as_view(), name="subscribe_choices"),
    path("s/key/", subscribing.key, name="evidence_key"),
    path("s/<str:slug>/", subscribing.Subscribe.as_view(), name="subscribe"),
    path("sitemap.xml", sitemap),
    path("robots.txt", views.robots),
    path("favicon.ico", views.favicon),
    path("media/letters/<str:name>", picture_file, name="picture_file"),
    path("media/<str:folder>/<str:name>", media.picture),
    re_path(wagtail_urls.serve_pattern, pages.serve),
    path("", include(wagtail_urls)),
]
if settings.DEBUG:
    urlpatterns.insert(0, path("dev/mail/", include("site_config.mailbox_views")))
