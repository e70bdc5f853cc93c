import pytest

from fame.features.backbones.efficientnet import EfficientNet
from fame.features.backbones.image_stats import ImageStats
from fame.features.backbones.minilm import MiniLM
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
    found = list_shared(f"from {shared}checkpoint_backbone import CheckpointBackbone")
    assert {f"{shared}{name}" for name in ("checkpoint_backbone", "checkpoints")} <= set(found)
    assert list_shared("import numpy") == []


def test_each_backbone_has_its_own():
    kinds = (EfficientNet, ImageStats, MiniLM)
    assert len({digest_code(kind) for kind in kinds}) == len(kinds)
    assert digest_code(MiniLM) == digest_code(MiniLM)
