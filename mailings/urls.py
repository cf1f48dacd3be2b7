"""The cabinet, /app/: the signed-in user's clients, lists, messages, mailings and reports."""

from django.urls import path

from mailings.views import (
    clients,
    dashboard,
    imports,
    lists,
    mailing_actions,
    mailing_pages,
    mailings,
    messages,
    report,
)

app_name = "mailings"
urlpatterns = [
    path("", dashboard.Dashboard.as_view(), name="dashboard"),
    path("clients/", clients.ClientIndex.as_view(), name="client_list"),
    path("clients/new/", clients.ClientCreate.as_view(), name="client_create"),
    path("clients/<int:pk>/", clients.ClientDetail.as_view(), name="client_detail"),
    path("clients/<int:pk>/edit/", clients.ClientUpdate.as_view(), name="client_update"),
    path("clients/<int:pk>/delete/", clients.ClientDelete.as_view(), name="client_delete"),
    path("imports/", imports.ImportIndex.as_view(), name="import_list"),
    path("imports/new/", imports.ImportCreate.as_view(), name="import_create"),
    path("imports/<int:pk>/", imports.ImportDetail.as_view(), name="import_detail"),
    path("imports/<int:pk>/columns/", imports.ImportColumns.as_view(), name="import_columns"),
    path("imports/<int:pk>/start/", imports.ImportStart.as_view(), name="import_start"),
    path("imports/<int:pk>/cancel/", imports.ImportCancel.as_view(), name="import_cancel"),
    path("imports/<int:pk>/delete/", imports.ImportDelete.as_view(), name="import_delete"),
    path("imports/<int:pk>/report.csv", imports.ImportReport.as_view(), name="import_report"),
    path("lists/", lists.ListIndex.as_view(), name="list_list"),
    path("lists/new/", lists.ListCreate.as_view(), name="list_create"),
    path("lists/<int:pk>/", lists.ListDetail.as_view(), name="list_detail"),
    path("lists/<int:pk>/edit/", lists.ListUpdate.as_view(), name="list_update"),
    path("lists/<int:pk>/delete/", lists.ListDelete.as_view(), name="list_delete"),
    path("messages/", messages.MessageIndex.as_view(), name="message_list"),
    path("messages/new/", messages.MessageCreate.as_view(), name="message_create"),
    path("messages/<int:pk>/", messages.MessageDetail.as_view(), name="message_detail"),
    path("messages/<int:pk>/edit/", messages.MessageUpdate.as_view(), name="message_update"),
    path("messages/<int:pk>/delete/", messages.MessageDelete.as_view(), name="message_delete"),
    path("messages/<int:pk>/preview/", messages.MessagePreview.as_view(), name="message_preview"),
    path("mailings/", mailings.MailingIndex.as_view(), name="mailing_list"),
    path("mailings/new/", mailings.MailingCreate.as_view(), name="mailing_create"),
    path("mailings/<int:pk>/", mailing_pages.MailingDetail.as_view(), name="mailing_detail"),
    path("mailings/<int:pk>/edit/", mailings.MailingUpdate.as_view(), name="mailing_update"),
    path("mailings/<int:pk>/delete/", mailing_actions.Delete.as_view(), name="mailing_delete"),
    path(
        "mailings/<int:pk>/schedule/", mailing_actions.Schedule.as_view(), name="mailing_schedule"
    ),
    path(
        "mailings/<int:pk>/unschedule/",
        mailing_actions.Unschedule.as_view(),
        name="mailing_unschedule",
    ),
    path("mailings/<int:pk>/pause/", mailing_actions.Pause.as_view(), name="mailing_pause"),
    path("mailings/<int:pk>/resume/", mailing_actions.Resume.as_view(), name="mailing_resume"),
    path("mailings/<int:pk>/cancel/", mailing_actions.Cancel.as_view(), name="mailing_cancel"),
    path("runs/<int:pk>/", mailing_pages.RunDetail.as_view(), name="run_detail"),
    path("report/", report.Report.as_view(), name="report"),
]
