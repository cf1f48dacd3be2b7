"""What a machine did with a letter, in words."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailings.states import HitKind
from mailings.tracking.machines import Why

KNOWN_BY = {
    Why.HEAD: gettext_lazy("it asked for the head only"),
    Why.PREFETCH: gettext_lazy("fetched before anybody looked"),
    Why.NAMELESS: gettext_lazy("it does not say what it is"),
    Why.PRIVACY_PROXY: gettext_lazy("Apple’s privacy protection loads every picture"),
    Why.SCANNER: gettext_lazy("a gateway that checks letters"),
    Why.PREVIEW: gettext_lazy("a preview was drawn"),
    Why.ROBOT: gettext_lazy("a robot"),
    Why.PROGRAM: gettext_lazy("a program, no browser"),
    Why.TOO_SOON: gettext_lazy("sooner than anybody reads"),
    Why.BURST: gettext_lazy("several links within a second"),
    Why.UNSENT: gettext_lazy("before the letter was taken"),
}


def machine(kind: str, why: str) -> str:
    """Return what a machine did, and by what it was known."""
    done = {
        HitKind.OPENED: _("Opened by a machine: %(why)s"),
        HitKind.CLICKED: _("Links followed by a machine: %(why)s"),
    }
    return done[HitKind(kind)] % {"why": KNOWN_BY[Why(why)]}
