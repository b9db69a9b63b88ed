"""A document as a PDF file, set with reportlab on A4. Imported only where one is made: reportlab is heavy."""

import io
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import matplotlib
import numpy as np
from PIL import Image as Picture
from reportlab.lib.colors import Color, HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    CondPageBreak,
    Flowable,
    Image,
    KeepTogether,
    ListFlowable,
    ListItem,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    TableStyle,
)
from reportlab.platypus import Table as Grid

from core.reports import drawings
from core.reports.document import Block, Document, Drawing, Example, Table

INK, QUIET, RULE = HexColor("#16262b"), HexColor("#5b6670"), HexColor("#d5dadd")
EDGES = {"serious": HexColor("#c62828"), "warning": HexColor("#ef8c00"), "note": HexColor(drawings.MODEL)}
MARGIN = 18 * mm
WIDTH = A4[0] - 2 * MARGIN
GAP = 6 * mm
# What reportlab's frame leaves free on each side of paragraphs, in points, and tables stretch over.
PADDING = 6
# Films side by side: three with their overlays.
FILMS_A_ROW = 3
# reportlab's fonts are kept by the process and remember the document they are used in.
ONE_AT_A_TIME = threading.Lock()


def _register_fonts() -> None:
    """matplotlib's DejaVu: Latin, Greek, Cyrillic, Arabic; PDF's own fonts have Western European letters only."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for name, file in (("Sans", "DejaVuSans"), ("Sans-Bold", "DejaVuSans-Bold")):
        pdfmetrics.registerFont(TTFont(name, folder / f"{file}.ttf"))
    pdfmetrics.registerFontFamily("Sans", normal="Sans", bold="Sans-Bold", italic="Sans", boldItalic="Sans-Bold")


_register_fonts()


def _style(name: str, size: float, color: Color = INK, **rest) -> ParagraphStyle:
    # splitLongWords: a hash or a file's name must not run out of its cell.
    rest = {"fontName": "Sans", "leading": size * 1.4, "splitLongWords": True} | rest
    return ParagraphStyle(name, fontSize=size, textColor=color, **rest)


STYLES = {
    "title": _style("title", 19, fontName="Sans-Bold", spaceAfter=2 * mm),
    "heading": _style("heading", 13, fontName="Sans-Bold", spaceBefore=7 * mm, spaceAfter=2 * mm),
    "below": _style("below", 10, fontName="Sans-Bold", spaceBefore=3 * mm, spaceAfter=1.5 * mm),
    "body": _style("body", 9, spaceAfter=2 * mm),
    "quiet": _style("quiet", 8, QUIET, spaceAfter=2 * mm),
    "cell": _style("cell", 8, leading=10.5),
    "figure": _style("figure", 8, leading=10.5, alignment=TA_RIGHT),
    "head": _style("head", 8, leading=10.5, fontName="Sans-Bold"),
    "head figure": _style("head figure", 8, leading=10.5, fontName="Sans-Bold", alignment=TA_RIGHT),
    "caption": _style("caption", 8, leading=11),
}


def of(document: Document) -> bytes:
    """The document as a file; its notice and the page's number stand at the foot of every page."""
    content = io.BytesIO()
    with ONE_AT_A_TIME:
        template = SimpleDocTemplate(
            content,
            pagesize=A4,
            leftMargin=MARGIN - PADDING,
            rightMargin=MARGIN - PADDING,
            topMargin=16 * mm,
            bottomMargin=20 * mm,
            title=document.title,
            subject=document.notice,
            author="PneumoScope",
            creator="PneumoScope",
            lang="en",
        )
        story = [_text(document.title, "title"), _text(document.subtitle, "quiet")]
        for block in document.blocks:
            story += SETTERS[block.kind](block)

        def foot(canvas: Canvas, template: SimpleDocTemplate) -> None:
            canvas.setFont("Sans", 7.5)
            canvas.setFillColor(QUIET)
            canvas.drawString(MARGIN, 11 * mm, document.notice)
            canvas.drawRightString(A4[0] - MARGIN, 11 * mm, f"Page {template.page}")

        template.build(story, onFirstPage=foot, onLaterPages=foot, canvasmaker=Canvas)
    return content.getvalue()


def _text(text: str, style: str) -> Paragraph:
    # What came from files must not be read as reportlab's markup, which could fetch pictures.
    return Paragraph(escape(text), STYLES[style])


def _heading(block: Block) -> Iterator[Flowable]:
    # Not alone at the foot of a page.
    yield CondPageBreak((25 if block.below else 40) * mm)
    yield _text(block.text, "below" if block.below else "heading")


def _paragraph(block: Block) -> Iterator[Flowable]:
    yield _text(block.text, "quiet" if block.quiet else "body")


