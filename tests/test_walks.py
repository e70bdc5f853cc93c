"""What users do, from a fresh clone of the last commit on: DVC's user, one with posts, a team.

Minutes long: `make test-walks`.
"""

import json
import re
from pathlib import Path

import pytest

from tests.test_pipeline import LEFT_OUT, ROOT, TINY, Project, list_stages

pytestmark = pytest.mark.walks
WIDTH = 120  # columns of a terminal
# `make repro` as users type it; the environment is that of the tests.
MAKE = ("make", "--old-file=.venv/.installed")
LAST = r"^upper bound on held-out posts +[-\d. ]+\nreport: reports/report\.html$"
NOT_SAID = (
    *("Updating lock file", "> python", "git add", "dvc push", "didn't change", "Running stage"),
    *("Loading weights", "Load pretrained", "Predicting", "arning", "Traceback"),
)


def clone(source, folder):
    made = Project(folder)
    # No network; and tables in their full width, where a pipe's would be cut.
    made.environment |= {"HF_HUB_OFFLINE": "1", "COLUMNS": "1000"}
    source.run("git", "clone", "-q", str(source.folder), str(folder))
    return made


def find_width(shown):
    return max(len(line.rstrip()) for line in shown.splitlines())


def read_stages(output):
    """The stages that ran, by the lines of `make repro`."""
    return re.findall(r"^([a-z_@]+) +[\d.]+ s  ", output, re.MULTILINE)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A fresh clone with a tiny sample, and what its first `make repro` said."""
    made = clone(Project(ROOT), tmp_path_factory.mktemp("walk") / "clone")
    made.change_params(**TINY)
    made.drop_params(*LEFT_OUT)
    output = made.run(*MAKE, "repro")
    made.commit()
    return made, output


@pytest.fixture
def project(first):
    """The clone as its first run was committed, also after this test."""
    made, _ = first
    yield made
    made.run("git", "checkout", "-q", ".")
    made.run("git", "clean", "-qfd")
    made.run("dvc", "checkout", "-q")


def test_a_run_is_a_line_a_stage_one_table_and_the_report(first):
    made, output = first
    assert sorted(read_stages(output)) == sorted(name for name, *_ in list_stages(made.folder))
    assert [said for said in NOT_SAID if said in output] == []
    assert re.search(r"^train@dae .* validation MAE \d", output, re.MULTILINE)
    assert output.count("median of the training posts") == 1
    assert re.search(LAST, output, re.MULTILINE)


def test_a_second_run_runs_nothing_and_says_the_table_again(project):
    output = project.run(*MAKE, "repro")
    assert read_stages(output) == []
    assert "Data and pipelines are up to date." in output
    assert "differ from the committed ones" not in output
    assert re.search(LAST, output, re.MULTILINE)
    assert project.run("git", "status", "--porcelain") == ""


def test_another_machines_results_are_committed_by_the_command_that_is_said(project):
    """Such a machine's scores are in the last commit: what differs then is no change of ours."""
    path = project.folder / "metrics/metrics.json"
    here = path.read_text()
    content = json.loads(here)
    content["fame"]["mae"] += 0.01
    path.write_text(json.dumps(content))
    project.commit()
    path.write_text(here)
    output = project.run(*MAKE, "repro")
    assert "its MAE by -0.01." in output
    (command,) = re.findall(r"^  (git commit .*)$", output, re.MULTILINE)
    identity = {f"GIT_{who}_EMAIL": "a@b" for who in ("AUTHOR", "COMMITTER")}
    identity |= {f"GIT_{who}_NAME": "a" for who in ("AUTHOR", "COMMITTER")}
    before, project.environment = project.environment, project.environment | identity
    project.run("sh", "-c", command)
    project.environment = before
    assert project.run("dvc", "metrics", "diff").strip() == ""
    assert "differ from the committed" not in project.run(*MAKE, "repro")


def test_an_experiment_and_what_it_changed_can_be_read(project, tmp_path):
    project.run("dvc", "exp", "run", "-S", "fusion.alpha=0.5")
    show = ("dvc", "exp", "show", "--only-changed", "--no-pager")
    (header,) = [line for line in project.run(*show).splitlines() if "Experiment" in line]
    assert header.index("fame.src") < header.index("fame.mae") < WIDTH
    for command in ((*show, "--drop", "weights|without"), ("dvc", "metrics", "diff")):
        shown = project.run(*command)
        assert {"fame.src", "fame.mae"} <= set(shown.split()), command
        assert find_width(shown) <= WIDTH, command
    project.run("dvc", "plots", "diff", "--out", str(tmp_path))
    page = (tmp_path / "index.html").read_text()
    assert re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", page) == []
    assert page.count("vega-embed") + page.count("vegaEmbed") > 0
    for title in ("Densities", "Calibration", "Learning curves"):
        assert title in page


