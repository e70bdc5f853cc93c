"""A backbone loads without the libraries whose import takes seconds."""

import json

from tests.python_process import run_python

LOAD = """
import json, sys
import numpy as np
from fame.features.backbones.contract import Item
from fame.params import RuntimeParams
from fame.registry import BACKBONES, resolve

runtime = RuntimeParams(device="cpu", workers=1, cache="x", engine="local", ray_address=None)
found = {}
for entry in json.loads(sys.stdin.read()):
    cls = resolve(BACKBONES, entry["kind"], "test")
    backbone = cls(cls.Params.model_validate(entry), runtime)
    backbone.load()
    for kind in {shown.kind: 0 for shown in backbone.passes}:
        image = np.zeros((64, 64, 3), dtype=np.uint8) if kind in ("image", "joint") else None
        tokens = backbone.tokenize(["a dog"])[0] if kind in ("text", "joint") else None
        backbone.run(kind, [Item(tokens, image)])
    heavy = ("transformers", "torchvision", "torch._dynamo", "accelerate", "scipy", "sympy")
    found[entry["kind"]] = sorted(set(heavy) & sys.modules.keys())
print(json.dumps(found))
"""


def test_neither_transformers_nor_torchvision_nor_torchs_compiler_is_imported(checkpoints):
    common = {"reads": "contents", "revision": "main", "dtype": "float32", "decode": "exact"}
    common |= {"image_size": 64, "max_text_tokens": 40}
    own = {"vilt": {"pooling": "mean"}, "blip": {"pooling": "cls"}, "clip": {"projection": True}}
    entries = [
        {"kind": kind, "checkpoint": str(checkpoints[kind]), **common, **changes}
        for kind, changes in own.items()
    ]
    entries += [{"kind": "minilm", "reads": "texts", "max_tokens": 64, "dtype": "float32"}]
    found = run_python(LOAD, input=json.dumps(entries), timeout=120)
    assert json.loads(found) == {kind: [] for kind in (*own, "minilm")}
