"""Says whether a document of consents was signed by this service and is unaltered since."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mailings.consents import evidence

LARGEST = 10 * 1024 * 1024  # bytes


class Command(BaseCommand):
    help = "Check the signature of a document of consents (JSON)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        try:
            if file.stat().st_size > LARGEST:
                raise CommandError("The file is too large to be such a document.")
            document = json.loads(file.read_text())
        except (OSError, ValueError) as error:
            raise CommandError(f"The file cannot be read: {error}") from error
        if not isinstance(document, dict) or not evidence.is_ours(document):
            raise CommandError("This service did not sign it, or it was altered since.")
        self.stdout.write("It was signed by this service, and nothing was altered since.")
