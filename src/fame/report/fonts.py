"""Fonts for what users write: Latin and Greek first, then Chinese, emoji and other scripts.

Two packages bring them, so that a figure is the same on a machine without any font of its own.
"""

import logging
from functools import cache
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("manimgx_fonts_cjk", "manimgx_fonts")
FIRST = "DejaVu Sans"  # matplotlib's own


@cache
def list_families() -> list[str]:
    """Families in the order in which a glyph is looked for; registers them once a process."""
    from matplotlib import font_manager

    # It tells of each family that has no "normal" weight; a thin one is as readable.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    families = [FIRST]
    for package in PACKAGES:
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            continue
        for path in sorted(Path(spec.origin).parent.glob("*.tt[cf]")):
            if "Italic" not in path.name:
                font_manager.fontManager.addfont(path)
                families.append(font_manager.fontManager.ttflist[-1].name)
    return families
