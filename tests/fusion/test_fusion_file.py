import pytest

from fame.fusion import fusion_file
from fame.runtime.errors import InputError

CONTENT = {"weights": {"new": {"a": 0.25, "b": 0.75}}, "lines": {"new": (0.0, 1.0)}}


def test_it_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "fusion.json"
    fusion_file.write(path, CONTENT)
    assert fusion_file.read(path) == CONTENT | {"lines": {"new": [0.0, 1.0]}}


@pytest.mark.parametrize(
    ("found", "changed"), [("0.25", "0.26"), ('"a"', '"c"'), ('"digest"', '"x"')]
)
def test_what_was_changed_is_refused(tmp_path, found, changed):
    path = tmp_path / "fusion.json"
    fusion_file.write(path, CONTENT)
    path.write_text(path.read_text().replace(found, changed))
    with pytest.raises(InputError, match=r"fusion\.json: not the file that was saved"):
        fusion_file.read(path)


def test_scores_of_a_holdout_are_the_fusions_and_what_stands_beside_them():
    record = {"median": {"src": 0.0}, "interval_80": {"coverage": 0.8}, "posts": 12}
    found = fusion_file.list_scores({"fame": {"src": 0.5}, "dae": {"src": 0.4}}, record)
    assert found == {
        "fame": {"src": 0.5},
        "median": {"src": 0.0},
        "interval_80": {"coverage": 0.8},
    }
