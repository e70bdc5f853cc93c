"""The three libraries as script elements, and DVC's page of plots with them inside.

vega.min.js, vega-lite.min.js and vega-embed.min.js are as their npm packages hold them, under
vega.LICENSE.txt, vega-lite.LICENSE.txt and vega-embed.LICENSE.txt.
`python -m fame.report.vega.scripts` writes `.dvc/plots.html` anew.
"""

from pathlib import Path

from fame.runtime import files

NAMES = ("vega", "vega-lite", "vega-embed")
PLOTS_PAGE = Path(".dvc/plots.html")  # named in .dvc/config: plots.html_template
SOURCE_MAP = "//# sourceMappingURL="  # a file that is not here: a browser's tools would ask for it
TEMPLATE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>FAME plots</title>
<link rel="icon" href="data:,">
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 1rem; overflow-wrap: anywhere; }}
body > div {{ overflow-x: auto; }}
</style>
{refresh}
{scripts}
</head>
<body>
<h1>FAME plots</h1>
{plots}
</body>
</html>
"""


def render_scripts() -> str:
    """Script elements that hold the libraries, in the order in which they need each other."""
    folder, scripts = Path(__file__).parent, []
    for name in NAMES:
        text = files.read_text(folder / f"{name}.min.js")
        lines = [line for line in text.splitlines() if not line.startswith(SOURCE_MAP)]
        scripts.append("<script>" + "\n".join(lines) + "</script>")
    return "\n".join(scripts)


def render_plots_page() -> str:
    """DVC's `plots.html_template`; without its own placeholder for scripts, which are elsewhere."""
    return TEMPLATE.format(refresh="{refresh_tag}", scripts=render_scripts(), plots="{plot_divs}")


if __name__ == "__main__":
    files.write_text(PLOTS_PAGE, render_plots_page())
