"""A superuser's form of a mail service: address, sign-in, limits. The password goes in, never out.

An empty password keeps the present one – but only for the same service and user: otherwise whoever
sits at an open session could have the password sent to a server of their own.
"""

from typing import Any, assert_never
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from mailings.delivery.session import rate_limits
from mailings.delivery.transports.http import config as http_config
from mailings.delivery.transports.kinds import TransportKind, kind_of
from mailings.delivery.transports.smtp.config import SmtpConfig
from mailings.models import Transport

MOST_CONNECTIONS = 1000
"""A big relay of one's own bears so many; others say 421, and we slow down."""
MOST_MAILS = 100_000
MOST_A_DAY = 1_000_000_000
MOST_URL = 500

FAULTS = {
    "An SMTP URL must name a host.": gettext_lazy(
        "Name the mail server, like smtp+tls://mail.example.org:587"
    ),
    "An SMTP URL looks like smtp+tls://user:password@mail.example.org:587": gettext_lazy(
        "This is not an address of a mail service. It looks like smtp+tls://mail.example.org:587"
    ),
    "A password without TLS is allowed to this machine only: use smtp+tls:// or smtps://": (
        gettext_lazy(
            "A password without encryption is allowed to this machine only:"
            " begin with smtp+tls:// or smtps://"
        )
    ),
    "User, password and local name must not hold control characters.": gettext_lazy(
        "User, password and local name must not hold control characters."
    ),
    "The option auth of an SMTP URL is xoauth2 or plaintext.": gettext_lazy(
        "The option auth is xoauth2 or plaintext."
    ),
    http_config.LOOKS_LIKE: gettext_lazy(
        "This is not an address of an HTTP API that we know."
        " It looks like postmark+https://api.postmarkapp.com"
    ),
    http_config.NO_KEY: gettext_lazy("Write the key of the HTTP API as the password."),
    http_config.NO_USER: gettext_lazy("This HTTP API wants a user as well, before its key."),
    http_config.NO_TLS: gettext_lazy(
        "A key without encryption is allowed to this machine only: write +https"
    ),
}
"""What `SmtpConfig` and `ApiConfig` say about a bad address, in words for this form."""

WRONG_LINES = {
    rate_limits.NOT_TWO: gettext_lazy(
        "“%(line)s”: write a domain and a number, like gmail.com 600"
    ),
    rate_limits.NO_DOMAIN: gettext_lazy("“%(line)s”: there can be no such domain."),
    rate_limits.NO_NUMBER: gettext_lazy(
        "“%(line)s”: write a whole number of mails a minute, from 1."
    ),
    rate_limits.TWICE: gettext_lazy("“%(line)s”: the domain stands here twice."),
}


