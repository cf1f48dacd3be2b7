"""What the mailings add to Wagtail's admin: the log's actions."""

from wagtail import hooks
from wagtail.log_actions import LogActionRegistry

from mailings import audit


@hooks.register("register_log_actions")
def register_log_actions(actions: LogActionRegistry) -> None:
    audit.register(actions)
