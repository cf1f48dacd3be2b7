"""The look of a mail: a sheet on paper with the sender's name, inline styles, dark by media query.

Mail programs read neither style sheets nor classes reliably, so each tag carries its own style;
the classes serve the dark theme and narrow screens only.
"""

import colorsys
import re
from collections.abc import Callable
from typing import Any

from django.template.loader import render_to_string
from django.utils import translation
from django.utils.safestring import mark_safe

from mailings.messages import layouts
from mailings.messages.blocks import BUTTON, TAG
from mailings.states import Layout

INK, SOFT, RULE, SHEET = "#16242a", "#526068", "#dbdbd2", "#ffffff"
DARK_SHEET = "#182226"
SERIF = "Georgia,'PT Serif','Noto Serif','Times New Roman',serif"
SANS = "-apple-system,'Segoe UI',Roboto,'Noto Sans',Arial,sans-serif"
BODY_FONT = f"font:400 17px/1.6 {SERIF};color:{INK}"
COLUMN = 512  # pixels: the sheet of 600 less its sides
DARK_CONTRAST = 8.5  # as strong on the dark sheet as the stock accent is on the white one
SRGB_LINEAR = 0.04045  # below this share of full brightness sRGB is a straight line
READABLE = 4.5  # WCAG AA contrast of text


def document(
    *,
    subject: str,
    preheader: str,
    body: str,
    sender_name: str,
    accent: str,
    language: str,
    layout: str = Layout.LETTER,
    notice: str = "",
    picture: str = "",
) -> str:
    """Return the whole HTML document; `body` is sanitised HTML, the rest plain text.

    `notice` stands in the foot: what the letter tells its sender; `picture` is the address by which
    it tells of being opened.
    """
    colours = palette(accent)
    frame = colours | {
        "ink": INK, "soft": SOFT, "rule": RULE, "sheet": SHEET,
        "serif": mark_safe(SERIF), "sans": mark_safe(SANS),  # noqa: S308 - our own constants
    }  # fmt: skip
    coupon = layout == Layout.PROMOTION
    sheet = layouts.sheet(
        layout,
        body,
        sender_name,
        frame,
        lambda piece, *, centred=False: dress(piece, colours, centred=centred, coupon=coupon),
    )
    context: dict[str, Any] = frame | {
        "subject": subject,
        "preheader": preheader,
        "sheet_html": mark_safe(sheet),  # noqa: S308 - sanitised by the caller
        "columns": mark_safe(layouts.compiled(layout, frame).styles),  # noqa: S308
        "sender_name": sender_name,
        "language": language,
        "direction": "rtl" if translation.get_language_info(language)["bidi"] else "ltr",
        "filler": range(30),
        "notice": notice,
        "picture": mark_safe(picture),  # noqa: S308 - our own, with a variable in it
    }
    return without_idle_rules(render_to_string("emails/letter.html", context))


_STYLE = re.compile(r"(?<=<style>).*?(?=</style>)", re.S)
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_CLASSES = re.compile(r' class="([^"]*)"')
_CLASS = re.compile(r"\.([\w-]+)")


def without_idle_rules(html: str) -> str:
    """Drop from the style sheet each selector one of whose classes nothing in the letter has: it
    goes out with every mail."""
    used = {name for names in _CLASSES.findall(html) for name in names.split()}

    def needed(rule: re.Match[str]) -> str:
        selectors = [one.strip() for one in rule[1].split(",")]
        kept = [one for one in selectors if used.issuperset(_CLASS.findall(one))]
        return f"\n{','.join(kept)} {{{rule[2]}}}" if kept else ""

    return _STYLE.sub(lambda sheet: _RULE.sub(needed, sheet[0]), html, count=1)


# ------------------------------------------------------------------------------- tags
def dress(
    body: str, colours: dict[str, str], *, centred: bool = False, coupon: bool = False
) -> str:
    """Give every tag of sanitised HTML its inline style; `coupon` makes one of each quotation."""
    styles = _styles(colours) | (_coupon(colours) if coupon else {})
    pieces = []
    end = 0
    for button in BUTTON.finditer(body):
        pieces.append(_dress_run(body[end : button.start()], styles, first=end == 0))
        attributes, label = button[1] or button[4] or button[6], button[2] or button[5] or button[8]
        pieces.append(_button(attributes, label, colours, centred=centred))
        end = button.end()
    pieces.append(_dress_run(body[end:], styles, first=end == 0))
    return "".join(pieces)


def _button(attributes: str, label: str, colours: dict[str, str], *, centred: bool) -> str:
    """A button that Outlook draws too: the cell has the colour, the link has the room."""
    place = ' align="center"' if centred else ""
    margin = "12px auto 28px" if centred else "12px 0 28px"
    return (
        f'<table role="presentation"{place} cellpadding="0" cellspacing="0" border="0"'
        f' style="margin:{margin}"><tr>'
        f'<td class="btn" align="center" bgcolor="{colours["button"]}"'
        f' style="background:{colours["button"]};border-radius:3px;mso-padding-alt:13px 26px">'
        f'<a {attributes} style="display:inline-block;padding:13px 26px;'
        f"font:600 16px/1.3 {SANS};color:{colours['on_button']};"
        f'text-decoration:none">{label}</a></td></tr></table>'
    )


def _coupon(colours: dict[str, str]) -> dict[str, tuple[str, str]]:
    frame = "margin:4px 0 24px;padding:20px 24px;text-align:center"
    return {
        "blockquote": ("coupon", f"{frame};border:2px dashed {colours['link']}"),
        "blockquote p": ("ink", f"margin:2px 0;font:400 15px/1.5 {SANS};color:{INK}"),
        "blockquote strong": ("", f"font:700 28px/1.3 {SANS};letter-spacing:1px"),
    }


