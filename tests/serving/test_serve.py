import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from fame import cli
from fame.serving.serve import list_hosts

SOURCE = Path(__file__).parents[2] / "src"


@pytest.fixture
def server(models, tmp_path, tmp_path_factory):
    """`fame serve` in a process of its own, where nothing else of the run is; its address."""
    history = tmp_path_factory.mktemp("history") / "more.csv"
    history.write_text("id,user,time,popularity\nnewer,me,2016-01-01,9\n")
    command = [sys.executable, "-m", "fame.cli", "serve", "--port", "0", "--models", str(models)]
    command += ["--history", str(history)]
    environment = os.environ | {"PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    )
    process.address = process.stdout.readline().split()[1].rstrip(",")
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def wait_until_refused(host, port):
    """Until the server takes no further connection: it is ending."""
    for _ in range(600):
        try:
            socket.create_connection((host, port), timeout=10).close()
        except ConnectionError:
            return
        time.sleep(0.05)
    raise AssertionError("the server goes on")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_under_way_is_answered_when_it_is_told_to_end(server, tmp_path, number):
    with urllib.request.urlopen(f"{server.address}/healthz") as response:
        assert json.load(response)["status"] == "ok"
    body = json.dumps({"posts": [{"title": "A title"}, {"title": "Another"}]}).encode()
    asking = http.client.HTTPConnection(server.address.removeprefix("http://"), timeout=60)
    asking.putrequest("POST", "/api/predict")
    headers = {"content-type": "application/json", "expect": "100-continue"}
    for name, value in (headers | {"content-length": str(len(body))}).items():
        asking.putheader(name, value)
    asking.endheaders()
    # The server asks for the rest: it has begun with the request.
    assert asking.sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    server.send_signal(number)
    wait_until_refused(asking.host, asking.port)
    asking.send(body)
    with asking.getresponse() as response:
        assert len(json.load(response)["posts"]) == 2
    assert server.wait(30) == 0
    assert list(tmp_path.iterdir()) == []


def test_labelled_posts_of_a_file_are_the_authors_past(server):
    draft = {"title": "A title", "user": "me", "time": "2016-03-01T12:00"}
    request = urllib.request.Request(
        f"{server.address}/api/predict",
        json.dumps({"posts": [draft]}).encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:
        [post] = json.load(response)["posts"]
    assert (post["author"], post["author_posts"]) == ("known", 1)


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


@pytest.mark.parametrize("port", ["-1", "65536"])
def test_a_port_that_there_is_not_is_a_sentence(port, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["serve", f"--port={port}"])
    assert str(ended.value) == f"error: --port {port}: allowed: 0 .. 65535"
    assert capsys.readouterr().out == ""
