import pytest
from django.core.exceptions import ValidationError

from mailings.addresses import normalise


@pytest.mark.parametrize(
    ("typed", "normalised"),
    [
        (" Anna@Example.ORG ", "Anna@example.org"),  # the local part is the host's business
        ("почта@пример.рф".replace("почта", "mail"), "mail@xn--e1afmkfd.xn--p1ai"),
        ("a+b@example.org", "a+b@example.org"),
    ],
)
def test_an_address_has_one_spelling(typed, normalised):
    assert normalise(typed) == normalised


@pytest.mark.parametrize(
    "typed", ["", "a", "a@", "@b.org", "a@x.org,b@y.org", "a\r\nBcc: b@y.org@x.org", "a@b..org"]
)
def test_anything_but_one_address_is_refused(typed):
    with pytest.raises(ValidationError):
        normalise(typed)
