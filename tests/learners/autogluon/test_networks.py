import json
import shutil
from contextlib import chdir
from dataclasses import replace
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile
from tests.python_process import run_python

from fame.learners.autogluon.frames import open_frame
from fame.learners.autogluon.kinds import plan
from fame.learners.autogluon.networks import find_checkpoint, find_image_checkpoint, place_images
from fame.posts.contract import LOCATED, NO_IMAGE
from fame.runtime.devices import import_torchvision
from fame.runtime.errors import InputError

ROWS, FIT_ROWS = 60, 40


@pytest.fixture(scope="session")
def network(tmp_path_factory):
    """A folder with timm's smallest network, of random weights."""
    import_torchvision()
    import timm
    import torch
    from timm.models._hub import save_for_hf

    folder = tmp_path_factory.mktemp("network")
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(1)
        model = timm.create_model("lcnet_035", pretrained=False, num_classes=7)
        for module in model.modules():  # one batch sets the norms: else its output is near 0
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0
        model.train()(torch.rand(32, 3, 32, 32))
    save_for_hf(model, folder, safe_serialization=True)
    config = json.loads((folder / "config.json").read_text())
    config["pretrained_cfg"]["input_size"] = [3, 32, 32]
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="session")
def pictures(tables, tmp_path_factory):
    """The first rows of the learners' table with an image each, but for two."""
    table, _ = tables()
    rows = np.r_[:FIT_ROWS, -(ROWS - FIT_ROWS) : 0]
    folder = tmp_path_factory.mktemp("pictures")
    members = [draw(folder / f"{i};{i}.jpg", i) for i in range(ROWS)]
    Path(members[1]).write_bytes(Path(members[1]).read_bytes()[:300])
    status = np.array([NO_IMAGE] + [LOCATED] * (ROWS - 1), dtype=object)
    number = np.arange(ROWS)
    fold = np.where(number < FIT_ROWS, number % 2, -1).astype(np.int8)  # two, to be quick
    return replace(
        table.take(rows),
        fold=fold,
        images={
            "status": status,
            "container": np.array([None] + [""] * (ROWS - 1), dtype=object),
            "member": np.array([None, *members[1:]], dtype=object),
        },
    )


def draw(path, seed):
    """Stripes on a ground, in two colours of its own."""
    ground, stripe = np.random.default_rng(seed).integers(0, 256, (2, 3), dtype=np.uint8)
    pixels = np.tile(ground, (40, 48, 1))
    pixels[:: 2 + seed % 5] = stripe
    Image.fromarray(pixels).save(path, "JPEG")
    return str(path)


@pytest.fixture(scope="session")
def build(network, learners):
    def make():
        multimodal = {"image_checkpoint": str(network), "epochs": 1}
        return learners("autogluon", multimodal=multimodal, **QUICK)

    return make


QUICK = {"catboost": {"iterations": 5}, "lightgbm": {"num_boost_round": 5}}


@pytest.fixture(scope="session")
def fitted_with_images(build, pictures):
    return cache(lambda: build().fit(pictures))


@pytest.mark.slow
def test_the_multimodal_model_sees_the_images(fitted_with_images, pictures):
    learner = fitted_with_images()
    trainer, record = learner.trainer, learner.trainer.record()
    assert {row["model"] for row in record["leaderboard"]} >= set(plan(trainer.params))
    assert record["without_image"] == 2
    others = np.arange(FIT_ROWS, ROWS)
    turned = {name: values.copy() for name, values in pictures.images.items()}
    turned["member"][others] = pictures.images["member"][others[::-1]]

    def predict(table):
        frames = open_frame(table, others, trainer.params)
        with frames as (frame, _), chdir(trainer._folder.name):  # all models, not just the saved
            return trainer._predictor.predict(frame, model="MultiModal_BAG_L1").to_numpy()

    before = predict(pictures)
    np.testing.assert_array_equal(before, predict(pictures))
    assert not np.allclose(before, predict(replace(pictures, images=turned)), rtol=1e-3)


@pytest.mark.slow
def test_with_images_too_a_fit_is_the_same_bytes_and_loads(fitted_with_images, build, pictures):
    learner, again = fitted_with_images(), build().fit(pictures)
    assert again.read() == learner.read()
    np.testing.assert_array_equal(again.predict(pictures), learner.predict(pictures))