class TransportForm(forms.ModelForm[Transport]):
    address = forms.CharField(
        label=gettext_lazy("Address"),
        required=False,
        max_length=MOST_URL,
        help_text=gettext_lazy(
            "smtp+tls:// (STARTTLS, usual), smtps:// (TLS from the first byte) or smtp:// (plain),"
            " like smtp+tls://mail.example.org:587. An HTTP API: its address after its name, like"
            " postmark+https://api.postmarkapp.com, with its key as the password."
            " Empty: as the EMAIL_URL setting says."
        ),
    )
    user = forms.CharField(
        label=pgettext_lazy("mail service", "User"),
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    password = forms.CharField(
        label=gettext_lazy("Password"),
        required=False,
        max_length=200,
        strip=False,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"}),
        help_text=gettext_lazy("It is never shown again. Leave it empty to keep the present one."),
    )

    class Meta:
        model = Transport
        fields = (
            "name", "is_active", "max_connections", "mails_per_connection", "rate_per_minute",
            "mails_per_day", "warm_up_from", "domain_limits",
        )  # fmt: skip
        labels = {"name": pgettext_lazy("thing", "Name")}

    field_order = ("name", "is_active", "address", "user", "password")

    def __init__(self, data: Any = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(without_secret(data), *args, **kwargs)
        self._was = split(self.instance.url)
        self.initial["address"] = shown(self.instance.url)
        self.initial["user"] = unquote(self._was.username or "")
        self._bound("max_connections", MOST_CONNECTIONS)
        self._bound("mails_per_connection", MOST_MAILS)
        self._bound("rate_per_minute", rate_limits.RATE_MOST)
        self._bound("mails_per_day", MOST_A_DAY)
        self._bound("warm_up_from", MOST_A_DAY)
        self.fields["domain_limits"].widget.attrs["rows"] = 4

    def _bound(self, name: str, most: int) -> None:
        field = self.fields[name]
        field.validators += [MinValueValidator(1), MaxValueValidator(most)]
        field.widget.attrs |= {"min": 1, "max": most}

    def clean_address(self) -> str:
        return str(self.cleaned_data["address"]).strip()

    def clean_domain_limits(self) -> str:
        try:
            read = rate_limits.read_domain_limits(self.cleaned_data["domain_limits"])
        except rate_limits.BadLimit as slip:
            raise ValidationError(
                str(WRONG_LINES[slip.reason]), params={"line": slip.line[:100]}
            ) from slip
        return rate_limits.write_domain_limits(read)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if "address" in data and "user" in data and "password" in data:
            self._clean_url(data["address"], data["user"], data["password"])
        return data

    def _clean_url(self, address: str, user: str, password: str) -> None:
        if not address:
            self._clean_setting(has_sign_in=bool(user or password))
            return
        is_api = http_config.is_api(address)
        if password and not user and not is_api:
            self.add_error("user", _("Write the user that the password belongs to."))
            return
        try:
            url = joined(address, user, password)
            parts = urlsplit(url)
            if (user or is_api) and not password:
                password = self._kept_password(user, parts.hostname)
                url = joined(address, user, password)
            require_usable(url)
        except ValidationError as error:
            self.add_error("password", error)
        except ValueError as fault:
            self.add_error("address", in_words(fault))
        else:
            if len(url) > MOST_URL:
                self.add_error("address", _("The address with its sign-in is too long."))
            self.instance.url = url

    def _clean_setting(self, *, has_sign_in: bool) -> None:
        if has_sign_in:
            self.add_error("address", _("Write the address that user and password are for."))
        elif Transport.objects.filter(url="").exclude(pk=self.instance.pk).exists():
            self.add_error("address", _("Another mail service uses the EMAIL_URL setting already."))
        self.instance.url = ""

    def _kept_password(self, user: str, host: str | None) -> str:
        if not self._was.password:
            return ""
        if (user, host) != (unquote(self._was.username or ""), self._was.hostname):
            raise ValidationError(
                _("Write the password again: the present one belongs to another server or user.")
            )
        return unquote(self._was.password)

    def save(self, commit: bool = True) -> Transport:
        """Write what stands in the form, not the health that workers write meanwhile."""
        is_new = self.instance._state.adding
        if commit:
            fields = [*self.Meta.fields, "url"]
            if "warm_up_from" in self.changed_data:
                self.instance.warm_up_step = 0  # another beginning
                fields.append("warm_up_step")
            self.instance.save(update_fields=None if is_new else fields)
        return self.instance

    def what_changed(self) -> str:
        """Return the names of the changed fields, for the log; no values, they may be secret."""
        labels = [str(self.fields[name].label) for name in self.changed_data]
        return ", ".join(labels)


def split(url: str) -> SplitResult:
    """Return the parts of a stored address; none of one that cannot be read."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def shown(url: str) -> str:
    """Return the address without its sign-in."""
    parts = split(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def require_usable(url: str) -> None:
    """Raise `ValueError` with what to mend."""
    kind = kind_of(url)
    match kind:
        case TransportKind.HTTP_API:
            http_config.ApiConfig.from_url(url)
        case TransportKind.SMTP | TransportKind.MEMORY:  # that one is for tests, and only a setting
            SmtpConfig.from_url(url)
        case _:
            assert_never(kind)


def joined(address: str, user: str, password: str) -> str:
    """Return the address with its sign-in. Raises `ValueError` for what cannot be an address."""
    parts = urlsplit(address)
    sign_in = quote(user, safe="")
    if password:
        sign_in += f":{quote(password, safe='')}"
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{sign_in}@{host}" if sign_in else host))


def without_secret(data: Any) -> Any:
    """Move a sign-in that was pasted with the address into its own fields: what a form refuses it
    shows again, and a password must not be shown."""
    if not data or "@" not in data.get("address", ""):
        return data
    data = data.copy()
    address = data["address"].strip()
    sign_in, _at, _rest = address.partition("://")[2].rpartition("@")
    user, _colon, password = sign_in.partition(":")
    if http_config.is_api(address) and not password:
        user, password = "", user  # a key that was pasted without its colon
    data["address"] = address.replace(f"{sign_in}@", "", 1)
    data["user"] = data.get("user") or unquote(user)
    data["password"] = data.get("password") or unquote(password)
    return data


def in_words(fault: ValueError) -> str:
    said = str(fault)
    if said in FAULTS:
        return str(FAULTS[said])
    head, _colon, names = said.partition(": ")
    if head in ("Unknown options of an SMTP URL", http_config.UNKNOWN_OPTIONS):
        return _("There are no such options: %(names)s.") % {"names": names}
    return str(FAULTS["An SMTP URL looks like smtp+tls://user:password@mail.example.org:587"])
