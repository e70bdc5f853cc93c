"""What scoring costs, and how a server behaves that many ask at once.

costs: a warm draft, and a thousand posts beside the libraries' own predict calls on their features.
load: clients ask `fame serve` as fast as it answers; every answer is compared with that to the same
draft alone, the server's memory is noted, and it is told to end while it is asked.
"""

import argparse
import base64
import io
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as `Predictor.load`, on both sides

WORDS = [
    "sunset",
    "sea",
    "cat",
    "street",
    "light",
    "red",
    "old",
    "city",
    "snow",
    "dog",
    "flower",
    "bridge",
    "night",
    "rain",
    "boat",
]
SIZE = 1024, 768  # of a picture
DRAFTS, POSTS, REPEATS, CLIENTS = 40, 1000, 15, 20
SECONDS_BETWEEN = 30.0  # two looks at the server's memory
GROWN = 1.03  # times the memory after a fifth of the time, from which it counts as growth


def make_posts(count: int) -> list[dict[str, Any]]:
    draw = np.random.default_rng(0)
    return [
        {
            "id": f"draft-{number}",
            "title": " ".join(draw.choice(WORDS, 8)),
            "tags": draw.choice(WORDS, 5).tolist(),
            "user": f"user {number % 50}",
            "time": f"2016-03-{1 + number % 28:02}T12:00:00",
        }
        for number in range(count)
    ]


def make_picture(seed: int) -> bytes:
    small = np.random.default_rng(seed).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(small).resize(SIZE).save(buffer, "JPEG")
    return buffer.getvalue()


def measure(work: Callable[[], object], repeats: int) -> tuple[list[float], list[float]]:
    """Seconds on the clock and of the processor, once warm."""
    work()
    clock, processor = [], []
    for _ in range(repeats):
        starts = time.perf_counter(), time.process_time()
        work()
        clock.append(time.perf_counter() - starts[0])
        processor.append(time.process_time() - starts[1])
    return clock, processor


def measure_costs(models: Path) -> None:
    from fame import Predictor

    started = time.process_time()
    predictor = Predictor.load(models)
    print(f"load: {time.process_time() - started:.1f} s of CPU time")
    post, picture = make_posts(1)[0], make_picture(0)
    for name, own in (("without a picture", post), ("with a picture", post | {"image": picture})):
        clock, processor = measure(lambda own=own: predictor.predict([own]), REPEATS)
        print(
            f"one draft {name}: p50 {np.median(clock):.2f} s, best {min(clock):.2f} s; "
            f"CPU time p50 {np.median(processor):.2f} s"
        )
    posts = make_posts(POSTS)
    with predictor._given(posts, None) as drafts:
        tables = predictor.score(drafts).tables
    calls = list_calls(predictor.scorer, tables)
    ours, theirs = [], []
    for _ in range(3):  # in turn, so that both see the same machine
        ours += measure(lambda: predictor.predict(posts), 3)[1]
        theirs += measure(lambda: [call() for call in calls], 3)[1]
    print(
        f"{POSTS} posts: {min(ours):.2f} s of CPU time, the predict calls alone "
        f"{min(theirs):.2f} s; ratio {min(ours) / min(theirs):.2f}, of the medians "
        f"{np.median(ours) / np.median(theirs):.2f}"
    )


def list_calls(scorer: Any, tables: dict[str, Any]) -> list[Callable[[], object]]:
    """Each learner's predict calls, on features that are there; of kinds of our own, theirs."""
    from fame.learners.autogluon.frames import make_frame
    from fame.learners.autogluon.kinds import OUTPUT
    from fame.learners.catboost.pools import make_pool

    calls: list[Callable[[], object]] = []
    for name, model in scorer.models.items():
        settings = scorer.bundle.params.learners[name]
        table = tables[settings.table]
        rows, values = table.all_rows, table.read(table.all_rows)
        if settings.kind == "catboost":
            calls += [
                lambda own=own, table=table, rows=rows: own.predict(make_pool(table, rows))
                for own in model._models.values()
            ]
        elif settings.kind == "lightgbm":
            calls += [
                lambda own=own, values=values: own.predict(values) for own in model._models.values()
            ]
        elif settings.kind == "autogluon":
            frame = make_frame(table, rows, model.params)
            calls.append(
                lambda model=model, frame=frame: model._predictor.predict(frame, model=OUTPUT)
            )
        else:
            calls.append(lambda model=model, table=table: model.predict(table))
    return calls


