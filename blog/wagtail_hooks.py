"""What the blog adds to Wagtail's admin: authors and categories, in the menu as one place."""

from django.utils.translation import gettext_lazy as _
from wagtail.snippets.models import register_snippet
from wagtail.snippets.views.snippets import SnippetViewSet, SnippetViewSetGroup

from blog.snippets import Author, Category


class AuthorViewSet(SnippetViewSet):
    model = Author
    icon = "user"
    list_display = ("name", "slug")
    search_fields = ("name", "about")
    copy_view_enabled = False


class CategoryViewSet(SnippetViewSet):
    model = Category
    icon = "folder-open-inverse"
    list_display = ("name", "slug", "position")
    ordering = ("position", "name")
    copy_view_enabled = False


class BlogGroup(SnippetViewSetGroup):
    items = (AuthorViewSet, CategoryViewSet)
    menu_label = _("Blog")
    menu_icon = "edit"
    menu_order = 150
    add_to_admin_menu = True


register_snippet(BlogGroup)
