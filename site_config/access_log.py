"""gunicorn’s logs. The access log is off unless asked for; no line holds a secret address."""

import logging
from typing import Any

from gunicorn import glogging

from site_config.secrets_in_urls import redacted


class Redacted(logging.Formatter):
    """Another formatter's line, without the secrets."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.formatter = formatter

    def format(self, record: logging.LogRecord) -> str:
        return redacted(self.formatter.format(record))


class Logger(glogging.Logger):
    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            for handler in log.handlers:
                handler.setFormatter(Redacted(handler.formatter or logging.Formatter()))
