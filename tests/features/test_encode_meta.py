import pytest

from fame import params
from fame.features import block_files
from fame.features.meta import Meta
from fame.posts.contract import DESCRIPTIONS
from fame.runtime import files


@pytest.fixture
def encode(run_stage, tmp_path, make_posts, write_params):
    def call(posts, **groups):
        posts = {"post_id": ["1", "2"], "split": ["fit", "holdout"], "fold": [0, -1]} | posts
        write_params(**{f"meta.{name}": on for name, on in groups.items()})
        files.write_table(tmp_path / "posts.parquet", make_posts(**posts))
        files.write_batches(tmp_path / "descriptions.arrow", DESCRIPTIONS, [])
        paths = ["--posts", "posts.parquet", "--descriptions", "descriptions.arrow"]
        run_stage("features.encode_meta", *paths, "--output", "meta", "--encoder", "encoder")
        return block_files.read_block(tmp_path / "meta")

    return call


def test_groups_are_switched_by_parameters(encode):
    groups = {"time": False, "geo": False, "user": False, "profile": False, "own": False}
    block = encode({"category": ["a", "b"], "title": ["one", None]}, **groups)
    names = [column.name for column in block.columns]
    assert names[:4] == ["category", "subcategory", "concept", "post_title_characters"]
    assert all(name.startswith("post_") for name in names[3:])
    assert block.notes["vocabularies"]["category"] == ["a"]


def test_totals_crawled_after_the_labels_are_said(encode, capsys):
    encode({"profile_followers": [5.0, None]})
    assert "crawled after the labels: profile" in capsys.readouterr().out
    encode({"profile_followers": [None, None]})
    assert "crawled after the labels: profile" not in capsys.readouterr().out


def test_descriptions_of_no_post_are_missing(encode):
    block = encode({}, description=True)
    described = [column.name for column in block.columns if "description" in column.name]
    assert len(described) == 799


def test_what_was_fitted_is_saved_beside_the_block(encode, tmp_path):
    block = encode({"category": ["a", "b"], "subcategory": ["c", None]})
    encoder = Meta(params.load(tmp_path / "params.yaml").meta)
    encoder.load(tmp_path / "encoder")
    again = encoder.transform(files.read_table(tmp_path / "posts.parquet"))
    assert again.values.tobytes() == block.values.tobytes()
    assert (again.columns, again.notes) == (block.columns, block.notes)
    before = read(tmp_path / "encoder")
    encode({"category": ["a", "z"], "subcategory": ["c", "y"]})
    assert read(tmp_path / "encoder") == before  # of the training posts alone


def read(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}
