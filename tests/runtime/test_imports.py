import shutil

import pytest

from fame.runtime import imports

CODE = {
    # At its top and inside a function, by every form.
    "a.py": "import json, fame.b\nfrom fame import c\ndef late():\n    from fame.d.e import NAME\n",
    "b.py": "from fame.runtime.errors import InputError\n",
    "c.py": "from fame import a\n",  # a circle
    "d/__init__.py": '"""Nothing but words."""\n',
    "d/e.py": "from fame import d\nNAME = 1\n",
    "runtime/errors.py": "import fame.f\n",
    "f.py": "X = 1\n",
    "alone.py": "X = 1\n",
}


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A small package in the place of this one."""
    kept = (imports.list_imports, imports.holds_code, imports._parse)
    for one in kept:
        one.cache_clear()
    monkeypatch.setattr(imports, "SOURCE", tmp_path)
    for name, code in CODE.items():
        path = tmp_path / "fame" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    yield tmp_path / "fame"
    for one in kept:
        one.cache_clear()


def names(source, *modules):
    return [path.relative_to(source).as_posix() for path in imports.list_files(modules)]


def test_what_is_imported_is_listed_with_what_that_imports(source):
    assert names(source, "fame.a") == ["a.py", "b.py", "c.py", "d/e.py"]
    assert names(source, "fame.d.e") == ["d/e.py"]  # a package without code is none of it
    assert names(source, "fame.d.e", "fame.alone") == ["alone.py", "d/e.py"]


def test_what_cannot_change_a_result_is_left_out_with_what_it_alone_imports(source):
    assert names(source, "fame.b") == ["b.py"]
    assert names(source, "fame.b", "fame.f") == ["b.py", "f.py"]


def test_all_that_is_left_out_is_there():
    for module in imports.WITHOUT_EFFECT:
        assert imports.find_file(module).is_file()


def test_a_module_that_is_not_there_is_named(source):
    shutil.rmtree(source / "d")
    with pytest.raises(ModuleNotFoundError, match=r"fame\.d"):
        imports.list_files(["fame.a"])
