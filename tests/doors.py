"""Every address that a library brings: who may pass, and a word of reason.

A new one fails `test_library_doors` until it stands here or is shut in `site_config/doors.py`.
"""

SHUT, ANYONE, SIGNED_IN, ADMIN, EDITORS, SUPERUSERS = (
    "nobody", "anyone", "signed in", "admin", "editors", "superusers",
)  # fmt: skip
"""ADMIN: managers and editors. A wider group includes the narrower ones."""

DOORS: dict[tuple[str, str], str] = {
    (SHUT, "Wagtail's own way to a new password; ours has limits and ends sessions"): r"""
        cms/password_reset/
        cms/password_reset/complete/
        cms/password_reset/confirm/<uidb64>/<token>/
        cms/password_reset/done/
    """,
    (SHUT, "addresses for a view that is not there"): r"""
        cms/images/<int:image_id>/generate_url/
        cms/images/<int:image_id>/generate_url/output/
    """,
    (SHUT, "a form to make one while choosing, which is not there"): r"""
        cms/snippets/choose/blog/author/create/
        cms/snippets/choose/blog/category/create/
    """,
    (SHUT, "fetches from other sites; articles hold no embeds"): r"""
        cms/embeds/chooser/
        cms/embeds/chooser/upload/
    """,
    (SHUT, "forms for a password, without limits or second factor"): r"""
        _util/authenticate_with_password/<int:page_view_restriction_id>/<int:page_id>/
        _util/login/
    """,
    (SHUT, "sign-in by a mailed code is switched off"): r"""
        accounts/login/code/confirm/
    """,
    (SHUT, "tests of error pages"): r"""
        cms/failwhale/
        cms/test404/
    """,
    (SHUT, "the same for a collection of documents"): r"""
        documents/authenticate_with_password/<int:restriction_id>/
    """,
    (ANYONE, "Wagtail's public pages"): r"""
        ^((?:[\w\-]+/)*)$
    """,
    (ANYONE, "Wagtail's view of a document; `site_config.media.document` stands before it"): r"""
        documents/^(\d+)/(.*)$
    """,
    (ANYONE, "allauth: the one way to an account; limits in ACCOUNT_RATE_LIMITS"): r"""
        accounts/2fa/authenticate/
        accounts/^confirm-email/(?P<key>[-:\w]+)/$
        accounts/^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$
        accounts/confirm-email/
        accounts/inactive/
        accounts/login/
        accounts/password/reset/
        accounts/password/reset/done/
        accounts/password/reset/key/done/
        accounts/signup/
    """,
    (ANYONE, "icons"): r"""
        cms/sprite/
    """,
    (ANYONE, "public pages for search engines"): r"""
        sitemap.xml
    """,
    (ANYONE, "shadowed: leads to allauth's sign-in"): r"""
        cms/login/
    """,
    (ANYONE, "words of the admin's scripts"): r"""
        cms/jsi18n/
    """,
    (SIGNED_IN, "allauth: the one way to an account; limits in ACCOUNT_RATE_LIMITS"): r"""
        accounts/2fa/
        accounts/2fa/reauthenticate/
        accounts/2fa/recovery-codes/
        accounts/2fa/recovery-codes/download/
        accounts/2fa/recovery-codes/generate/
        accounts/2fa/totp/activate/
        accounts/2fa/totp/deactivate/
        accounts/2fa/webauthn/
        accounts/2fa/webauthn/add/
        accounts/2fa/webauthn/keys/<int:pk>/edit/
        accounts/2fa/webauthn/keys/<int:pk>/remove/
        accounts/2fa/webauthn/reauthenticate/
        accounts/email/
        accounts/logout/
        accounts/password/change/
        accounts/password/set/
        accounts/reauthenticate/
        accounts/sessions/
    """,
    (ADMIN, "collections and their privacy"): r"""
        cms/collections/<int:pk>/delete/
    """,
    (ADMIN, "documents to choose"): r"""
        cms/documents/chooser/
        cms/documents/chooser/chosen-multiple/
        cms/documents/chooser/results/
    """,
    (ADMIN, "documents; their kind is checked by content"): r"""
        cms/documents/multiple/<int:doc_id>/
        cms/documents/multiple/<int:doc_id>/delete/
        cms/documents/multiple/create_from_uploaded_document/<int:uploaded_file_id>/
        cms/documents/multiple/delete_upload/<int:uploaded_file_id>/
    """,
    (ADMIN, "hints one has read"): r"""
        cms/dismissibles/
    """,
    (ADMIN, "looks of a block"): r"""
        cms/block-preview/
    """,
    (ADMIN, "looks of the admin, one's own; shadowed without name and address"): r"""
        cms/account/
    """,
    (ADMIN, "many at once; each is asked for"): r"""
        cms/bulk/<str:app_label>/<str:model_name>/<str:action>/
    """,
    (ADMIN, "names of tags"): r"""
        cms/tag-autocomplete/
        cms/tag-autocomplete/<slug:app_name>/<slug:model_name>/
    """,
    (ADMIN, "pages"): r"""
        cms/pages/<int:page_id>/convert_alias/
        cms/pages/<int:page_id>/lock/
        cms/pages/<int:page_id>/unlock/
        cms/pages/<int:page_to_move_id>/move/<int:destination_id>/confirm/
        cms/pages/<int:page_to_move_id>/set_position/
        cms/pages/create/<slug:app_label>/<slug:model_name>
    """,
    (ADMIN, "pictures for pages"): r"""
        cms/images/multiple/<int:image_id>/
        cms/images/multiple/<int:image_id>/delete/
        cms/images/multiple/create_from_uploaded_image/<int:uploaded_file_id>/
        cms/images/multiple/delete_upload/<int:uploaded_file_id>/
    """,
    (ADMIN, "pictures to choose"): r"""
        cms/images/chooser/
        cms/images/chooser/chosen-multiple/
        cms/images/chooser/results/
    """,
    (ADMIN, "redirects"): r"""
        cms/redirects/<int:redirect_id>/delete/
    """,
    (ADMIN, "sends on to an address with a slash"): r"""
        cms/^.*/$
    """,
    (ADMIN, "settings: we have none"): r"""
        cms/settings/<slug:app_name>/<slug:model_name>/
        cms/settings/<slug:app_name>/<slug:model_name>/<int:pk>/
        cms/settings/<slug:app_name>/<slug:model_name>/<int:pk>/preview/
    """,
    (ADMIN, "signing out"): r"""
        cms/logout/
    """,
    (ADMIN, "tasks of workflows, to be chosen"): r"""
        cms/workflows/task_chooser/
        cms/workflows/task_chooser/<int:task_id>/
        cms/workflows/task_chooser/create/
        cms/workflows/task_chooser/results/
    """,
    (ADMIN, "the dashboard"): r"""
        cms/
    """,
    (ADMIN, "the log, of what one may see"): r"""
        cms/reports/site-history/
        cms/reports/site-history/results/
    """,
    (ADMIN, "titles of pages, pictures and documents for menus and choosers"): r"""
        cms/api/main/^documents/
        cms/api/main/^documents/<int:pk>/
        cms/api/main/^documents/find/
        cms/api/main/^images/
        cms/api/main/^images/<int:pk>/
        cms/api/main/^images/find/
        cms/api/main/^pages/
        cms/api/main/^pages/<int:pk>/action/<str:action_name>/
        cms/api/main/^pages/find/
    """,
    (ADMIN, "what a link may lead to"): r"""
        cms/choose-anchor-link/
        cms/choose-email-link/
        cms/choose-external-link/
        cms/choose-page/
        cms/choose-page/<int:parent_page_id>/
        cms/choose-page/chosen-multiple/
        cms/choose-page/search/
        cms/choose-phone-link/
    """,
    (ADMIN, "who else edits a page"): r"""
        cms/editing-sessions/ping/<str:app_label>/<str:model_name>/<str:object_id>/<int:session_id>/
        cms/editing-sessions/release/<int:session_id>/
    """,
    (ADMIN, "workflows"): r"""
        cms/workflows/enable/<int:pk>/
        cms/workflows/remove/<int:page_pk>/
        cms/workflows/remove/<int:page_pk>/<int:workflow_pk>/
        cms/workflows/tasks/add/<str:app_label>/<str:model_name>/
        cms/workflows/tasks/enable/<int:pk>/
    """,
    (ADMIN, "workflows of a page"): r"""
        cms/pages/workflow/action/<int:page_id>/<slug:action_name>/<int:task_state_id>/
        cms/pages/workflow/collect_action_data/<int:page_id>/<slug:action_name>/<int:task_state_id>/
        cms/pages/workflow/confirm_cancellation/<int:page_id>/
        cms/pages/workflow/preview/<int:page_id>/<int:task_id>/
    """,
    (EDITORS, "documents to choose"): r"""
        cms/documents/chooser/chosen/<str:pk>/
        cms/documents/chooser/create/
    """,
    (EDITORS, "documents; their kind is checked by content"): r"""
        cms/documents/
        cms/documents/add/
        cms/documents/delete/<int:document_id>/
        cms/documents/edit/<int:document_id>/
        cms/documents/multiple/add/
        cms/documents/results/
        cms/documents/usage/<int:document_id>/
    """,
    (EDITORS, "pages"): r"""
        cms/pages/
        cms/pages/<int:page_id>/copy/
        cms/pages/<int:page_id>/delete/
        cms/pages/<int:page_id>/edit/
        cms/pages/<int:page_id>/edit/preview/
        cms/pages/<int:page_id>/history/
        cms/pages/<int:page_id>/history/results/
        cms/pages/<int:page_id>/privacy/
        cms/pages/<int:page_id>/revisions/
        cms/pages/<int:page_id>/revisions/<int:revision_id>/revert/
        cms/pages/<int:page_id>/revisions/<int:revision_id>/unschedule/
        cms/pages/<int:page_id>/revisions/<int:revision_id>/view/
        cms/pages/<int:page_id>/unpublish/
        cms/pages/<int:page_id>/usage/
        cms/pages/<int:page_id>/view_draft/
        cms/pages/<int:page_id>/workflow_history/
        cms/pages/<int:page_id>/workflow_history/detail/<int:workflow_state_id>/
        cms/pages/<int:page_to_move_id>/move/
        cms/pages/<int:parent_page_id>/
        cms/pages/<int:parent_page_id>/add_subpage/
        cms/pages/<int:parent_page_id>/results/
        cms/pages/^(?P<pk>\d+)/revisions/compare/(?P<revision_id_a>live|earliest|\d+)\.\.\.(?P<revision_id_b>live|latest|\d+)/$
        cms/pages/add/<slug:content_type_app_name>/<slug:content_type_model_name>/<int:parent_page_id>/
        cms/pages/add/<slug:content_type_app_name>/<slug:content_type_model_name>/<int:parent_page_id>/preview/
        cms/pages/search/
        cms/pages/search/results/
        cms/pages/usage/<slug:content_type_app_name>/<slug:content_type_model_name>/
        cms/pages/usage/<slug:content_type_app_name>/<slug:content_type_model_name>/results/
    """,
    (EDITORS, "pictures for pages"): r"""
        cms/images/
        cms/images/<int:image_id>/
        cms/images/<int:image_id>/delete/
        cms/images/<int:image_id>/preview/<str:filter_spec>/
        cms/images/add/
        cms/images/multiple/add/
        cms/images/results/
        cms/images/usage/<int:image_id>/
    """,
    (EDITORS, "pictures to choose"): r"""
        cms/images/chooser/<int:image_id>/select_format/
        cms/images/chooser/chosen/<str:pk>/
        cms/images/chooser/create/
    """,
    (EDITORS, "reports on pages"): r"""
        cms/reports/aging-pages/
        cms/reports/aging-pages/results/
        cms/reports/page-types-usage/
        cms/reports/page-types-usage/results/
        cms/reports/workflow/
        cms/reports/workflow/results/
        cms/reports/workflow_tasks/
        cms/reports/workflow_tasks/results/
    """,
    (EDITORS, "titles of pages, pictures and documents for menus and choosers"): r"""
        cms/api/main/^pages/<int:pk>/
    """,
    (SUPERUSERS, "collections and their privacy"): r"""
        cms/collections/
        cms/collections/<int:collection_id>/privacy/
        cms/collections/<int:pk>/
        cms/collections/add/
    """,
    (SUPERUSERS, "groups and their rights; writing them asks for proof first"): r"""
        cms/bulk/accounts/user/assign_role/
        cms/groups/
        cms/groups/delete/<int:pk>/
        cms/groups/edit/<int:pk>/
        cms/groups/history-results/<int:pk>/
        cms/groups/history/<int:pk>/
        cms/groups/new/
        cms/groups/results/
        cms/groups/usage/<int:pk>/
    """,
    (SUPERUSERS, "redirects"): r"""
        cms/redirects/
        cms/redirects/<int:redirect_id>/
        cms/redirects/add/
        cms/redirects/import/
        cms/redirects/import/process/
        cms/redirects/results/
    """,
    (SUPERUSERS, "reports on pages"): r"""
        cms/reports/locked/
        cms/reports/locked/results/
    """,
    (ADMIN, "names of authors and categories, for choosers"): r"""
        cms/snippets/choose/blog/author/
        cms/snippets/choose/blog/author/chosen-multiple/
        cms/snippets/choose/blog/author/chosen/<str:pk>/
        cms/snippets/choose/blog/author/results/
        cms/snippets/choose/blog/category/
        cms/snippets/choose/blog/category/chosen-multiple/
        cms/snippets/choose/blog/category/chosen/<str:pk>/
        cms/snippets/choose/blog/category/results/
    """,
    (EDITORS, "authors and categories of the blog"): r"""
        cms/snippets/blog/author/
        cms/snippets/blog/author/add/
        cms/snippets/blog/author/delete/<int:pk>/
        cms/snippets/blog/author/edit/<int:pk>/
        cms/snippets/blog/author/history-results/<int:pk>/
        cms/snippets/blog/author/history/<int:pk>/
        cms/snippets/blog/author/results/
        cms/snippets/blog/author/usage/<int:pk>/
        cms/snippets/blog/category/
        cms/snippets/blog/category/add/
        cms/snippets/blog/category/delete/<int:pk>/
        cms/snippets/blog/category/edit/<int:pk>/
        cms/snippets/blog/category/history-results/<int:pk>/
        cms/snippets/blog/category/history/<int:pk>/
        cms/snippets/blog/category/results/
        cms/snippets/blog/category/usage/<int:pk>/
    """,
    (SUPERUSERS, "snippets of all kinds; authors and categories have a menu of their own"): r"""
        cms/snippets/
    """,
    (SUPERUSERS, "the site's address"): r"""
        cms/sites/
        cms/sites/copy/<int:pk>/
        cms/sites/delete/<int:pk>/
        cms/sites/history-results/<int:pk>/
        cms/sites/history/<int:pk>/
        cms/sites/results/
        cms/sites/usage/<int:pk>/
    """,
    (SUPERUSERS, "users: add and edit ask for proof first"): r"""
        cms/users/edit/<int:pk>/
        cms/users/new/
        cms/users/usage/<int:pk>/
    """,
    (SUPERUSERS, "workflows"): r"""
        cms/workflows/add/
        cms/workflows/disable/<int:pk>/
        cms/workflows/edit/<int:pk>/
        cms/workflows/list/
        cms/workflows/list/results/
        cms/workflows/tasks/disable/<int:pk>/
        cms/workflows/tasks/edit/<int:pk>/
        cms/workflows/tasks/index/
        cms/workflows/tasks/index/results/
        cms/workflows/tasks/select_type/
        cms/workflows/usage/<int:pk>/
        cms/workflows/usage/<int:pk>/results/
    """,
}
