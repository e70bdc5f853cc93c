import pytest

from fame.features.backbones.efficientnet import EfficientNet
from fame.features.backbones.image_stats import ImageStats
from fame.features.backbones.minilm import MiniLM
from fame.features.engine import code_version
from fame.features.engine.code_version import digest_code, digest_program, list_shared

PROGRAM = '''
"""A module."""

SIZE = 3


def scale(x):
    """Twice ``x``."""
    return x * 2  # exactly
'''


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("  # exactly", ""),
        ("Twice ``x``.", "Two times ``x``."),
        ('"""A module."""', ""),
        ('    """Twice ``x``."""\n', ""),
        ("return x * 2", "return (x * 2)"),
        ("SIZE = 3\n\n\n", "SIZE = 3\n\n"),
    ],
)
def test_how_a_program_is_written_does_not_count(before, after):
    assert before in PROGRAM
    assert digest_program(PROGRAM.replace(before, after)) == digest_program(PROGRAM)


@pytest.mark.parametrize(
    ("before", "after"), [("SIZE = 3", "SIZE = 4"), ("x * 2", "x * 3"), ("return x", "return -x")]
)
def test_what_a_program_does_counts(before, after):
    assert before in PROGRAM
    assert digest_program(PROGRAM.replace(before, after)) != digest_program(PROGRAM)


def test_what_is_shared_counts_with_all_that_it_imports():
    shared = "fame.features.backbones.shared."
    found = list_shared("fame.features.backbones.vilt")
    # The kernels are imported as a module, inside a function.
    names = ("checkpoint_backbone", "checkpoints", "encoder", "kernels")
    assert {f"{shared}{name}" for name in names} <= set(found)
    assert list_shared("fame.features.backbones.image_stats") == []


def test_how_images_are_decoded_and_resized_counts_for_those_that_see_any(monkeypatch):
    read = code_version._read
    before = [digest_code(kind) for kind in (EfficientNet, MiniLM)]
    for name in ("images", "resampling", "gpu_decoding", "gpu_resampling"):

        def change(module, name=name):
            return read(module) + "\nCHANGED = 1" * (module == f"fame.features.{name}")

        monkeypatch.setattr(code_version, "_read", change)
        after = [digest_code(kind) for kind in (EfficientNet, MiniLM)]
        assert [a == b for a, b in zip(after, before, strict=True)] == [False, True]


def test_each_backbone_has_its_own():
    kinds = (EfficientNet, ImageStats, MiniLM)
    assert len({digest_code(kind) for kind in kinds}) == len(kinds)
    assert digest_code(MiniLM) == digest_code(MiniLM)
