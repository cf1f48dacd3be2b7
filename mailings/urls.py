"""The cabinet, /app/: the signed-in user's clients, lists, messages, mailings and reports."""

from django.urls import path

from mailings.campaigns.views import actions as mailing_actions
from mailings.campaigns.views import mailings
from mailings.campaigns.views import pages as mailing_pages
from mailings.clients.views import clients, consents, imports, lists, segments
from mailings.dashboard import views as dashboard
from mailings.messages.views import drafts, messages, pictures, proofs, reading
from mailings.reports import exports
from mailings.reports import views as report
from mailings.sender_domains import views as domains
from mailings.subscribing.views import forms
from mailings.suppression.views import stop_list
from mailings.web import kept_forms

app_name = "mailings"
urlpatterns = [
    path("", dashboard.Dashboard.as_view(), name="dashboard"),
    path("clients/", clients.ClientIndex.as_view(), name="client_list"),
    path("clients/new/", clients.ClientCreate.as_view(), name="client_create"),
    path("clients/<int:pk>/", clients.ClientDetail.as_view(), name="client_detail"),
    path("clients/<int:pk>/edit/", clients.ClientUpdate.as_view(), name="client_update"),
    path("clients/<int:pk>/delete/", clients.ClientDelete.as_view(), name="client_delete"),
    path("clients/<int:pk>/consents/", consents.ClientConsents.as_view(), name="client_consents"),
    path(
        "clients/<int:pk>/consents.json",
        consents.ClientEvidence.as_view(),
        name="client_evidence",
    ),
    path("clients/deletions/<int:pk>/", clients.DeletionDetail.as_view(), name="client_deletion"),
    path("imports/", imports.ImportIndex.as_view(), name="import_list"),
    path("session/", drafts.Session.as_view(), name="session"),
    path("kept/", kept_forms.KeptForm.as_view(), name="kept_form"),
    path("imports/new/", imports.ImportCreate.as_view(), name="import_create"),
    path("imports/<int:pk>/", imports.ImportDetail.as_view(), name="import_detail"),
    path("imports/<int:pk>/columns/", imports.ImportColumns.as_view(), name="import_columns"),
    path("imports/<int:pk>/words/", imports.ImportWords.as_view(), name="import_words"),
    path("imports/<int:pk>/start/", imports.ImportStart.as_view(), name="import_start"),
    path("imports/<int:pk>/cancel/", imports.ImportCancel.as_view(), name="import_cancel"),
    path("imports/<int:pk>/delete/", imports.ImportDelete.as_view(), name="import_delete"),
    path("imports/<int:pk>/report.csv", imports.ImportReport.as_view(), name="import_report"),
    path("stop-list/", stop_list.StopList.as_view(), name="stop_list"),
    path("stop-list/add/", stop_list.StopListAdd.as_view(), name="stop_list_add"),
    path("stop-list/take-off/", stop_list.StopListTakeOut.as_view(), name="stop_list_take_out"),
    path("stop-list/<int:pk>/", stop_list.StopListEntry.as_view(), name="stop_list_entry"),
    path("stop-list.<str:kind>", stop_list.StopListExport.as_view(), name="stop_list_export"),
    path("lists/", lists.ListIndex.as_view(), name="list_list"),
    path("lists/new/", lists.ListCreate.as_view(), name="list_create"),
    path("lists/<int:pk>/", lists.ListDetail.as_view(), name="list_detail"),
    path("lists/<int:pk>/edit/", lists.ListUpdate.as_view(), name="list_update"),
    path("lists/<int:pk>/delete/", lists.ListDelete.as_view(), name="list_delete"),
    path("forms/", forms.FormIndex.as_view(), name="subscribe_form_list"),
    path("forms/new/", forms.FormCreate.as_view(), name="subscribe_form_create"),
    path("forms/<int:pk>/", forms.FormDetail.as_view(), name="subscribe_form_detail"),
    path("forms/<int:pk>/edit/", forms.FormUpdate.as_view(), name="subscribe_form_update"),
    path("forms/<int:pk>/delete/", forms.FormDelete.as_view(), name="subscribe_form_delete"),
    path("segments/", segments.SegmentIndex.as_view(), name="segment_list"),
    path("segments/new/", segments.SegmentCreate.as_view(), name="segment_create"),
    path("segments/<int:pk>/", segments.SegmentDetail.as_view(), name="segment_detail"),
    path("segments/<int:pk>/edit/", segments.SegmentUpdate.as_view(), name="segment_update"),
    path("segments/<int:pk>/copy/", segments.SegmentCopy.as_view(), name="segment_copy"),
    path("segments/<int:pk>/delete/", segments.SegmentDelete.as_view(), name="segment_delete"),
    path("messages/", messages.MessageIndex.as_view(), name="message_list"),
    path("messages/new/", messages.MessageCreate.as_view(), name="message_create"),
    path("messages/layouts/", reading.MessageLayouts.as_view(), name="message_layouts"),
    path("messages/sample/", reading.MessageSample.as_view(), name="message_sample"),
    path("messages/draft/", reading.MessageDraft.as_view(), name="message_draft"),
    path("messages/check/", reading.MessageCheck.as_view(), name="message_check"),
    path("messages/autosave/", drafts.MessageAutosave.as_view(), name="message_autosave"),
    path("messages/discard/", drafts.MessageDiscard.as_view(), name="message_discard"),
    path("messages/link/", drafts.MessageLink.as_view(), name="message_link"),
    path("messages/<int:pk>/", messages.MessageDetail.as_view(), name="message_detail"),
    path("messages/<int:pk>/edit/", messages.MessageUpdate.as_view(), name="message_update"),
    path("messages/<int:pk>/delete/", messages.MessageDelete.as_view(), name="message_delete"),
    path("messages/<int:pk>/preview/", reading.MessagePreview.as_view(), name="message_preview"),
    path("messages/<int:pk>/test/", proofs.MessageTest.as_view(), name="message_test"),
    path("pictures/", pictures.PictureIndex.as_view(), name="picture_list"),
    path("pictures/<int:pk>/delete/", pictures.PictureDelete.as_view(), name="picture_delete"),
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
    path(
        "mailings/<int:pk>/send-to-added/",
        mailing_actions.SendToAdded.as_view(),
        name="mailing_send_to_added",
    ),
    path("runs/<int:pk>/retry/", mailing_actions.RetryFailed.as_view(), name="run_retry"),
    path("runs/<int:pk>/", mailing_pages.RunDetail.as_view(), name="run_detail"),
    path(
        "mailings/<int:pk>/runs.<str:kind>",
        exports.MailingRunsExport.as_view(),
        name="mailing_runs_export",
    ),
    path("runs/<int:pk>/<str:table>.<str:kind>", exports.RunExport.as_view(), name="run_export"),
    path("domains/", domains.DomainIndex.as_view(), name="domain_list"),
    path("domains/new/", domains.DomainCreate.as_view(), name="domain_create"),
    path("domains/<int:pk>/", domains.DomainDetail.as_view(), name="domain_detail"),
    path("domains/<int:pk>/check/", domains.DomainCheck.as_view(), name="domain_check"),
    path("domains/<int:pk>/keys/", domains.DomainKeys.as_view(), name="domain_keys"),
    path("domains/<int:pk>/remove/", domains.DomainRemove.as_view(), name="domain_remove"),
    path("report/", report.Report.as_view(), name="report"),
    path("report/<str:table>.<str:kind>", exports.ReportExport.as_view(), name="report_export"),
]
