"""The pictures of the demo's articles, drawn in the look's palette: flat shapes, no text."""

import math
from collections.abc import Callable
from io import BytesIO

from PIL import Image, ImageDraw

SIZE = (1200, 800)  # pixels
SHARPER = 2  # drawn twice as large and reduced: smooth edges
GROUND, SHEET = "#e0ecee", "#ffffff"
DARK, MID, BAD = "#0d5463", "#6fa3ad", "#a32d1c"

Point = tuple[float, float]


class Canvas:
    """Draws in the units of the finished picture."""

    def __init__(self) -> None:
        self.image = Image.new("RGB", (SIZE[0] * SHARPER, SIZE[1] * SHARPER), GROUND)
        self._draw = ImageDraw.Draw(self.image)

    def box(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        corners = [x, y, x + width, y + height]
        self._draw.rectangle([value * SHARPER for value in corners], fill=colour)

    def disc(
        self, x: float, y: float, radius: float, colour: str | None, edge: str = "", width: int = 0
    ) -> None:
        corners = [x - radius, y - radius, x + radius, y + radius]
        self._draw.ellipse(
            [value * SHARPER for value in corners],
            fill=colour, outline=edge or None, width=width * SHARPER,
        )  # fmt: skip

    def line(self, *points: tuple[float, float], colour: str, width: int) -> None:
        scaled = [(x * SHARPER, y * SHARPER) for x, y in points]
        self._draw.line(scaled, fill=colour, width=width * SHARPER, joint="curve")
        for x, y in (scaled[0], scaled[-1]):  # round ends
            radius = width * SHARPER / 2
            self._draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour)

    def shape(self, *points: tuple[float, float], colour: str) -> None:
        self._draw.polygon([(x * SHARPER, y * SHARPER) for x, y in points], fill=colour)

    def png(self) -> bytes:
        file = BytesIO()
        self.image.resize(SIZE, Image.Resampling.LANCZOS).save(file, "PNG", optimize=True)
        return file.getvalue()


def dots(canvas: Canvas) -> None:
    """Sixty addresses, six of them dead."""
    for row in range(6):
        for column in range(10):
            x, y = 141 + column * 102, 120 + row * 112
            if (column, row) in {(7, 0), (3, 1), (6, 2), (4, 3), (1, 4), (8, 5)}:
                canvas.disc(x, y, 36, SHEET)
                canvas.line((x - 15, y - 15), (x + 15, y + 15), colour=BAD, width=8)
                canvas.line((x - 15, y + 15), (x + 15, y - 15), colour=BAD, width=8)
            else:
                canvas.disc(x, y, 33, MID if (column + row) % 3 else DARK)


def letter(canvas: Canvas) -> None:
    """A letter with one line that counts."""
    canvas.box(170, 140, 870, 660, SHEET)
    for y, width, height, colour in (
        (225, 600, 28, MID), (336, 752, 48, DARK), (448, 690, 28, MID), (560, 760, 28, MID),
        (672, 480, 28, MID),
    ):  # fmt: skip
        canvas.box(232, y, width, height, colour)
    canvas.shape((170, 322), (92, 322), (122, 360), (92, 398), (170, 398), colour=DARK)


def clock(canvas: Canvas) -> None:
    x, y = 600, 400
    for radius, width in ((336, 6), (248, 5), (160, 5)):
        canvas.disc(x, y, radius, None, MID, width)
    for tick in range(24):
        angle = math.tau * tick / 24
        is_long = tick % 6 == 0
        inner, outer = (264 if is_long else 290), (336 if is_long else 330)
        canvas.line(
            (x + inner * math.sin(angle), y - inner * math.cos(angle)),
            (x + outer * math.sin(angle), y - outer * math.cos(angle)),
            colour=DARK, width=12 if is_long else 6,
        )  # fmt: skip
    canvas.line((x, y), (x, y - 216), colour=DARK, width=18)
    canvas.line((x, y), (x + 144, y + 88), colour=DARK, width=18)
    canvas.disc(x, y, 26, DARK)


SCRIBBLE = (
    ((320, 584), (376, 480), (416, 480), (408, 568)),
    ((408, 568), (400, 656), (456, 616), (496, 544)),
    ((496, 544), (536, 472), (560, 552), (544, 584)),
    ((544, 584), (528, 616), (616, 616), (704, 552)),
)
"""A signature: Bézier curves, each from its first point to its last."""


def _curve(pieces: tuple[tuple[Point, Point, Point, Point], ...]) -> list[Point]:
    points = []
    for a, b, c, d in pieces:
        for step in range(31):
            t = step / 30
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
            corners = zip(weights, (a, b, c, d), strict=True)
            x, y = (
                sum(part) for part in zip(*((w * p[0], w * p[1]) for w, p in corners), strict=True)
            )
            points.append((x, y))
    return points


def signature(canvas: Canvas) -> None:
    """A sheet with three lines and a name under them."""
    canvas.box(232, 96, 736, 704, SHEET)
    for y, width in ((200, 576), (280, 480), (360, 552)):
        canvas.box(312, y, width, 28, MID)
    canvas.line(*_curve(SCRIBBLE), colour=DARK, width=14)
    canvas.line((312, 660), (888, 660), colour=MID, width=6)


def bars(canvas: Canvas) -> None:
    heights = (160, 248, 216, 352, 304, 448, 520)
    for number, height in enumerate(heights):
        colour = DARK if number == len(heights) - 1 else MID
        canvas.box(176 + number * 128, 672 - height, 80, height, colour)
    canvas.line((128, 672), (1072, 672), colour=DARK, width=8)


def retries(canvas: Canvas) -> None:
    """Refused, refused, accepted: each wait is longer than the one before."""
    y = 400
    canvas.line((150, y), (1050, y), colour=MID, width=8)
    for x in (250, 460):
        canvas.disc(x, y, 74, SHEET, MID, 10)
        canvas.line((x - 26, y), (x + 26, y), colour=MID, width=12)
    canvas.disc(880, y, 104, DARK)
    canvas.line((830, y + 4), (866, y + 40), (932, y - 40), colour=SHEET, width=20)
    for x in range(150, 1051, 50):
        canvas.line((x, y + 170), (x, y + (196 if x % 100 else 216)), colour=MID, width=6)


def books(canvas: Canvas) -> None:
    """A shelf: most stand, the last one leans."""
    canvas.box(0, 660, SIZE[0], 26, DARK)
    for x, width, height, colour in (
        (150, 74, 400, DARK), (232, 54, 340, MID), (294, 92, 440, SHEET), (394, 60, 370, DARK),
        (462, 84, 420, MID), (554, 66, 350, SHEET), (628, 80, 450, DARK), (716, 56, 380, MID),
    ):  # fmt: skip
        canvas.box(x, 660 - height, width, height, colour)
        canvas.box(x, 660 - height + 44, width, 14, GROUND if colour != SHEET else MID)
    canvas.shape((812, 660), (934, 290), (1008, 314), (886, 660), colour=DARK)
    canvas.shape((920, 332), (994, 356), (990, 370), (916, 346), colour=GROUND)


DRAWINGS: dict[str, Callable[[Canvas], None]] = {
    drawing.__name__: drawing for drawing in (dots, letter, clock, signature, bars, retries, books)
}


def draw(name: str) -> bytes:
    """Return a drawing as a PNG file."""
    canvas = Canvas()
    DRAWINGS[name](canvas)
    return canvas.png()
