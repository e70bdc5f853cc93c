"""Exit 1 unless this run's results are the committed ones and the README's tables are theirs.

One machine gives the same bytes. Between machines the vector units differ in the last bits, early
stopping then ends elsewhere, and scores move a little: that is the tolerance. Counts are exact.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from fame.fusion import results

SCORE_TOLERANCE = 0.02
WIDTH_TOLERANCE = 0.2  # of a prediction interval, in units of the label


def flatten(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys as dotted ones."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        nested = isinstance(value, dict)
        flat |= flatten(value, f"{prefix}{key}.") if nested else {prefix + key: value}
    return flat


def find_tolerance(key: str) -> float:
    """0 for a count."""
    if key.endswith(".width"):
        return WIDTH_TOLERANCE
    scored = key.endswith((".src", ".mae")) or key.startswith(("interval_", "bias"))
    return SCORE_TOLERANCE if scored else 0


def differ(expected: object, found: object, tolerance: float) -> bool:
    """Whether two values of one key are further apart than the tolerance."""
    if isinstance(expected, int | float) and isinstance(found, int | float):
        return abs(expected - found) > tolerance
    return expected != found


def read_committed(path: str) -> str:
    """The file as it stands in the last commit."""
    command = ["git", "show", f"HEAD:{path}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def main() -> None:
    """Compare, print what differs."""
    committed = json.loads(read_committed("metrics/metrics.json"))
    record = json.loads(read_committed("metrics/data.json"))
    expected = flatten(committed) | flatten(record)
    found: dict[str, Any] = {}
    for path in (results.METRICS, results.DATA):
        found |= flatten(json.loads(Path(path).read_text(encoding="utf-8")))
    problems = [f"{key}: only in one of the two" for key in sorted(expected.keys() ^ found.keys())]
    for key in sorted(expected.keys() & found.keys()):
        tolerance = find_tolerance(key)
        if differ(expected[key], found[key], tolerance):
            problems.append(f"{key}: {found[key]}, committed {expected[key]} +-{tolerance}")
    readme = read_committed("README.md")
    if read_committed("reports/results.md").strip() not in readme:
        problems.append("README.md: its result table is not that of reports/results.md")
    if results.render(committed, record) not in readme:
        problems.append("README.md: the table that it expects is not that of metrics/metrics.json")
    print("\n".join(problems) or f"results agree with the committed ones (+-{SCORE_TOLERANCE})")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