def _styles(colours: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Return class and style by tag; `li p` stands for a paragraph inside an item."""
    return {
        "p": ("ink", f"margin:0 0 16px;{BODY_FONT}"),
        "li p": ("ink", f"margin:0 0 6px;{BODY_FONT}"),
        "blockquote p": ("ink", f"margin:0 0 6px;{BODY_FONT}"),
        "h2": ("h2 ink", f"margin:32px 0 12px;font:400 24px/1.3 {SERIF};color:{INK}"),
        "h3": ("ink", f"margin:28px 0 10px;font:700 19px/1.35 {SERIF};color:{INK}"),
        "ul": ("ink", f"margin:0 0 16px;padding:0 0 0 24px;{BODY_FONT}"),
        "ol": ("ink", f"margin:0 0 16px;padding:0 0 0 26px;{BODY_FONT}"),
        "li": ("", "margin:0 0 6px"),
        "a": ("link", f"color:{colours['link']};text-decoration:underline"),
        "blockquote": (
            "quote",
            f"margin:0 0 16px;padding:2px 0 2px 18px;border-left:3px solid {colours['middle']}",
        ),
        "hr": ("rule", f"border:0;border-top:1px solid {RULE};margin:28px 0"),
    }


# Whose paragraphs have less space around them.
_SET_IN = frozenset({"li", "blockquote"})
_NO_GAP_ABOVE = frozenset({"h2", "h3"})


def _dress_run(html: str, styles: dict[str, tuple[str, str]], *, first: bool) -> str:
    return TAG.sub(_dresser(styles, first=first), html)


def _dresser(styles: dict[str, tuple[str, str]], *, first: bool) -> Callable[[re.Match[str]], str]:
    inside: list[str] = []
    seen = not first

    def dressed(match: re.Match[str]) -> str:
        nonlocal seen
        closing, tag, attributes = match.groups()
        if closing:
            if inside and inside[-1] == tag:
                inside.pop()
            return match[0]
        within = f"{inside[-1]} {tag}" if inside else ""
        if tag == "img":
            return _picture(attributes)
        if tag == "a" and "href=" not in attributes:
            return match[0]
        css_class, style = styles.get(within) or styles.get(tag) or ("", "")
        if tag in _SET_IN:
            inside.append(tag)
        if not seen and tag in _NO_GAP_ABOVE:
            style = re.sub(r"^margin:\d+px", "margin:0", style)
        seen = True
        named = f' class="{css_class}"' if css_class else ""
        styled = f' style="{style}"' if style else ""
        return f"<{tag}{attributes.rstrip(' /')}{named}{styled}>"

    return dressed


def _picture(attributes: str) -> str:
    """A picture no wider than the column: some programs heed the attribute, some the style."""
    given = re.search(r' width="(\d+)"', attributes)
    width = min(int(given[1]), COLUMN) if given else None
    if given and int(given[1]) > COLUMN:
        attributes = re.sub(r' (?:width|height)="\d+"', "", attributes) + f' width="{width}"'
    room = f"width:100%;max-width:{width}px" if width else "max-width:100%"
    style = f"display:block;{room};height:auto;border:0;margin:0 0 20px"
    return f'<img{attributes.rstrip(" /")} style="{style}">'


# ------------------------------------------------------------------------------- colours
def palette(accent: str) -> dict[str, str]:
    """Derive from the service's accent what stays readable on light and on dark."""
    link = _until_readable(accent, towards="#000000", on=SHEET, least=READABLE)
    on_dark = _for_the_dark(accent)
    # A middling accent carries neither white nor ink: then the button is a darker shade of it.
    takes_ink = contrast(accent, INK) >= READABLE and contrast(accent, SHEET) < READABLE
    return {
        "accent": accent,
        "middle": mix(accent, SHEET, 0.4),
        "link": link,
        "button": accent if takes_ink else link,
        "on_button": INK if takes_ink else SHEET,
        "soft_accent": mix(accent, SHEET, 0.88),
        "dark_soft": mix(DARK_SHEET, on_dark, 0.16),
        "dark_accent": on_dark,
        "dark_on_accent": _until_readable(
            mix(accent, "#000000", 0.55), towards="#000000", on=on_dark, least=READABLE
        ),
    }


def mix(colour: str, other: str, share: float) -> str:
    pairs = zip(_rgb(colour), _rgb(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def contrast(one: str, other: str) -> float:
    """Return the WCAG contrast ratio, 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _for_the_dark(colour: str) -> str:
    """Return the colour's hue, light enough for the dark sheet and a little less saturated."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*(value / 255 for value in _rgb(colour)))
    for percent in range(round(lightness * 100), 101, 2):
        rgb = colorsys.hls_to_rgb(hue, percent / 100, saturation * 0.65)
        lighter = "#" + "".join(f"{round(value * 255):02x}" for value in rgb)
        if contrast(lighter, DARK_SHEET) >= DARK_CONTRAST:
            return lighter
    return "#ffffff"


def _until_readable(colour: str, *, towards: str, on: str, least: float) -> str:
    for step in range(20):
        mixed = mix(colour, towards, step / 20)
        if contrast(mixed, on) >= least:
            return mixed
    return towards


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour.removeprefix("#")))


def _luminance(colour: str) -> float:
    linear = [
        c / 12.92 if c <= SRGB_LINEAR else ((c + 0.055) / 1.055) ** 2.4
        for c in (value / 255 for value in _rgb(colour))
    ]
    return sum(
        weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True)
    )
