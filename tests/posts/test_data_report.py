from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from fame.posts import data_report
from fame.posts.contract import IMAGES
from fame.posts.findings import MASKED, READ, Findings

COUNT = 40


@pytest.fixture
def describe(make_posts):
    """Facts about posts with the given columns, and findings if there are any."""

    def call(findings=None, statuses=None, transform="none", own=None, **columns):
        ids = [f"p{i}" for i in range(COUNT)]
        base = {
            "post_id": ids,
            "split": ["fit"] * 30 + ["holdout"] * 10,
            "fold": [i % 5 for i in range(30)] + [-1] * 10,
            "popularity": [float(i % 9) for i in range(COUNT)],
        }
        posts = make_posts(**(base | columns))
        for name, values in (own or {}).items():
            posts = posts.append_column(name, pa.array(values, pa.float64()))
        rows = [[i, "no_image", None, None, None] for i in ids]
        for row, status in (statuses or {}).items():
            rows[row][1:] = status
        images = pa.table(list(zip(*rows, strict=True)), schema=IMAGES)
        findings = findings or Findings(Path("posts.csv"))
        return data_report.describe(posts, images, findings, transform)

    return call


def test_facts_of_the_least_posts(describe):
    facts = describe()
    assert facts["rows"] == COUNT
    assert facts["split"] == {"fit": 30, "holdout": 10, "challenge": 0}
    assert facts["times"] == {"first": None, "last": None, "unknown": COUNT, "with_zone": 0}
    assert facts["target"]["zeros"] == 5
    assert sum(facts["target"]["histogram"]["counts"]) == COUNT
    assert facts["absent"] == [
        *("titles", "tags", "times", "authors", "categories", "places", "accounts", "profiles"),
        "images",
    ]
    assert "without" in data_report.render(facts)


def test_facts_of_what_posts_have(describe):
    facts = describe(
        user_id=["a"] * 30 + ["b"] * 9 + [None],
        posted_at=[datetime(2022, 1, 1 + i % 28, tzinfo=UTC) for i in range(COUNT)],
        utc_offset_minutes=[60.0] * 3 + [None] * 37,
        title=["hello"] * 20 + ["привет"] * 19 + [None],
        tags=[["x"]] * COUNT,
    )
    assert facts["authors"] == {"count": 2, "most_posts": [30, 9], "unknown": 1}
    assert facts["times"]["with_zone"] == 3
    assert facts["texts"]["scripts"] == {"cyrillic": 19, "latin": 20}
    assert facts["texts"]["duplicates"] == 37
    assert not {"titles", "tags", "times", "authors"} & set(facts["absent"])
    assert facts["columns"]["title"]["missing"] == 0.025


def test_every_finding_is_counted_in_the_page_and_the_lines(describe):
    findings = Findings(Path("posts.csv"))
    findings.note("when", "epoch milliseconds", READ, 40)
    findings.note("a|b", "cells that are no number", MASKED, 3, [(2, "x")])
    facts = describe(findings)
    page = data_report.render(facts)
    assert "- when: epoch milliseconds: 40" in page
    assert "- a\\|b: cells that are no number: 3, left empty (data row 2: 'x')" in page
    lines = data_report.summarise(facts, "table")
    assert "  a|b: cells that are no number: 3, left empty (data row 2: 'x')" in lines
    assert lines.index(
        "  a|b: cells that are no number: 3, left empty (data row 2: 'x')"
    ) < lines.index("  when: epoch milliseconds: 40")


def test_many_findings_are_not_all_printed(describe):
    findings = Findings(Path("posts.csv"))
    for i in range(20):
        findings.note(f"c{i}", "cells that are no number", MASKED, 1)
    lines = data_report.summarise(describe(findings), "table")
    assert lines[-1] == "  findings beyond these, in reports/data.md: 15"
    assert len(lines) <= 12


