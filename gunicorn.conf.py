"""Read by gunicorn wherever it is started in this folder; options of its command line go before."""

logger_class = "site_config.access_log.Logger"
