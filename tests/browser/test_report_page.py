"""The report in a real browser, phone and desk, light and dark."""

import pytest

from tests.browser.conftest import WIDTHS
from tests.report.test_report import DATA, report

__all__ = ["report"]  # the fixture

LONG = DATA | {"posts_digest": "0123456789abcdef" * 8}


@pytest.fixture
def page(report, tmp_path, browser):
    report(data=LONG)

    def open_page(width, dark=False):
        browser.open((tmp_path / "report.html").as_uri(), width, dark)
        browser.wait("return document.documentElement.dataset.ready === 'yes'")
        return browser

    return open_page


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_figure_is_drawn_in_the_width_that_there_is(page, width, dark):
    browser = page(width, dark)
    assert browser.list_requests() == []
    assert browser.list_complaints() == []
    assert browser.find_overflow() == []
    assert browser.find_violations() == {}
    sizes = browser.run(
        "return [...document.querySelectorAll('[data-chart]')].map((x) => [x.dataset.chart,"
        " x.querySelectorAll('svg [aria-hidden], svg .mark-group path, svg .role-mark *').length,"
        " x.querySelector('svg').clientWidth])"
    )
    assert len(sizes) > 12
    assert [name for name, marks, drawn in sizes if not marks or not 100 < drawn <= width] == []


def test_dark_and_light_are_different_colours_of_the_same_page(page):
    colours = []
    for dark in (False, True):
        browser = page(1280, dark)
        script = "return getComputedStyle(document.querySelector('svg text')).fill"
        colours.append(browser.run(script))
    assert colours[0] != colours[1]


def test_posts_are_filtered_and_sorted(page):
    browser = page(1280)
    shown = "return [...document.querySelectorAll('#posts-table tbody tr')]"
    shown += ".filter((row) => !row.hidden)"
    assert browser.run(f"{shown}.length") == 4
    browser.run(
        "const words = document.getElementById('posts-words'); words.value = '旅行';"
        "words.dispatchEvent(new Event('input'));"
    )
    assert browser.run(f"{shown}.map((row) => row.cells[4].textContent)") == ["5.000"]
    browser.run(
        "const words = document.getElementById('posts-words'); words.value = '';"
        "words.dispatchEvent(new Event('input'));"
        "document.querySelectorAll('#posts-table th button')[3].click();"
    )
    labels = ["1.000", "3.000", "5.000", "7.000"]
    assert browser.run(f"{shown}.map((row) => row.cells[4].textContent)") == labels


def test_the_rows_behind_a_figure_come_when_they_are_asked_for(page):
    browser = page(390)
    assert browser.run("return document.querySelectorAll('[data-rows] td').length") == 0
    browser.run(
        "document.querySelector('[data-rows=predicted_true]').closest('details').open = true"
    )
    browser.wait("return document.querySelectorAll('[data-rows=predicted_true] tr').length === 5")
    assert browser.find_overflow() == []
