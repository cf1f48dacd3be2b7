"""Walking through the site as a reader does: from link to link, one page of each kind."""

import re
from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

from playwright.sync_api import Page

# Other people's pages, files and pages that only act.
NOT_PAGES = re.compile(
    r"^/(cms|media|documents|static|dev)/|/logout/|/feed/|\.(xml|csv|xlsx|json)$"
)


def kind(path: str) -> str:
    """Return what pages of one kind share: /app/clients/7/ and /app/clients/8/ are one kind."""
    return re.sub(r"\d+", "0", path)


def links(page: Page) -> list[str]:
    """Return the paths of this site that the page links to, without query and fragment."""
    found = page.eval_on_selector_all(
        "a[href], iframe[src]",
        "all => all.map(e => e.getAttribute(e.tagName == 'A' ? 'href' : 'src'))",
    )
    here = urlsplit(page.url)
    targets = [urlsplit(urljoin(page.url, href)) for href in found]
    return [t.path for t in targets if t.netloc == here.netloc and not NOT_PAGES.search(t.path)]


def one_of_each_kind(paths: list[str]) -> list[str]:
    return list({kind(path): path for path in reversed(paths)}.values())


def walk(
    page: Page,
    *starts: str,
    within: str = "/",
    per_kind: int = 1,
    visit: Callable[[str], None] = lambda path: None,
) -> list[str]:
    """Return up to `per_kind` paths of each kind of page that can be reached from `starts`.

    `visit` is called with the path while the page is open.
    """
    seen: dict[str, int] = {}
    paths: list[str] = []
    waiting = list(starts)
    while waiting:
        path = waiting.pop(0)
        if path in paths or not re.match(within, path) or seen.get(kind(path), 0) >= per_kind:
            continue
        seen[kind(path)] = seen.get(kind(path), 0) + 1
        page.goto(path)
        paths.append(path)
        waiting += links(page)
        visit(path)
    return paths
