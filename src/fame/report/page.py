"""The page: one HTML file that holds its figures, their data and Vega, and asks for nothing.

Its parts are page.html.j2, page.css and page.js.
"""

import base64
import json
import re
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from fame.report.tables import Table
from fame.report.vega import scripts

Pairs = list[tuple[str, str]]
TALL = 700  # pixels of a figure that scrolls inside the page
CAPTIONS = {
    "densities": "Predicted densities; in the picture a mark at each peak",
    "predicted_true": "FAME's prediction against the label, a point a post",
    "calibration": "Mean label against mean prediction of each tenth of the holdout",
    "errors_category": "Error by category, posts in brackets",
    "errors_author": "Error for known and for new authors",
    "errors_posts_per_user": "Error by the user's labelled posts outside the holdout",
    "errors_time": "Error over time, tenths of the holdout by posting time",
    "importance": "Importance of feature blocks",
    "intervals": "MAE of every model with its confidence interval",
    "intervals_src": "SRC of every model with its confidence interval",
    "protocols": "MAE under each protocol",
    "weights": "Weight of each learner in the fusion",
    "left_out": "MAE that the fusion loses without a learner",
    "coverage": "Share of labels inside the prediction intervals; the mark is what was asked for",
}


TABLE = (
    '<div class="scroll" tabindex="0" role="region" aria-label="{}, table {}"><table class="plain">'
)


@dataclass(frozen=True)
class Section:
    """A part of the page, in the order texts, figures, posts, tables, facts, code, markdown."""

    title: str
    texts: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    figures: list[dict[str, Any]] = field(default_factory=list)
    posts: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, Pairs] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)
    markdown: str = ""

    @property
    def html(self) -> str:
        """The Markdown without its title, a level lower; HTML, links, pictures in it are text."""
        from markdown_it import MarkdownIt
        from markupsafe import Markup

        reader = MarkdownIt("commonmark", {"html": False}).enable("table")
        html = reader.disable(["image", "link", "autolink"]).render(self.markdown)
        html = re.sub(r"<h1>.*?</h1>", "", html, count=1)
        html = re.sub(r"(</?h)2>", r"\g<1>3>", html).replace("<pre>", '<pre tabindex="0">')
        numbers = count(1)
        html = re.sub("<table>", lambda _: TABLE.format(self.title, next(numbers)), html)
        return Markup(html.replace("</table>", "</table></div>"))

    @property
    def is_empty(self) -> bool:
        """Whether it would be no more than a title."""
        parts = (self.texts, self.tables, self.figures, self.posts, self.facts, self.codes)
        return not any(parts) and not self.markdown

    @property
    def id(self) -> str:
        """What a link names."""
        return "-".join(self.title.lower().split())


def embed(folder: Path, name: str, charts: dict[str, Any]) -> dict[str, Any]:
    """A figure: its chart, if there is one, its picture, if there is one, its caption."""
    path = folder / f"{name}.png"
    uri = ""
    if path.exists():
        uri = "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
    chart = charts.get(name)
    return {
        "name": name,
        "uri": uri,
        "caption": name_figure(name),
        "file": f"{folder.name}/{name}.png",
        "chart": chart is not None,
        "tall": chart is not None and chart["height"] > TALL,
    }


def name_figure(name: str) -> str:
    """What stands over a figure."""
    if name in CAPTIONS:
        return CAPTIONS[name]
    for start, words in (
        ("learning_curve_", "Learning curves of"),
        ("importance_", "Importance of feature blocks for"),
        ("columns_", "Most important columns for"),
    ):
        if name.startswith(start):
            return f"{words} {name.removeprefix(start).replace('__', ', ')}"
    return name


def render(content: dict[str, Any], sections: list[Section], charts: dict[str, Any]) -> str:
    """The page's HTML; every value is escaped.

    Args:
        content: data, simulated, counts, lead, cards and explanations.
        sections: its parts.
        charts: name -> Vega-Lite specification.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    folder = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html.j2").render(
        **content,
        sections=sections,
        charts=Markup(write_json(charts)),
        css=Markup((folder / "page.css").read_text(encoding="utf-8")),
        js=Markup((folder / "page.js").read_text(encoding="utf-8")),
        scripts=Markup(scripts.render_scripts()),
    )


def write_json(content: Any) -> str:
    """JSON for a script element: what users wrote cannot end it."""
    text = json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
