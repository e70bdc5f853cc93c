"""YAML as a strict model: what is wrong in a file of parameters is said in one sentence."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fame.runtime.errors import InputError


class Strict(BaseModel):
    """No unknown key, no conversion of types, no change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def read_text(path: Path) -> str:
    """The text of a file of parameters.

    Raises:
        InputError: there is none, or it is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run this in the project's folder") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}") from None


def parse(text: str, file: str) -> dict[str, Any]:
    """The blocks of a text of YAML that stands, or is to stand, in ``file``.

    Raises:
        InputError: names the file, and the line where one is wrong.
    """
    try:
        content = YAML(typ="safe").load(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        problem = str(getattr(error, "problem", error)).splitlines()[0]
        raise InputError(f"{file}{line}: not valid YAML: {problem}") from None
    if not isinstance(content, dict):
        raise InputError(f"{file}: expected blocks of parameters, found {type(content).__name__}")
    return content


def validate(model: type[Strict], content: Any, file: str, prefix: str = "") -> Any:
    """The content of a file, or of its block ``prefix``, as a ``model``.

    Raises:
        InputError: names the file and the key, what was found and what is allowed.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{file}: {_explain(model, error.errors()[0], prefix)}") from None


def _explain(model: type[BaseModel], problem: ErrorDetails, prefix: str) -> str:
    location = [str(part) for part in problem["loc"] if not str(part).startswith("[")]
    key = ".".join(([prefix] if prefix else []) + location)
    kind, found = problem["type"], problem["input"]
    if kind == "extra_forbidden":
        return f"{key}: unknown key; allowed: {', '.join(_keys(model, location[:-1]))}"
    if kind == "missing":
        return f"{key}: missing; it has no default"
    message = problem["msg"].replace("Input should be", "must be").removeprefix("Value error, ")
    return f"{key}: {message}, found {found!r}"


def _keys(model: type[BaseModel], location: list[str]) -> list[str]:
    for part in location:
        annotation: Any = model.model_fields[part].annotation
        for candidate in (annotation, *getattr(annotation, "__args__", ())):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                model = candidate
                break
    return sorted(model.model_fields)