def _points(block: Block) -> Iterator[Flowable]:
    items = [ListItem(_text(text, "body"), leftIndent=5 * mm) for text in block.texts]
    yield ListFlowable(items, bulletType="bullet", start="•", bulletFontName="Sans", leftIndent=5 * mm)


def _warned(block: Block) -> Iterator[Flowable]:
    title = Paragraph(f"<b>{escape(block.severity.capitalize())}: {escape(block.title)}</b>", STYLES["cell"])
    box = Grid([[[title, _text(block.text, "cell")]]], colWidths=[WIDTH])
    box.setStyle(
        TableStyle(
            [
                ("LINEBEFORE", (0, 0), (0, -1), 3, EDGES.get(block.severity, QUIET)),
                ("LEFTPADDING", (0, 0), (-1, -1), 8),
                ("TOPPADDING", (0, 0), (-1, -1), 1),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
            ]
        )
    )
    yield box
    yield Spacer(0, 2 * mm)


def _table(block: Table) -> Iterator[Flowable]:
    has_header = bool(block.header)
    rows = [_row(block.header, ("head", "head figure"), block.figures)] if has_header else []
    first = "cell" if has_header else "head"
    for row in block.rows:
        cells = _row(row, ("cell", "figure"), block.figures)
        rows.append([_text(row[0], first), *cells[1:]])
    widths = [WIDTH * width / sum(block.widths) for width in block.widths]
    grid = Grid(rows, colWidths=widths, repeatRows=int(has_header))
    style = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, RULE),
        ("LEFTPADDING", (0, 0), (-1, -1), 2),
        ("RIGHTPADDING", (0, 0), (-1, -1), 4),
        ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
    ]
    if has_header:
        style.append(("LINEBELOW", (0, 0), (-1, 0), 0.8, INK))
    grid.setStyle(TableStyle(style))
    yield grid
    yield Spacer(0, 2.5 * mm)


def _row(texts: Sequence[str], styles: tuple[str, str], figures: int) -> list[Paragraph]:
    return [_text(text, styles[column >= figures]) for column, text in enumerate(texts)]


def _drawings(block: Block) -> Iterator[Flowable]:
    width = (WIDTH - GAP) / 2
    height = width * drawings.SIZE[1] / drawings.SIZE[0]
    yield from _in_rows([_drawn(drawing, width, height) for drawing in block.drawings], 2, width)


def _drawn(drawing: Drawing, width: float, height: float) -> list[Flowable]:
    content = drawings.as_png(drawing.draw())
    return [Image(io.BytesIO(content), width, height), _text(drawing.sentence, "caption")]


def _examples(block: Block) -> Iterator[Flowable]:
    width = (WIDTH - (FILMS_A_ROW - 1) * GAP) / FILMS_A_ROW
    yield from _in_rows([_example(example, width) for example in block.films], FILMS_A_ROW, width)


def _example(example: Example, width: float) -> list[Flowable]:
    pictures = [example.film] if example.overlay is None else [example.film, example.overlay]
    # As large without an overlay as with one, so that films can be compared.
    side = (width - 2) / 2
    shown = Grid([[_image(picture, side) for picture in pictures]], colWidths=[side + 1] * len(pictures), hAlign="LEFT")
    shown.setStyle(TableStyle(_bare()))
    return [shown, Spacer(0, 1 * mm), _text(example.caption, "caption")]


def _image(picture: np.ndarray, side: float) -> Image:
    content = io.BytesIO()
    Picture.fromarray(picture).save(content, "PNG")
    content.seek(0)
    return Image(content, side, side)


def _in_rows(cells: list[list[Flowable]], columns: int, width: float) -> Iterator[Flowable]:
    """Cells of one width with a gap between them, row by row."""
    for begin in range(0, len(cells), columns):
        row = cells[begin : begin + columns]
        row += [[]] * (columns - len(row))
        grid = Grid([row], colWidths=[width + GAP] * (columns - 1) + [width])
        grid.setStyle(TableStyle([*_bare(), ("RIGHTPADDING", (0, 0), (-2, -1), GAP)]))
        yield KeepTogether([grid, Spacer(0, 4 * mm)])


def _bare() -> list[tuple]:
    sides = ("LEFT", "RIGHT", "TOP", "BOTTOM")
    return [("VALIGN", (0, 0), (-1, -1), "TOP"), *((f"{side}PADDING", (0, 0), (-1, -1), 0) for side in sides)]


SETTERS = {
    "heading": _heading,
    "paragraph": _paragraph,
    "points": _points,
    "warned": _warned,
    "table": _table,
    "drawings": _drawings,
    "examples": _examples,
}
