"""The simulated sample as a folder in the challenge's format."""

import argparse
from pathlib import Path

from fame import params
from fame.runtime import files
from fame.runtime.data_root import require_folder
from fame.runtime.stage import run
from fame.simulator.posts import simulate

NOTHING = "data.source is {source}: nothing was simulated.\n"


def main() -> None:
    """Write the sample; for any other source, a folder that only says so.

    Raises:
        InputError: the folder of another source is not there. Ingest, which depends on it, does
            not even start then: all that DVC says is `[Errno 2]`.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    data = params.load().data
    if data.source != "sample":
        require_folder(data.source, data.root)
    with files.replacing_folder(arguments.output) as folder:
        if data.source != "sample":
            note = NOTHING.format(source=data.source)
            files.write_text(folder / "README.txt", note)
            print(f"simulate: {note}", end="")
            return
        summary = simulate(data.sample, folder)
    print(
        f"simulate: {summary.posts} simulated posts, {summary.images} images; simulated labels: "
        f"mean {summary.mean:.2f}, sd {summary.standard_deviation:.2f}, upper bound over all "
        f"{data.sample.training_posts} labelled posts SRC {summary.best_spearman:.3f}, "
        f"MAE {summary.best_mean_absolute_error:.3f}"
    )


if __name__ == "__main__":
    run(main)