@contextmanager
def serving(models: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`fame serve` in a process of its own, and its address."""
    command = [sys.executable, "-m", "fame.cli", "serve", "--port", "0", "--models", str(models)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+\d", process.stdout.readline())
        assert found is not None, "the server did not start"
        yield process, found.group()
    finally:
        process.kill()
        process.wait()


def ask(address: str, body: bytes) -> Any:
    request = urllib.request.Request(
        f"{address}/api/predict", body, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=300) as response:
        return json.load(response)


def make_bodies() -> list[bytes]:
    """Requests of one draft each, every fifth with a picture."""
    bodies = []
    for number, post in enumerate(make_posts(DRAFTS)):
        if number % 5 == 0:
            post["image"] = base64.b64encode(make_picture(number)).decode()
        bodies.append(json.dumps({"posts": [post]}).encode())
    return bodies


def describe_percentiles(seconds: list[float]) -> str:
    """What half, 95 and 99 of 100 answers took at most."""
    found = zip((50, 95, 99), np.percentile(seconds, (50, 95, 99)), strict=True)
    return ", ".join(f"p{share} {value:.2f} s" for share, value in found)


def load(models: Path, minutes: float, requests: int) -> None:
    bodies = make_bodies()
    with serving(models) as (process, address):
        alone = [ask(address, body) for body in bodies]
        server = psutil.Process(process.pid)
        seconds: list[float] = []
        problems: list[str] = []
        ended = threading.Event()
        turns = itertools.count()

        def work() -> None:
            while not ended.is_set():
                place = next(turns) % len(bodies)
                started = time.perf_counter()
                try:
                    if ask(address, bodies[place]) != alone[place]:
                        problems.append("an answer differs from that alone")
                except OSError as error:
                    problems.append(str(error))
                seconds.append(time.perf_counter() - started)

        clients = [threading.Thread(target=work) for _ in range(CLIENTS)]
        started, looks = time.monotonic(), []
        for client in clients:
            client.start()
        while time.monotonic() - started < 60 * minutes or len(seconds) < requests:
            time.sleep(SECONDS_BETWEEN)
            looks.append(server.memory_info().rss / 1e6)
            print(f"  {len(seconds)} requests, {looks[-1]:.0f} MB", flush=True)
        ended.set()
        for client in clients:
            client.join()
        taken = time.monotonic() - started
        print(
            f"{CLIENTS} clients for {taken / 60:.1f} minutes: {len(seconds)} requests, "
            f"{len(problems)} errors or other answers; {describe_percentiles(seconds)}, "
            f"{server.cpu_times().user / len(seconds):.2f} s of CPU time each"
        )
        for problem in sorted(set(problems)):
            print(f"  {problem}")
        warm, last = looks[len(looks) // 5], looks[-1]
        print(
            f"memory: {looks[0]:.0f} MB at first, {warm:.0f} MB after a fifth of the time, "
            f"{last:.0f} MB at the end, {max(looks):.0f} MB at most"
        )
        end(process, address, bodies[0], alone[0])
    if problems or last > GROWN * warm:
        sys.exit("error: errors, other answers or growing memory")


def end(process: subprocess.Popen[str], address: str, body: bytes, expected: Any) -> None:
    """Tell the server to end while it is asked."""
    answers: list[Any] = []
    client = threading.Thread(target=lambda: answers.append(ask(address, body)))
    client.start()
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    client.join()
    status = process.wait(60)
    told = "was answered" if answers == [expected] else "was not answered"
    print(f"SIGTERM: what was under way {told}; it ended with status {status}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=["costs", "load"])
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--minutes", type=float, default=10.0, help="of load, at least")
    parser.add_argument("--requests", type=int, default=10_000, help="of load, at least")
    arguments = parser.parse_args()
    if arguments.part == "costs":
        measure_costs(arguments.models)
    else:
        load(arguments.models, arguments.minutes, arguments.requests)


if __name__ == "__main__":
    main()
