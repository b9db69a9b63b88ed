"""Documents and audits as pages that load nothing."""

import base64
from pathlib import Path

import jinja2

from core.images import data_uri
from core.reports.document import Document, Drawing

TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent.with_name("templates")),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def of(document: Document) -> str:
    """The document as one HTML page that holds all it shows."""
    return TEMPLATES.get_template("document.html").render(document=document, picture=_picture, data_uri=data_uri)


def _picture(drawing: Drawing) -> str:
    from core.reports import drawings

    content = drawings.as_svg(drawing.draw())
    return f"data:image/svg+xml;base64,{base64.b64encode(content.encode()).decode()}"
