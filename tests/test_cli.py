import pytest

from fame import cli


def test_commands_are_listed_with_what_they_do(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in cli.COMMANDS)


def test_a_command_shows_its_arguments(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["init", "--help"])
    assert ended.value.code == 0
    assert "--time-format" in capsys.readouterr().out


def test_bad_input_is_one_line_and_status_1(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        cli.main(["init", "posts.csv"])
    assert str(ended.value.code).startswith("error: params.yaml: no such file")
    assert capsys.readouterr().err == ""


def test_an_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["invent"])
    assert ended.value.code == 2
    assert "invalid choice: 'invent'" in capsys.readouterr().err
