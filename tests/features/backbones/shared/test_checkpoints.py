"""Checkpoints from folders and from a hub: a server of this file's that speaks its protocol."""

import json
import os
import subprocess
import sys
import threading
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from safetensors.torch import load_file, save_file

from fame.features.backbones.shared.checkpoints import convert, find_checkpoint
from fame.features.backbones.shared.tokenizing import ADDED, SETTINGS, VOCABULARIES
from fame.runtime.errors import InputError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {"config.json": b'{"model_type": "vilt"}', "model.safetensors": None}
FIND = """
import sys
from fame.features.backbones.shared.checkpoints import find_checkpoint
from fame.runtime.errors import InputError
try:
    found = find_checkpoint(*sys.argv[1:], "params.yaml: checkpoint of the vilt backbone")
    print(found.revision, sorted(found.note()["sha256"]))
except InputError as error:
    print(error)
"""


class Hub(BaseHTTPRequestHandler):
    """The model owner/right; owner/gated and owner/pickled; every other name is not there."""

    def do_HEAD(self):
        self.answer(with_body=False)

    def do_GET(self):
        self.answer(with_body=True)

    def answer(self, with_body):
        name, _, rest = self.path.removeprefix("/api/models/").lstrip("/").partition("/revision/")
        if self.path.startswith("/api/"):
            name = "/".join(name.split("/")[:2])
            self.describe(name, rest.split("?")[0])
        else:
            self.send(200, self.content(self.path.rsplit("/", 1)[1]), with_body)

    def describe(self, name, revision):
        if name == "owner/gated":
            self.send(403, b"", error="GatedRepo")
        elif name not in ("owner/right", "owner/pickled"):
            self.send(404, b"", error="RepoNotFound")
        elif revision and revision not in ("main", COMMIT):
            self.send(404, b"", error="RevisionNotFound")
        else:
            files = list(FILES) if name == "owner/right" else ["config.json", "pytorch_model.bin"]
            info = {"id": name, "modelId": name, "sha": COMMIT, "private": False, "tags": []}
            entries = [
                {"type": "file", "path": f, "size": len(self.content(f)), "oid": "0" * 40}
                for f in files
            ]
            if "/tree/" in self.path:
                self.send(200, json.dumps(entries).encode())
            else:
                siblings = [{"rfilename": f} for f in files]
                self.send(200, json.dumps(info | {"siblings": siblings}).encode())

    def content(self, file):
        return self.server.weights if file == "model.safetensors" else FILES["config.json"]

    def send(self, code, body, with_body=True, error=None):
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{sha1(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        if error:
            self.send_header("X-Error-Code", error)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    weights = tmp_path_factory.mktemp("weights") / "model.safetensors"
    save_file({"weight": torch.ones(2)}, weights)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.weights = weights.read_bytes()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("hub")


@pytest.fixture
def find(hub, cache):
    """What a process finds; offline, its hub is not there."""

    def call(name, revision="main", offline=False, home=cache):
        environment = {"HF_HOME": str(home), "HF_ENDPOINT": hub, "HF_HUB_DISABLE_XET": "1"}
        environment |= {"HF_HUB_OFFLINE": "1"} if offline else {}
        done = subprocess.run(
            [sys.executable, "-c", FIND, name, revision],
            env={k: v for k, v in os.environ.items() if not k.startswith("HF_")} | environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=100,
        )
        return done.stdout.strip()

    return call


def test_a_model_of_the_hub_is_found_and_its_commit_recorded_offline_too(find):
    found = f"{COMMIT} ['config.json', 'model.safetensors']"
    assert find("owner/right") == found
    assert find("owner/right", offline=True) == found
    assert find("owner/right", COMMIT, offline=True) == found


@pytest.mark.parametrize(
    ("name", "revision", "cure"),
    [
        ("owner/wrong", "main", "the hub has no model owner/wrong, or it is private: correct"),
        ("owner/gated", "main", "is gated; accept its terms at https://huggingface.co/owner/gated"),
        ("owner/right", "v9", "has no revision 'v9'; allowed: a branch, tag or commit"),
        (
            "owner/pickled",
            "main",
            "convert it by `python -m fame.features.backbones.shared.checkpoints owner/pick",
        ),
        ("a//b", "main", "'a//b' is neither a folder nor a model's id"),
    ],
)
def test_what_cannot_be_had_is_one_sentence_with_the_cure(find, name, revision, cure):
    found = find(name, revision)
    assert found.startswith("params.yaml: checkpoint of the vilt backbone: ")
    assert cure in found
    assert "\n" not in found


def test_offline_without_the_model_names_the_way_to_get_it(find, tmp_path):
    found = find("owner/right", offline=True, home=tmp_path)
    assert "run `hf download owner/right --revision main --local-dir FOLDER`" in found


def write_pickled(folder, weights):
    folder.mkdir()
    (folder / "config.json").write_bytes(FILES["config.json"])
    torch.save(weights, folder / "pytorch_model.bin")
    return folder


def test_a_pickled_folder_is_refused_and_can_be_converted(tmp_path):
    shared = torch.randn(3, 2)
    weights = {"a": shared, "b": shared.T}
    folder = write_pickled(tmp_path / "pickled", weights)
    with pytest.raises(InputError, match=r"pickled weights \(\*\.bin\) are not opened; convert it"):
        find_checkpoint(str(folder), "main", "key")
    convert(str(folder), "main", tmp_path / "converted")
    found = find_checkpoint(str(tmp_path / "converted"), "main", "key")
    assert found.revision is None
    again = load_file(tmp_path / "converted" / "pytorch_model.safetensors")
    assert all(torch.equal(again[name], value) for name, value in weights.items())
    with pytest.raises(InputError, match="converted: exists; name a folder that does not"):
        convert(str(folder), "main", tmp_path / "converted")


def test_all_that_makes_tokens_is_kept_and_counts(tmp_path):
    folder = write_pickled(tmp_path / "pickled", {"a": torch.ones(1)})
    names = {SETTINGS, "special_tokens_map.json", ADDED, *VOCABULARIES}
    for name in names:
        (folder / name).write_text("{}")
    convert(str(folder), "main", tmp_path / "converted")
    found = find_checkpoint(str(tmp_path / "converted"), "main", "key")
    assert names <= found.fingerprint()["sha256"].keys()


class Evil:
    def __reduce__(self):
        return os.mkdir, ("hacked",)


def test_converting_runs_no_code_of_a_pickle(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_pickled(tmp_path / "evil", {"a": Evil()})
    with pytest.raises(InputError, match="not opened, not only tensors"):
        convert("evil", "main", tmp_path / "converted")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil"]


def test_a_folder_that_is_no_checkpoint_is_refused(tmp_path):
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(InputError, match=r"has no config.json"):
        find_checkpoint(str(tmp_path), "main", "key")
