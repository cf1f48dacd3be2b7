"""Tables as files to download."""

from collections.abc import Iterable, Iterator

from django.http import StreamingHttpResponse
from django.utils import timezone, translation

from mailings.spreadsheets import downloads


def as_file(rows: Iterable[downloads.Row], kind: str, name: str) -> StreamingHttpResponse:
    """Send the rows, the head first, while they are read; `name`: of the file, without the day."""
    language = translation.get_language()

    def parts() -> Iterator[bytes]:
        # The response is read when the middleware that chose the language has gone.
        with translation.override(language):
            yield from downloads.parts(rows, kind)

    file = f"{name}-{timezone.localdate():%Y-%m-%d}.{kind}"
    return StreamingHttpResponse(
        parts(),
        content_type=downloads.KINDS[kind],
        headers={
            "Content-Disposition": f'attachment; filename="{file}"',
            "Cache-Control": "private, no-store",
        },
    )
