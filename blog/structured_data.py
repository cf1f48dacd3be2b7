"""What pages tell search engines in their own words: JSON-LD by the vocabulary of schema.org.

https://schema.org/BlogPosting, https://schema.org/BreadcrumbList, https://schema.org/WebSite
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils.safestring import SafeString, mark_safe

Data = dict[str, Any]
_ESCAPES = {ord("<"): "\\u003C", ord(">"): "\\u003E", ord("&"): "\\u0026"}


def script(*things: Mapping[str, Any]) -> SafeString:
    """Return a block of data for the head of a page. No text can end it; no browser runs it."""
    graph = {"@context": "https://schema.org", "@graph": [_without_gaps(each) for each in things]}
    text = json.dumps(graph, ensure_ascii=False).translate(_ESCAPES)
    return mark_safe(f'<script type="application/ld+json">{text}</script>')  # noqa: S308 - escaped


def _without_gaps(thing: Mapping[str, Any]) -> Data:
    return {key: value for key, value in thing.items() if value}


def website(name: str, address: str, search: str) -> Data:
    """`search` is the address of the blog's search, `{query}` where the words stand."""
    return {
        "@type": "WebSite",
        "@id": f"{address}#site",
        "name": name,
        "url": address,
        "potentialAction": {
            "@type": "SearchAction",
            "target": {"@type": "EntryPoint", "urlTemplate": search},
            "query-input": "required name=query",
        },
    }


def person(name: str, address: str = "") -> Data:
    return _without_gaps({"@type": "Person", "name": name, "url": address})


def article(
    *,
    title: str,
    summary: str,
    address: str,
    language: str,
    picture: str,
    published: datetime | None,
    changed: datetime | None,
    author: Data | None,
    publisher: str,
    words: int,
    topics: list[str],
) -> Data:
    return {
        "@type": "BlogPosting",
        "mainEntityOfPage": address,
        "headline": title[:110],
        "description": summary,
        "image": picture and [picture],
        "datePublished": published and published.isoformat(),
        "dateModified": changed and changed.isoformat(),
        "author": author,
        "publisher": {"@type": "Organization", "name": publisher},
        "inLanguage": language,
        "wordCount": words,
        "keywords": ", ".join(topics),
    }


def crumbs(*steps: tuple[str, str]) -> Data:
    """Return the way to a page; a step is its name and its address."""
    return {
        "@type": "BreadcrumbList",
        "itemListElement": [
            {"@type": "ListItem", "position": n, "name": name, "item": address}
            for n, (name, address) in enumerate(steps, 1)
        ],
    }
