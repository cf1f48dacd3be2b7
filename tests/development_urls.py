"""The URLs of development: those of the site and the mailbox."""

from django.urls import include, path

from site_config.urls import urlpatterns as site_urlpatterns

urlpatterns = [path("dev/mail/", include("site_config.mailbox_views")), *site_urlpatterns]
