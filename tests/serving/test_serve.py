import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

from fame import cli
from fame.serving.serve import list_hosts

SOURCE = Path(__file__).parents[2] / "src"


@pytest.fixture
def server(models, tmp_path):
    """`fame serve` in a process of its own, where nothing else of the run is; its address."""
    command = [sys.executable, "-m", "fame.cli", "serve", "--port", "0", "--models", str(models)]
    environment = os.environ | {"PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    )
    process.address = process.stdout.readline().split()[1].rstrip(",")
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def ask(address, posts):
    body = json.dumps({"posts": posts, "explain": True}).encode()
    request = urllib.request.Request(
        f"{address}/api/predict", body, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def test_what_is_under_way_is_answered_when_it_is_told_to_end(server, tmp_path):
    with urllib.request.urlopen(f"{server.address}/healthz") as response:
        assert json.load(response)["status"] == "ok"
    found = []
    posts = [{"title": f"A long title of many words, number {place}"} for place in range(16)]
    asking = threading.Thread(target=lambda: found.append(ask(server.address, posts)))
    asking.start()
    asking.join(0.05)
    assert found == []  # it is under way
    server.send_signal(signal.SIGTERM)
    asking.join()
    assert len(found[0]["posts"]) == 16
    assert server.wait(30) in (0, -signal.SIGTERM)
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_a_sentence(server, models):
    port = server.address.rpartition(":")[2]
    with pytest.raises(SystemExit) as ended:
        cli.main(["serve", "--port", port, "--models", str(models)])
    assert f"127.0.0.1:{port}: cannot listen there" in str(ended.value)


@pytest.mark.parametrize(
    ("host", "names"),
    [("0.0.0.0", set()), ("::", set()), ("10.1.2.3", {"10.1.2.3"}), ("Box", {"box"})],
)
def test_an_address_is_a_name_but_for_that_of_all(host, names):
    assert list_hosts(host) == names