def test_queued_experiments_find_the_vectors_and_are_compared(project):
    queued = {
        "learner": "learners.dae.phase_2.learning_rate=0.002",
        "images": "data.max_unreadable_fraction=0.3",
    }
    for name, change in (queued | {"wrong": "fusion.alpha=-1"}).items():
        project.run("dvc", "exp", "run", "--queue", "-n", name, "-S", change)
    project.run("dvc", "exp", "run", "--run-all")
    # It ends with status 0 even so: the queue tells which one failed and why, as recipes.md says.
    status = project.run("dvc", "queue", "status")
    assert (status.count("Success"), status.count("Failed")) == (len(queued), 1), status
    assert "error: params.yaml: fusion.alpha: must be" in project.run(
        "dvc", "queue", "logs", "wrong"
    )
    logs = project.run("dvc", "queue", "logs", "images")
    assert re.search("extract efficientnet: .*(nothing is new|; 0 contents new)", logs)
    shown = project.run("dvc", "exp", "show", "--only-changed", "--no-pager")
    assert [name for name in queued if f"[{name}]" not in shown] == []
    (header,) = [line for line in shown.splitlines() if "Experiment" in line]
    assert header.index("fame.src") < header.index("fame.mae") < WIDTH
    assert "dae.mae" in header
    assert project.run("git", "status", "--porcelain") == ""


def test_a_colleague_who_pulls_has_nothing_to_run(project, tmp_path):
    remote = str(tmp_path / "remote")
    project.run("dvc", "remote", "add", "--default", "--force", "store", remote)
    project.run("dvc", "push", "-q")
    project.commit()
    colleague = clone(project, tmp_path / "colleague")
    colleague.run("dvc", "pull", "-q")
    output = colleague.run(*MAKE, "repro")
    assert read_stages(output) == []
    assert (colleague.folder / "reports/report.html").is_file()
    assert colleague.run("git", "status", "--porcelain") == ""


def test_a_learner_that_is_deleted_is_in_no_result(project):
    project.drop_params("learners.dae")
    project.commit()
    output = project.run(*MAKE, "repro")
    assert "dae" not in " ".join(read_stages(output))
    assert {"fuse", "evaluate", "leaderboard", "report"} <= set(read_stages(output))
    assert "\ndae" not in output
    for name in ("scores", "table_2", "figure_3", "fusions"):
        assert "dae" not in (project.folder / f"reports/tables/{name}.csv").read_text(), name
    assert set(project.read_metrics()["weights"]) == {"catboost", "lightgbm"}
    assert re.search("^clear: removed .*: learners dae$", output, re.MULTILINE)
    kept = project.run("git", "ls-files", "--deduplicate", "metrics", "reports/importance").split()
    assert [name for name in kept if "dae" in name and (project.folder / name).exists()] == []
    project.commit()
    project.run("dvc", "checkout")
    assert read_stages(project.run(*MAKE, "repro")) == []


def test_ones_own_posts_are_read_checked_and_under_dvc(tmp_path):
    scientist = clone(Project(ROOT), tmp_path / "scientist")
    rows = [f"{i},{i * i % 37},u{i % 7},2024-01-{1 + i % 25:02d},a day" for i in range(120)]
    (tmp_path / "mine.csv").write_text("\n".join(["id,likes,user,date,title", *rows, rows[-1]]))
    scientist.run("fame", "init", str(tmp_path / "mine.csv"), "--yes")
    output = scientist.run("fame", "check")
    assert "data: 120 posts, 120 with a label" in output
    assert "that repeat an earlier row" in output
    assert output.splitlines()[-1].endswith("checked: your posts in data/raw/mine/mine.csv")
    # Of the sample, whose results the clone brings, nothing stays beside their own.
    said = scientist.run("python", "-m", "fame.variants.workspace")
    assert said.startswith("clear: removed the outputs of entries")
    for place, block in (("features", "backbones"), ("learners", "learners")):
        names = {path.stem for path in (scientist.folder / "metrics" / place).iterdir()}
        assert names < set(scientist.read_params()[block]), place
    scientist.commit()
    kept = scientist.run("git", "ls-files", "data").split()
    assert "data/raw/mine.dvc" in kept
    assert not [name for name in kept if name.endswith(".csv")]
    posts = scientist.folder / "data/raw/mine/mine.csv"
    # It brings nothing of stages that have not run, and takes nothing of the user's.
    scientist.run("dvc", "checkout", fails=True)
    assert posts.is_file()
    scientist.run("dvc", "exp", "run", "ingest", "-S", "split.seed=8")
    scientist.run("git", "restore", ".")
    scientist.run("dvc", "checkout", fails=True)
    assert posts.is_file()
    scientist.run("dvc", "repro", "ingest")
    assert "120" in (scientist.folder / "reports/data.md").read_text()


def test_the_papers_profile_without_a_network_names_all_that_is_missing(tmp_path):
    team = clone(Project(ROOT), tmp_path / "team")
    team.run(*MAKE, "profile", "PROFILE=paper")
    output = team.run(*MAKE, "repro", fails=True)
    missing = re.findall(r"^missing or wrong: (.*?): ", output, re.MULTILINE)
    assert missing == [
        "params.yaml",
        "backbones.blip.checkpoint",
        "learners.autogluon.multimodal.checkpoint",
        "learners.autogluon.multimodal.image_checkpoint",
    ]
    assert "data.root: no folder 'data/raw/smpd'" in output
    assert re.search(r"about \d+ \w+ on \d+ cores .* of disk, .* of memory", output)
    assert read_stages(output) == []
    assert "Traceback" not in output
    assert not Path(team.folder / "data/interim").exists()
