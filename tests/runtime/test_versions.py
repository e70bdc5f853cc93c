from importlib.metadata import PackageNotFoundError, version

from fame.runtime import versions


def test_every_library_that_is_installed_is_listed_with_its_version():
    found = versions.list_versions()
    assert set(found) <= set(versions.LIBRARIES)
    assert found["numpy"] == version("numpy")
    assert "catboost" in found


def test_one_that_is_not_installed_is_left_out(monkeypatch):
    def find(name):
        if name == "torch":
            raise PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(versions, "version", find)
    assert versions.list_versions() == dict.fromkeys(set(versions.LIBRARIES) - {"torch"}, "1.0")
