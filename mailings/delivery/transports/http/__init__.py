"""Mail services with an HTTP API, through django-anymail."""
