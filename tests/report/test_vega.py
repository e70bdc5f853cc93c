import configparser
from pathlib import Path

from dvc_render.html import HTML

from fame.report.vega import scripts

ROOT = Path(__file__).parents[2]


def test_the_page_that_dvc_fills_holds_the_libraries():
    page = (ROOT / scripts.PLOTS_PAGE).read_text()
    assert page == scripts.render_plots_page(), "run `python -m fame.report.vega.scripts`"
    config = configparser.ConfigParser()
    config.read(ROOT / ".dvc/config")
    # DVC looks for it in .dvc.
    assert Path(".dvc") / config["plots"]["html_template"] == scripts.PLOTS_PAGE


def test_a_filled_page_loads_nothing():
    page = (ROOT / scripts.PLOTS_PAGE).read_text()
    cdn = '<script src="https://cdn.jsdelivr.net/npm/vega@5"></script>'
    filled = HTML(page).with_scripts(cdn).with_element("<div>a plot</div>").embed()
    assert "<div>a plot</div>" in filled
    assert "cdn.jsdelivr" not in filled
    assert "sourceMappingURL" not in filled
    assert filled.count("</script>") == 3


def test_each_library_comes_with_its_licence():
    folder = Path(scripts.__file__).parent
    for name in scripts.NAMES:
        assert "Redistribution and use" in (folder / f"{name}.LICENSE.txt").read_text()
