"""The rich editor of messages: django-prose-editor, set up by static/js/message-editor.js."""

from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy
from django_prose_editor.widgets import prose_editor_base_media
from js_asset import Media, Script


class LetterEditor(forms.Textarea):
    """A textarea that the script turns into an editor; without JavaScript it stays one."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        defaults = {"rows": 16, "data-letter-editor": "", "data-label": gettext_lazy("Text")}
        super().__init__(defaults | (attrs or {}))

    @property
    def media(self) -> Media:
        return prose_editor_base_media + Media(js=[Script("js/message-editor.js", type="module")])


def words() -> dict[str, str]:
    """Return what the editor shows: its own English, or a button's name, → the reader's words."""
    return {
        "bold": gettext("Bold"),
        "italic": gettext("Italic"),
        "strike": gettext("Struck through"),
        "heading2": gettext("Heading"),
        "heading3": gettext("Smaller heading"),
        "paragraph": gettext("Plain text"),
        "bulletList": gettext("List with dots"),
        "orderedList": gettext("Numbered list"),
        "blockquote": gettext("Quotation"),
        "horizontalRule": gettext("Line"),
        "link": gettext("Link"),
        "unlink": gettext("Remove the link"),
        "history:undo": gettext("Undo"),
        "history:redo": gettext("Redo"),
        "Edit Link": gettext("Link"),
        "URL": gettext("Address"),
        "Title": gettext("Hint"),
        "Update": gettext("Apply"),
        "Cancel": gettext("Do not change"),
        "Insert": gettext("Insert"),
    }
