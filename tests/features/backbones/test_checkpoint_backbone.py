"""The recipe of docs/extending.md: a checkpoint backbone in sixty lines."""

import importlib.util
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from ruamel.yaml import YAML
from tests.features.backbones.small_checkpoints import make_bert, save_checkpoint

from fame.features.engine import block, embed
from fame.params import RuntimeParams
from fame.runtime.errors import InputError

RECIPE = Path(__file__).parents[3] / "docs" / "extending.md"
TEXTS = ["sunset", "a dog on the beach in winter", "word " * 90, "red bridge", None, "\x00"]


def find_blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", RECIPE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def program():
    [program] = find_blocks("python")
    return program


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bert") / "checkpoint"
    save_checkpoint(make_bert(), folder)
    return folder


@pytest.fixture(scope="module")
def kind(program, tmp_path_factory):
    """The recipe's class."""
    path = tmp_path_factory.mktemp("recipe") / "bert_of_the_recipe.py"
    path.write_text(program)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    sys.modules[path.stem] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module.Bert
    del sys.modules[path.stem]


@pytest.fixture
def make(kind, folder, tmp_path):
    """The class, made from the recipe's entry and changes to it."""
    [entry] = find_blocks("yaml")
    settings = YAML(typ="safe").load(entry)["backbones"]["bert"]
    runtime = RuntimeParams(
        device="cpu", workers=1, cache=str(tmp_path / "cache"), engine="local", ray_address=None
    )

    def call(**changes):
        chosen = settings | {"checkpoint": str(folder)} | changes
        return kind(kind.Params.model_validate(chosen), runtime), runtime

    return call


def compute_alone(folder, text, pooling):
    from transformers import AutoTokenizer, BertModel

    tokens = AutoTokenizer.from_pretrained(folder)(
        text, truncation=True, max_length=64, return_tensors="pt"
    )
    with torch.inference_mode():
        hidden = BertModel.from_pretrained(folder).eval()(**tokens).last_hidden_state[0]
    return (hidden[0] if pooling == "cls" else hidden.mean(0)).numpy()


def test_the_recipe_has_sixty_lines(program):
    assert len(program.splitlines()) <= 60


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_the_recipe_gives_the_vectors_of_transformers(make, folder, tmp_path, pooling):
    backbone, runtime = make(pooling=pooling)
    ids = [str(i) for i in range(len(TEXTS))]
    tags = pa.array([[]] * len(TEXTS), pa.list_(pa.string()))
    table = pa.table({"post_id": ids, "title": TEXTS, "tags": tags})
    with embed.open_cache(backbone, runtime) as cache:
        features = embed.embed(backbone, table, cache, runtime)
        made = block.publish(backbone, table, features, tmp_path)
    width = len(backbone.columns()["title"])
    for text, vector in zip(TEXTS, made.values[:, :width], strict=True):
        if text and text.isprintable():
            expected = compute_alone(folder, text, pooling)
            assert np.linalg.norm(vector - expected) < 1e-4 * np.linalg.norm(expected)
        else:
            assert np.isnan(vector).all()
    assert np.isnan(made.values[:, width:]).all()


def test_what_is_chosen_is_in_the_fingerprint_and_where_it_lies_is_not(make):
    backbone, _ = make()
    assert backbone.fingerprint().keys() == {
        "revision",
        "sha256",
        "pooling",
        "max_text_tokens",
        "dtype",
    }
    assert make(pooling="mean")[0].fingerprint() != backbone.fingerprint()


def test_texts_only_need_no_image(make):
    backbone, _ = make()
    with pytest.raises(NotImplementedError):
        backbone.planner()
    with pytest.raises(InputError, match=r"^params.yaml: max_text_tokens .* found 600.*3 to 512$"):
        make(max_text_tokens=600)[0].fingerprint()


def copy_changed(folder, target, **changes):
    shutil.copytree(folder, target)
    config = json.loads((target / "config.json").read_text())
    (target / "config.json").write_text(json.dumps(config | changes))
    return str(target)


def test_a_configuration_that_makes_no_model_is_refused(make, folder, tmp_path):
    changed = copy_changed(folder, tmp_path / "bad", max_position_embeddings="512")
    found = (
        r"^checkpoint \S+: max_position_embeddings is '512'; allowed here: a whole number above 0$"
    )
    for call in ("fingerprint", "load"):
        with pytest.raises(InputError, match=found):
            getattr(make(checkpoint=changed)[0], call)()
    changed = copy_changed(folder, tmp_path / "other", hidden_act="relu")
    found = r"^checkpoint \S+: its activation is 'relu'; allowed here: 'gelu', 'quick_gelu'$"
    with pytest.raises(InputError, match=found):
        make(checkpoint=changed)[0].load()
    (Path(changed) / "config.json").write_text("[]")
    with pytest.raises(InputError, match=r"config\.json: holds no JSON object$"):
        make(checkpoint=changed)[0].fingerprint()


def test_a_checkpoint_that_is_not_what_its_configuration_says_is_refused(make, folder, tmp_path):
    deeper = copy_changed(folder, tmp_path / "deeper", num_hidden_layers=4)
    with pytest.raises(InputError, match=r"holds 53 of the 69 weights under 'bert\.' or '' that"):
        make(checkpoint=deeper)[0].load()
    wider = copy_changed(folder, tmp_path / "wider", intermediate_size=128)
    with pytest.raises(
        InputError,
        match=r"does not fit its config.json: size mismatch for encoder\.layer\.0\.inter",
    ):
        make(checkpoint=wider)[0].load()


def test_a_checkpoint_without_a_usable_tokenizer_is_refused(make, folder, tmp_path):
    changed = Path(copy_changed(folder, tmp_path / "mute"))
    (changed / "tokenizer.json").write_text("{")
    with pytest.raises(InputError, match=r"^checkpoint \S+mute: no usable tokenizer: "):
        make(checkpoint=str(changed))[0].load()
    (changed / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"^checkpoint \S+mute: has none of tokenizer\.json, voc"):
        make(checkpoint=str(changed))[0].load()
