"""No spreadsheet of the admin holds a formula: every address that exports, ours and Wagtail's."""

import csv
import io
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.http import HttpResponse
from django.test import RequestFactory
from openpyxl import load_workbook
from wagtail.admin.views.mixins import SpreadsheetExportMixin
from wagtail.admin.views.reports import ReportView
from wagtail.contrib.redirects.models import Redirect
from wagtail.models import ModelLogEntry, Page, PageLogEntry, Task, Workflow

from accounts.models import User
from blog.models import BlogPage
from mailings.models import Attempt, Client, Delivery, Mailing, Message, Run, Suppression
from mailings.spreadsheets.formulas import FORMULA_STARTS, INVISIBLE, neutral
from site_config import urls  # noqa: F401 - with it comes what mends the exports
from tests.articles import make_article, make_site_root
from tests.integration.admin_addresses import Furniture, addresses, furnish

pytestmark = pytest.mark.slow

SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "﹦", "﹢")
BLANKS = (" ", "   ", "\t", "\xa0", "\u3000", "\ufeff", "\u200b", " \r\n")
HOSTILE = [
    *(f"{sign}1+1" for sign in SIGNS),
    *(f"{blank}=1+1" for blank in BLANKS),
    "'=1+1",
    "=cmd|' /C calc'!A0",
]  # fmt: skip
CSV, XLSX = "csv", "xlsx"
SPREADSHEET = "spreadsheetml"


def is_spreadsheet(answer: HttpResponse) -> bool:
    kind = answer.headers.get("Content-Type", "")
    return "text/csv" in kind or SPREADSHEET in kind


def cells_of(answer: HttpResponse) -> list[str]:
    content = b"".join(answer.streaming_content)
    if SPREADSHEET in answer.headers["Content-Type"]:
        sheet = load_workbook(io.BytesIO(content)).active
        rows: Any = sheet.iter_rows()
        assert all(cell.data_type != "f" for row in rows for cell in row)
        return [v for row in sheet.iter_rows(values_only=True) for v in row if isinstance(v, str)]
    return [cell for row in csv.reader(io.StringIO(content.decode("utf-8-sig"))) for cell in row]


def is_formula(cell: str) -> bool:
    """What a spreadsheet may execute, found without the code that is tried here."""
    bare = cell.lstrip(" \u3000\xa0\ufeff\u200b")
    return bare[:1] in SIGNS and not cell.lstrip("-").replace(".", "").isdigit()


def write_formulas_everywhere(furniture: Furniture) -> None:
    """Put a formula where somebody may write: as many rows as formulas where lists are long."""
    blog = make_site_root()
    for number, text in enumerate(HOSTILE):
        page = make_article(blog, slug=f"hostile-{number}")
        Page.objects.filter(pk=page.pk).update(title=text, draft_title=text, locked=True)
        User.objects.create(email=f"{number}@example.org", full_name=text)
        ModelLogEntry.objects.log_action(furniture.user, "wagtail.edit", title=text)
        Redirect.objects.create(old_path=f"/old{number}", redirect_link=text)
        Client.objects.create(
            owner=furniture.user, email=f"{number}@example.org", full_name=text, comment=text
        )
    text = HOSTILE[0]
    Group.objects.filter(name="Гости").update(name=text)
    Page.objects.filter(pk=furniture.article.pk).update(title=text, draft_title=text)
    PageLogEntry.objects.update(label=text)
    Task.objects.update(name=text)
    Workflow.objects.update(name=text)
    User.objects.filter(pk=furniture.user.pk).update(full_name=text)
    Mailing.objects.update(name=text, status_reason=text)
    Message.objects.update(subject=text, preheader=text)
    Run.objects.update(reason=text)
    Delivery.objects.update(full_name=text)
    Attempt.objects.update(reply=text, step="=1")
    Suppression.objects.update(address=text)


@pytest.mark.parametrize("kind", [CSV, XLSX])
def test_no_address_of_the_admin_exports_a_formula(client, superuser, owner, kind):
    furniture = furnish(owner)
    write_formulas_everywhere(furniture)
    client.force_login(superuser)
    formulas, with_neutral, exporting = {}, set(), set()
    for address in addresses(furniture):
        answer = client.get(f"{address.url}?export={kind}")
        if address.url == "/cms/logout/":
            client.force_login(superuser)
        if not is_spreadsheet(answer):
            continue
        cells = cells_of(answer)
        exporting.add(address.url)
        if found := [cell for cell in cells if is_formula(cell)]:
            formulas[address.url] = found
        if any(cell[:1] == "'" for cell in cells):
            with_neutral.add(address.url)
    assert formulas == {}
    assert "/cms/reports/site-history/" in with_neutral
    # Lists without columns to export give an empty sheet; each of the others was tried in earnest.
    tried = {"reports/locked", "reports/workflow", "reports/workflow_tasks", "reports/aging-pages",
             "reports/attempts", "redirects", "clients", "messages", "mailings", "runs",
             "deliveries", "attempts", "suppressions"}  # fmt: skip
    assert {f"/cms/{name}/" for name in tried} <= with_neutral
    assert len(exporting) >= 40


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("kind", [CSV, XLSX])
def test_a_report_of_tomorrow_cannot_leak_whatever_it_overrides(rf: RequestFactory, text, kind):
    class Tomorrow(SpreadsheetExportMixin):
        list_export = (text, "lazy")

        def get_heading(self, rows: Any, field: str) -> str:
            return text

        def to_row_dict(self, row: Any) -> dict[str, Any]:
            return {text: row, "lazy": [row]}

        def preprocess_field_value(self, field: str, value: Any, export_format: str) -> Any:
            return type("Lazy", (), {"__str__": lambda _self: text})()

    answer = Tomorrow().as_spreadsheet([text], kind)
    cells = cells_of(answer)
    assert len(cells) == 4
    assert all(cell[:1] == "'" for cell in cells), cells
    assert not any(is_formula(cell) for cell in cells)


@pytest.mark.parametrize("kind", [CSV, XLSX])
def test_numbers_and_times_stay_what_they_are(client, superuser, owner, kind):
    furniture = furnish(owner)
    client.force_login(superuser)
    answer = client.get(f"/cms/runs/?export={kind}")
    if kind == CSV:
        assert str(furniture.desk.run.targeted) in cells_of(answer)
    else:
        sheet = load_workbook(io.BytesIO(b"".join(answer.streaming_content))).active
        row = [cell.value for cell in sheet[2]]
        assert furniture.desk.run.targeted in row


def test_a_reply_with_control_characters_does_not_break_the_workbook(client, manager, owner):
    furniture = furnish(owner)
    Attempt.objects.filter(pk=furniture.desk.attempt.pk).update(reply="550 \x1b[31mno\x0b\x01")
    client.force_login(manager)
    answer = client.get("/cms/reports/attempts/?export=xlsx")
    assert answer.status_code == 200
    assert any(cell.startswith("550 ") for cell in cells_of(answer))


def test_wagtails_reports_export_by_the_mixin_that_is_mended():
    assert issubclass(ReportView, SpreadsheetExportMixin)
    assert ReportView.stream_csv is SpreadsheetExportMixin.stream_csv
    assert BlogPage.__name__
    assert {*SIGNS} <= {*FORMULA_STARTS}
    assert neutral(f"{INVISIBLE[0]}=1") == f"'{INVISIBLE[0]}=1"
