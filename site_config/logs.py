"""One log line per event: time, level, event name, `extra` as key=value. Ids, never addresses;
no secret that stands in a URL either."""

import logging

from site_config.secrets_in_urls import redacted

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def escape(value: object) -> str:
    """Return `value` as one printable line: a hostile server's reply must not forge log lines."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(value)
    )


class LineFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        fields = {k: v for k, v in vars(record).items() if k not in _STANDARD and k != "request"}
        line = super().format(record)
        line += "".join(f" {key}={escape(value)}" for key, value in fields.items())
        return redacted(line)