def test_an_image_that_cannot_be_read_is_no_file(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # as AutoGluon sets it
    paths, unread = place_images(pictures.images, np.arange(4), tmp_path)
    assert unread == 2
    assert [Path(path).is_file() for path in paths] == [False, False, True, True]
    assert Path(paths[3]).read_bytes() == Path(pictures.images["member"][3]).read_bytes()
    assert ImageFile.LOAD_TRUNCATED_IMAGES


def test_an_image_of_an_archive_is_copied(tmp_path):
    content = BytesIO()
    Image.new("RGB", (8, 8), "red").save(content, "JPEG")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_bytes(content.getvalue())
    archive = shutil.make_archive(str(tmp_path / "images"), "zip", tmp_path / "images")
    row = {"status": LOCATED, "container": archive, "member": "a.jpg"}
    images = {name: np.array([value], dtype=object) for name, value in row.items()}
    (path,), unread = place_images(images, np.array([0]), tmp_path)
    assert unread == 0
    assert Path(path).read_bytes() == content.getvalue()


def test_images_that_the_table_lacks_are_asked_for_before_training(build, pictures):
    with pytest.raises(InputError, match="image_checkpoint; add images to the blocks"):
        build().fit(replace(pictures, images={}))


def test_images_none_of_which_can_be_read_are_refused(build, pictures):
    none = {name: np.full(ROWS, None) for name in pictures.images}
    none["status"][:] = NO_IMAGE
    with pytest.raises(InputError, match="no training post has a readable image"):
        build().fit(replace(pictures, images=none))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: shutil.rmtree(folder), "is neither a folder nor a model's id"),
        (
            lambda folder: (folder / "model.safetensors").unlink(),
            r"is no timm folder: it needs config\.json and model\.safetensors",
        ),
        (
            lambda folder: (folder / "model.safetensors").write_bytes(b"no weights"),
            "timm cannot build its network",
        ),
        (lambda folder: edit(folder, architecture="lcnet_050"), "timm cannot build its network"),
        (lambda folder: edit(folder, num_features=None), r"config\.json: no key 'num_features'"),
    ],
)
def test_a_wrong_image_checkpoint_is_one_sentence(
    network, learners, tmp_path, monkeypatch, damage, message
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    folder = tmp_path / "network"
    shutil.copytree(network, folder)
    damage(folder)
    trainer = learners("autogluon", multimodal={"image_checkpoint": str(folder)}).trainer
    with pytest.raises(InputError, match=message):
        find_image_checkpoint(trainer.params.multimodal)


def edit(folder, **changes):
    config = json.loads((folder / "config.json").read_text()) | changes
    config = {key: value for key, value in config.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.slow
def test_a_stack_whose_image_network_is_gone_is_refused(fitted_with_images, learners, tmp_path):
    gone = {"image_checkpoint": str(tmp_path / "gone"), "epochs": 1}
    with pytest.raises(InputError, match="gone' is neither a folder nor a model's id"):
        learners("autogluon", multimodal=gone, **QUICK).model.load(fitted_with_images().folder)


@pytest.mark.parametrize(
    ("checkpoint", "message"),
    [
        ("no/such/folder", "'no/such/folder' is neither a folder nor a model's id"),
        ("owner/name", "owner/name at revision 'main' is not in the cache and the hub cannot be"),
        ("{empty}", r"has no config\.json, so it is no checkpoint of transformers"),
    ],
)
def test_a_wrong_checkpoint_is_one_sentence(learners, tmp_path, monkeypatch, checkpoint, message):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    path = checkpoint.format(empty=tmp_path)
    trainer = learners("autogluon", multimodal={"checkpoint": path}).trainer
    with pytest.raises(InputError, match=message):
        find_checkpoint(trainer.params.multimodal)


def test_the_packaged_checkpoint_is_found(learners):
    trainer = learners("autogluon", multimodal={"checkpoint": "minilm"}).trainer
    assert (Path(find_checkpoint(trainer.params.multimodal)) / "model.safetensors").is_file()


def test_a_stack_without_a_network_imports_no_library_of_networks():
    code = (
        "import sys\n"
        "from fame.learners.autogluon.networks import import_autogluon\n"
        "import_autogluon(networks=False)\n"
        "print({'lightning', 'transformers', 'autogluon.multimodal'} & sys.modules.keys())"
    )
    assert run_python(code) == "set()\n"
