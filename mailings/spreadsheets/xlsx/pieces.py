"""An XLSX file taken apart: the parts of its archive, and XML that is read a piece at a time.

Nothing here trusts the file: sizes are known before anything is unpacked, elements, names and
depth are counted, and a document type is refused.
"""

import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any
from xml.parsers import expat

MAX_UNPACKED = 200_000_000  # bytes of one part: 100 000 rows take some 50 MB
MAX_PARTS = 2_000
WHOLE, LOOK = 8_000_000, 1_000_000
"""Elements of XML: of all that a reading needs, and of what a look at the first rows may cost. An
element takes about a microsecond; 100 000 rows of 20 cells have some 6 000 000."""
MAX_DEPTH = 64
MAX_NAMES = 1_000
"""Of elements and attributes; expat keeps each it has met."""
MAX_TOKEN = 128_000
"""Bytes of one tag: expat begins it anew with every piece that is fed."""
READ = 32 * 1024  # bytes


class Broken(Exception):  # noqa: N818 - what the file is
    """It is no XLSX file, or one that must not be unpacked."""


class TooMuch(Broken):
    """There is more to read in it than a table of people has."""


@contextmanager
def opened(file: IO[bytes]) -> Iterator[zipfile.ZipFile]:
    try:
        _require_few_parts(file)
        with zipfile.ZipFile(file) as archive:
            yield archive
    except _FAULTS as error:
        raise Broken(f"{type(error).__name__}: {error}") from error


_FAULTS = (
    zipfile.BadZipFile, zlib.error, expat.ExpatError, EOFError,
    # A part that is named and not there, a number that is none, a packing we do not know:
    KeyError, ValueError, OverflowError, NotImplementedError, RuntimeError,
)  # fmt: skip


def _require_few_parts(file: IO[bytes]) -> None:
    """`zipfile` makes an object of every entry before anybody can count them."""
    file.seek(0)
    count, rest = 0, b""
    while chunk := file.read(1 << 20):
        data = rest + chunk
        count += data.count(_ENTRY)
        rest = data[-len(_ENTRY) + 1 :]
    if count > MAX_PARTS:
        raise TooMuch("too many parts")


_ENTRY = b"PK\x01\x02"


def part_of(archive: zipfile.ZipFile, name: str, most: int = MAX_UNPACKED) -> IO[bytes]:
    # `zipfile` never unpacks more than a part declares, so what it declares can be trusted.
    part = archive.getinfo(name)
    if part.file_size > most:
        raise Broken(f"{name} is too large when unpacked")
    if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Broken(f"{name} is packed in a way that no spreadsheet uses")
    return archive.open(name)


class Effort:
    """How much may still be looked at; shared by all parts of one file."""

    def __init__(self, elements: int) -> None:
        self.elements = elements
        self.names: set[str] = set()
        self.attributes: set[str] = set()

    def local(self, name: str) -> str:
        """Return a name without its namespace; raises `TooMuch` when there are too many."""
        self.names.add(name)
        if len(self.names) > MAX_NAMES:
            raise TooMuch("too many names")
        return name.rpartition(" ")[2]

    def meet(self, attributes: dict[str, str]) -> None:
        self.attributes.update(attributes)
        if len(self.attributes) > MAX_NAMES:
            raise TooMuch("too many names")


Attributes = dict[str, str]
Starts = Mapping[str, Callable[[Attributes], None]]
Ends = Mapping[str, Callable[[], None]]
"""What to call when an element of that name, without its namespace, begins or ends."""


def parse(
    part: IO[bytes],
    effort: Effort,
    starts: Starts,
    ends: Ends | None = None,
    data: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """Feed `part` to the handlers, one piece a step."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = _handlers(effort, starts, ends or {})
    parser.StartDoctypeDeclHandler = _refuse_doctype
    if data:
        parser.CharacterDataHandler = data
    fed = 0
    while chunk := part.read(READ):
        parser.Parse(chunk, False)  # noqa: FBT003 - expat's own
        fed += len(chunk)
        if fed - parser.CurrentByteIndex > MAX_TOKEN:
            raise TooMuch("a tag without end")
        if effort.elements < 0:
            raise TooMuch("too many elements")
        yield
    parser.Parse(b"", True)  # noqa: FBT003 - expat's own
    yield


def _handlers(
    effort: Effort, starts: Starts, ends: Ends
) -> tuple[Callable[[str, Attributes], None], Callable[[str], None]]:
    """Return what expat calls for every element: counts, and finds the handler, if any, by the
    whole name, which costs one look in a dict."""
    starting: dict[str, Callable[[Attributes], None] | None] = {}
    ending: dict[str, Callable[[], None]] = {}
    known = effort.attributes
    depth = 0

    def meet(name: str) -> None:
        local = effort.local(name)
        starting[name] = starts.get(local)
        if local in ends:
            ending[name] = ends[local]

    def start_element(name: str, attributes: Attributes) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise TooMuch("elements within elements")
        effort.elements -= 1
        if attributes and not known.issuperset(attributes):
            effort.meet(attributes)
        if name not in starting:
            meet(name)
        if handler := starting[name]:
            handler(attributes)

    def end_element(name: str) -> None:
        nonlocal depth
        depth -= 1
        if name in ending:
            ending[name]()

    return start_element, end_element


def _refuse_doctype(*_declaration: Any) -> None:
    raise Broken("a document type: entities could grow without end")