def test_raw_counts_are_recognised_and_the_transform_is_offered(describe):
    counts = [float(n) for n in np.round(2 ** np.linspace(0, 20, COUNT))]
    facts = describe(popularity=counts)
    assert "log2p1" in data_report.render(facts)
    assert any("log2p1" in line for line in data_report.summarise(facts, "table"))
    facts = describe(popularity=np.log2(np.array(counts) + 1).tolist(), transform="log2p1")
    lines = data_report.summarise(facts, "table")
    assert not any("raw counts" in line for line in lines)
    assert any(line.startswith("  target: 1 to 1,048,576, median") for line in lines)
    page = data_report.render(facts)
    assert "highest 1,048,576" in page
    assert ".. 1,048,576" in page


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 5, 9, 4000], True),
        ([0, 0, 0, 60], True),
        ([0] * 80 + list(range(1, 40, 2)), True),
        ([0] * 80 + list(range(20)), False),
        ([1.5, 5, 9, 4000], False),
        ([-1, 5, 9, 4000], False),
        ([1, 2, 3, 4], False),
        ([80, 90, 85, 99], False),
        ([1, 2], False),
        (np.round(11 * 2 ** np.linspace(0, 5.2, 99)), True),
        (np.round(40 * 2 ** np.linspace(0, 3, 99) ** 0.5), False),
        ([-1, -1, -1, *np.round(2 ** np.linspace(0, 9, 57))], True),
        ([-1, -1, -1, -1, *np.round(2 ** np.linspace(0, 9, 56))], False),
        (np.arange(1000), False),
        (np.arange(101), False),
        (np.tile([1, 2, 3, 4, 5], 20), False),
        (np.arange(120) % 11, False),
        (np.round(np.linspace(0, 16, 200)), False),
    ],
)
def test_what_looks_like_counts(values, expected):
    assert data_report.looks_like_counts(np.array(values, float)) is expected


def test_own_numbers_that_order_the_posts_as_the_target_are_suspected(describe):
    target = [float(i % 9) for i in range(COUNT)]
    own = {
        "own_copy": [np.exp(x) for x in target],
        "own_inverse": [-x for x in target],
        "own_other": [float(i * 7 % 11) for i in range(COUNT)],
        "own_constant": [1.0] * COUNT,
    }
    leaks = describe(own=own)["leaks_suspected"]
    assert [leak["column"] for leak in leaks] == ["copy", "inverse"]
    assert [leak["correlation"] for leak in leaks] == [1.0, -1.0]


def test_images_are_measured_by_their_headers(describe, tmp_path):
    for name, size in (("a.png", (3, 4)), ("b.png", (30, 40))):
        Image.new("RGB", size).save(tmp_path / name)
    (tmp_path / "c.png").write_bytes(b"no image")
    statuses = {
        row: ("located", "", str(tmp_path / name), digest)
        for row, (name, digest) in enumerate(
            [("a.png", "1"), ("b.png", "2"), ("c.png", "3"), ("a.png", "1")]
        )
    } | {9: ("missing", None, None, None)}
    facts = describe(statuses=statuses)
    assert facts["images"]["status"] == {"located": 4, "missing": 1, "no_image": 35}
    assert facts["images"]["duplicates"] == 1
    assert facts["images"]["sample"] == {
        "formats": {"PNG": 3, "not an image": 1},
        "widths": [3, 30],
        "heights": [4, 40],
    }
    assert "images" not in facts["absent"]
    shown = data_report.render(facts)
    assert "1 image repeats another" in shown
    assert "3 to 30 pixels wide, 4 to 40 high" in shown


def test_a_heavy_tail_is_not_far_from_the_others(describe):
    """Of raw counts a third would be; a count far beyond all others is, in logarithms too."""
    counts = [float(round(2 ** (3 + 15 * i / COUNT))) for i in range(COUNT)]
    assert describe(popularity=counts)["target"]["outliers"] == 0
    assert describe(popularity=[*counts[:-1], 1e15])["target"]["outliers"] == 1
    marks = [5.0 + i % 3 for i in range(COUNT - 1)]
    assert describe(popularity=[*marks, 900.0])["target"]["outliers"] == 1
    assert describe(popularity=[-m for m in marks] + [-900.0])["target"]["outliers"] == 1


def test_large_numbers_are_written_out(describe):
    counts = [float(7 + 1_080_352 * i) for i in range(COUNT)]
    facts = describe(popularity=counts, own={"own_followers": counts[::-1]})
    page = data_report.render(facts)
    assert "highest 42,133,735;" in page
    assert "           7 .. 4,213,380 " in page
    assert "7 to 42,133,735 |" in page
    assert "target: 7 to 42,133,735, median" in "\n".join(data_report.summarise(facts, "table"))
