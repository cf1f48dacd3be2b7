"""What the home page's app changes in Wagtail's admin."""

from wagtail.admin import userbar
from wagtail.admin.templatetags import wagtailadmin_tags
from wagtail.sites import wagtail_hooks

from accounts import site_address
from home.cms import SiteViewSet

# Wagtail's hook makes one of these; a second one beside it would share its addresses.
wagtail_hooks.SiteViewSet = SiteViewSet

# Letters about a page's workflow name the admin by a setting, which nobody can change in the admin.
wagtailadmin_tags.get_admin_base_url = site_address.url
userbar.get_admin_base_url = site_address.url
