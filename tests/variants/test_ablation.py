from pathlib import Path

import pytest
from ruamel.yaml import YAML

from fame.report import published_results
from fame.runtime.errors import InputError
from fame.variants import ablation

ROOT = Path(__file__).parents[2]


@pytest.fixture
def content():
    return YAML(typ="safe").load((ROOT / "params.yaml").read_text())


@pytest.fixture
def entries():
    return ablation.load(ROOT / "profiles" / "ablation.yaml")


def test_the_cells_are_those_of_the_papers_table(content, entries):
    cells = ablation.add_entries(content, entries)
    published_cells = {
        (row, learner) for row, cells in published_results.FEATURE_SETS.items() for learner in cells
    }
    assert {(cell["row"], cell["learner"]) for cell in cells} == published_cells


def test_a_cell_is_its_learner_with_another_table(content, entries):
    base = dict(content["learners"]["catboost"])
    ablation.add_entries(content, entries)
    cell = content["learners"]["catboost_on_meta_vilt"]
    assert cell == base | {"table": "meta_vilt"}
    assert content["learners"]["catboost"] == base


def test_what_is_trained_already_is_not_trained_again(content, entries):
    content["learners"]["dae"]["table"] = "text_image"
    content["tables"]["text_image"]["blocks"] = ["minilm", "efficientnet"]
    content["tables"]["trees"]["blocks"] = ["meta", "glove", "image_stats"]
    content["tables"]["trees"]["blocks"] += ["minilm", "efficientnet"]
    cells = ablation.add_entries(content, entries)
    entry = {(cell["row"], cell["learner"]): cell["entry"] for cell in cells}
    assert entry["meta_glove_image_stats_blip", "catboost"] == "catboost"
    assert entry["blip", "dae"] == "dae"
    assert "catboost_on_meta_glove_image_stats_blip" not in content["learners"]


def test_others_stand_in_only_for_backbones_that_are_not_there(content, entries):
    backbones = content["backbones"]
    stand_ins = entries.stand_ins
    blocks = ["meta", "vilt"]
    assert ablation.find_blocks(blocks, backbones, stand_ins) == ["meta", "minilm"]
    assert ablation.find_blocks(blocks, backbones | {"vilt": {}}, stand_ins) == blocks
    assert ablation.find_blocks(blocks, {}, stand_ins) is None


def test_a_row_that_nothing_can_make_has_no_cells(content, entries, capsys):
    """The paper's profile has neither ViLT nor MiniLM in its place; BLIP it has."""
    del content["backbones"]["minilm"]
    content["backbones"] |= {"blip": {}}
    ablation.say_what_is_left_out(entries, content)
    said = capsys.readouterr().out
    assert "of vilt, meta_vilt: without those rows" in said
    assert "make profile PROFILE=vilt" in said
    rows = {cell["row"] for cell in ablation.add_entries(content, entries)}
    assert rows == set(entries.tables) - {"vilt", "meta_vilt"}
    content["backbones"] |= {"vilt": {}}
    ablation.say_what_is_left_out(entries, content)
    assert capsys.readouterr().out == ""


def test_a_learner_that_was_deleted_has_no_cells(content, entries):
    del content["learners"]["lightgbm"]
    cells = ablation.add_entries(content, entries)
    assert {cell["learner"] for cell in cells} == {"catboost", "dae"}
    for name in ("catboost", "dae"):
        del content["learners"][name]
    with pytest.raises(InputError, match=r"learners: none of dae, lightgbm, catboost"):
        ablation.add_entries(content, entries)
