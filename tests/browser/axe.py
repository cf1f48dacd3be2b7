"""What axe-core finds on a page: at a desk and on a phone, in the light and in the dark theme."""

import json
from dataclasses import dataclass, field

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

DESK, PHONE = 1280, 390
# Frames hold letters: they are looked at as pages of their own.
EVERYTHING: dict[str, object] = {"resultTypes": ["violations"], "iframes": False}
# The theme changes colours and nothing else.
COLOURS = EVERYTHING | {"runOnly": ["color-contrast", "link-in-text-block"]}
UNFOLD = "document.querySelectorAll('details').forEach(each => { each.open = true })"
DRESS = "theme => { document.documentElement.dataset.bsTheme = theme }"


@dataclass
class Inspection:
    """Looks at pages, one after the other; `violations` are lines of what was found."""

    page: Page
    screens: int = 0
    violations: list[str] = field(default_factory=list)

    def visit(self, *paths: str) -> None:
        for path in paths:
            self.page.goto(path)
            self.look()

    def look(self, name: str = "") -> None:
        """Look at what is open now: on a phone, in the dark, all that can be unfolded is."""
        self.screens += 1
        self.page.evaluate(AXE_SCRIPT)
        self._at(DESK, "light", EVERYTHING, name)
        self._at(DESK, "dark", COLOURS, name)
        self.page.evaluate(UNFOLD)
        self._at(PHONE, "dark", EVERYTHING, name)
        self.page.set_viewport_size({"width": DESK, "height": 850})

    def _at(self, width: int, theme: str, options: dict[str, object], name: str) -> None:
        self.page.set_viewport_size({"width": width, "height": 850})
        self.page.evaluate(DRESS, theme)
        result = self.page.evaluate(f"axe.run({json.dumps(options)})")
        self.violations += [
            f"{name or self.page.url} ({width}, {theme}) {rule['id']}: {node['html'][:200]}"
            f" – {node['failureSummary']}"
            for rule in result["violations"]
            for node in rule["nodes"]
        ]
