"""The user: signs in by e-mail, owns clients, messages and mailings; managers may block them."""

from typing import Any, ClassVar
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _


def validate_time_zone(name: str) -> None:
    if name not in available_timezones():
        raise ValidationError(
            _("“%(name)s” is not a time zone. Write it like Europe/Moscow."),
            params={"name": name},
        )


def default_time_zone() -> str:
    return settings.TIME_ZONE


def default_language() -> str:
    return settings.LANGUAGE_CODE


class UserManager(BaseUserManager["User"]):
    def _create(self, email: str, password: str | None, **extra: Any) -> "User":
        if not email:
            raise ValueError("An e-mail address is required.")
        user = self.model(email=email.strip().lower(), **extra)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_user(self, email: str, password: str | None = None, **extra: Any) -> "User":
        return self._create(email, password, **({"is_superuser": False} | extra))

    def create_superuser(self, email: str, password: str | None = None, **extra: Any) -> "User":
        return self._create(email, password, **(extra | {"is_superuser": True, "is_staff": True}))

    def get(self, *args: Any, **kwargs: Any) -> "User":
        """Return the user; each request begins with this, so it tells `has_rights` as well."""
        in_groups = User.groups.through.objects.filter(user=OuterRef("pk"))
        own = User.user_permissions.through.objects.filter(user=OuterRef("pk"))
        known = Q(is_superuser=True) | Exists(in_groups) | Exists(own)
        # The column takes the place of the property below, which is what is typed.
        users = self.get_queryset().annotate(has_rights=known)  # type: ignore[no-redef]
        return users.get(*args, **kwargs)

    def get_by_natural_key(self, email: str | None) -> "User":
        return self.get(email__iexact=email)


class User(AbstractBaseUser, PermissionsMixin):
    email = models.EmailField(_("e-mail"), unique=True)
    full_name = models.CharField(_("full name"), max_length=150, blank=True)
    phone = models.CharField(_("phone"), max_length=32, blank=True)
    avatar = models.ImageField(_("avatar"), upload_to="avatars", blank=True)
    language = models.CharField(
        _("language"), max_length=8, choices=settings.LANGUAGES, default=default_language
    )
    time_zone = models.CharField(
        _("time zone"), max_length=64, default=default_time_zone, validators=[validate_time_zone]
    )
    is_staff = models.BooleanField(_("staff"), default=False, editable=False)
    is_active = models.BooleanField(
        _("active"),
        default=True,
        help_text=_("A blocked user cannot sign in, and their mailings do not send."),
    )
    date_joined = models.DateTimeField(_("joined"), default=timezone.now, editable=False)
    blocked_at = models.DateTimeField(_("blocked at"), null=True, blank=True, editable=False)
    blocked_by = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )
    blocked_reason = models.TextField(_("why blocked"), blank=True, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = [
            # Two accounts that differ by case alone would be one person to every mail server.
            models.UniqueConstraint(Lower("email"), name="user_email_unique_ignoring_case"),
        ]
        permissions = [("block_user", _("Can block and unblock users"))]

    def __str__(self) -> str:
        return self.full_name or self.email

    def get_full_name(self) -> str:
        return self.full_name or self.email

    def get_short_name(self) -> str:
        return self.full_name.split(" ")[0] if self.full_name else self.email

    @cached_property
    def has_rights(self) -> bool:
        """Whether they were given any right at all; which ones, `has_perm` tells."""
        return self.is_superuser or self.groups.exists() or self.user_permissions.exists()

    @property
    def is_blocked(self) -> bool:
        return not self.is_active

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)
