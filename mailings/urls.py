"""The cabinet, /app/."""

from django.urls import path
from django.views.generic import RedirectView

app_name = "mailings"
urlpatterns = [
    path("", RedirectView.as_view(url="/"), name="dashboard"),
]
