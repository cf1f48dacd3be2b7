"""The rich editor of messages: django-prose-editor, set up by static/js/message-editor.js."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy
from django_prose_editor.widgets import prose_editor_base_media
from js_asset import ImportMap, Media, Script

MODULES = ImportMap({"vestnik/message-paste": "js/message-paste.js"})
"""What the scripts import: by a name, because a file's address holds its fingerprint."""
SCRIPTS = ("message-editor", "message-pictures", "message-preview")


class LetterEditor(forms.Textarea):
    """A textarea that the script turns into an editor; without JavaScript it stays one."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        defaults = {"rows": 16, "data-letter-editor": "", "data-label": gettext_lazy("Text")}
        super().__init__(defaults | (attrs or {}))

    @property
    def media(self) -> Media:
        scripts = [Script(f"js/{name}.js", type="module") for name in SCRIPTS]
        return prose_editor_base_media + Media(importmap=MODULES, js=scripts)
