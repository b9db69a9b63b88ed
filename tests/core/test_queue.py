"""The queue: runs wait for their turn, and nothing that dies or is spoilt holds up those behind it."""

import dataclasses
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from core import jobs, runs, worker
from core.errors import UserError
from core.settings import TrainSettings
from tests.conftest import PROJECT
from tests.helpers import crew, kill, wait_for, wait_until_ended

SMALL = TrainSettings(
    data="phantoms:60", epochs=1, batch_size=16, image_size=48, options={"filters": [8], "dense_units": 8}
)
START = (
    "import json, pathlib, resource, signal, sys, time; from core import runs\n"
    "from core.errors import UserError; from core.settings import TrainSettings\n"
    "settings = TrainSettings.from_json(json.loads(sys.argv[1]))\n"
)


@pytest.fixture(autouse=True)
def nothing_left(workspace):
    yield
    kill(workspace)


@pytest.fixture
def busy():
    """A run at work for as long as the test lasts: its lock is held, nothing is calculated."""
    run = runs.create(SMALL)
    with jobs.working(run.folder):
        jobs.update(run.folder, state="training")
        yield run


@pytest.fixture
def begun(monkeypatch):
    """The names of runs in the order in which they were begun; they stay "starting" and are no processes."""
    names = []

    def begin(folder, arguments):
        names.append(folder.name)
        jobs.write_status(folder, jobs.Status(started=time.time()))

    monkeypatch.setattr(jobs, "begin", begin)
    monkeypatch.setattr(jobs, "wait_for_worker", lambda folder, process: None)
    return names


def in_a_process(script: str, *arguments) -> subprocess.Popen:
    command = [sys.executable, "-c", START + script, json.dumps(SMALL.to_json()), *map(str, arguments)]
    return subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)


def names() -> list[str]:
    return [run.name for run in runs.queued()]


def test_two_starts_at_the_same_instant_are_both_trained_one_after_the_other(workspace, tmp_path):
    script = (
        "ready, go = pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]); ready.touch()\n"
        "while not go.exists(): pass\n"
        "print(runs.start(settings).name)"
    )
    starts = [in_a_process(script, tmp_path / f"ready{number}", tmp_path / "go") for number in range(2)]
    wait_for(lambda: [*tmp_path.glob("ready*")], lambda ready: len(ready) == 2)
    (tmp_path / "go").touch()
    found = [runs.get(start.communicate()[0].strip()) for start in starts]
    assert found[0] != found[1]
    assert sorted(run.status.state for run in found)[0] == "queued"

    def ended() -> list[str]:
        assert len(crew(workspace)[1]) <= 1, "two runs train at once"
        return [run.status.state for run in found]

    ways_to_end = {*jobs.FINAL_STATES, "interrupted"}
    assert wait_for(ended, lambda states: set(states) <= ways_to_end, seconds=120) == ["finished"] * 2


def test_the_queue_outlives_whatever_is_killed(workspace):
    first, second, third, fourth = (runs.start(SMALL) for _ in range(4))
    assert [run.status.state for run in (first, second, third, fourth)] == ["starting", *["queued"] * 3]
    watching, working = crew(first.folder)
    assert watching[0].memory_info().rss < 30e6

    # The worker alone: the process that watches it says how it died, and the next run begins.
    working[0].kill()
    wait_for(lambda: second.status.state, "starting".__eq__)
    assert first.status.state == "interrupted"
    assert first.status.error == "The process was killed from outside (SIGKILL)."
    assert "Resume" in first.status.fix

    # Both: whoever looks next lets the queue go on.
    wait_for(lambda: jobs.is_alive(second.folder), bool)
    kill(second.folder)
    wait_for(lambda: jobs.is_alive(second.folder), lambda alive: not alive)
    jobs.update(second.folder, started=0.0)
    assert second.status.state == "interrupted"
    assert third.status.state == "queued"
    runs.dispatch()
    assert third.status.state == "starting"

    # The watching one is told to end: it passes that on, and still sees to what follows.
    crew(third.folder)[0][0].terminate()
    wait_for(lambda: jobs.is_alive(fourth.folder), bool)
    assert third.status.state == "interrupted"
    assert "told to end from outside (SIGTERM)" in third.status.error

    # The watching one alone: the worker goes on.
    crew(fourth.folder)[0][0].kill()
    assert wait_until_ended(fourth).state == "finished", (fourth.folder / "log.txt").read_text()


def test_a_full_disk_starts_nothing_and_leaves_nothing_behind(workspace):
    script = (
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)\n"
        "try: print(runs.start(settings).name)\n"
        "except UserError as error: print(error)"
    )
    for most in (0, 200):
        said = in_a_process(script, most).communicate()[0]
        assert "cannot be written" in said
        assert "Free some space" in said
        assert runs._folders() == []

    # Full after the start: the run fails with that sentence, and the next one is trained.
    name = in_a_process(script, 3000).communicate()[0].strip()
    after = runs.start(SMALL)
    status = wait_until_ended(runs.get(name))
    assert status.state == "failed"
    assert "cannot be written" in status.error
    assert "Free some space" in status.fix
    wait_for(lambda: after.status.state, "queued".__ne__)


def test_threads_that_start_runs_at_once_lose_none_and_begin_one(begun):
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: runs.start(SMALL).name, range(16)))
    assert len(set(found)) == 16
    assert len(begun) == 1
    assert sorted([*names(), *begun]) == sorted(found)


def test_queued_runs_change_places_and_leave(busy):
    first, second, third = (runs.start(SMALL).name for _ in range(3))
    assert names() == [first, second, third]
    runs.move(third, 0)
    assert names() == [third, first, second]
    runs.move(third, 99)
    assert names() == [first, second, third]
    runs.stop(second)
    assert runs.get(second).status.state == "stopped"
    runs.remove(first)
    assert names() == [third]
    with pytest.raises(UserError, match="not in the queue"):
        runs.move(second, 0)
    # What was taken out comes back at the end, for all that the list once said.
    runs.resume(second)
    assert names() == [third, second]
    with pytest.raises(UserError, match="cannot be resumed"):
        runs.resume(second)


def test_a_queued_run_is_never_interrupted(busy):
    run = runs.start(SMALL)
    jobs.update(run.folder, started=0.0)
    assert run.status.state == "queued"
    assert not jobs.is_open(run.status)
    assert runs.running() == [busy]


def test_as_many_runs_train_at_once_as_the_environment_says(busy, begun, monkeypatch):
    waiting = [runs.start(SMALL).name for _ in range(4)]
    assert begun == []
    monkeypatch.setenv("PNEUMOSCOPE_PARALLEL_RUNS", "3")
    runs.dispatch()
    assert begun == waiting[:2]
    runs.dispatch()
    assert names() == waiting[2:]


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", " "])
def test_a_senseless_number_of_runs_at_once_is_refused_before_anything_is_made(value, monkeypatch):
    monkeypatch.setenv("PNEUMOSCOPE_PARALLEL_RUNS", value)
    with pytest.raises(UserError, match="PNEUMOSCOPE_PARALLEL_RUNS"):
        runs.start(SMALL)
    assert runs.every() == []
    # Where nothing waits, nobody minds.
    runs.dispatch()


def test_a_run_that_cannot_be_started_lets_the_next_one_pass():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "dispatch", lambda: None)
        first, second = runs.start(SMALL), runs.start(SMALL)
    for run in (first, second):
        (run.folder / "log.txt").mkdir()
    runs.dispatch()
    for run in (first, second):
        assert run.status.state == "failed"
        assert "log.txt" in run.status.error or "cannot be written" in run.status.error
    assert runs.queued() == []


@pytest.mark.parametrize("content", ["", "{", "{}", "3", '[1, null, ["x"], "../..", "gone"]', '["%s", "%s", "%s"]'])
def test_a_queue_spoilt_by_hand_loses_no_run_and_doubles_none(busy, begun, content):
    waiting = [runs.start(SMALL).name for _ in range(2)]
    queue = runs.runs_folder() / "queue.json"
    queue.write_text(content.replace("%s", waiting[1]))
    assert sorted(names()) == waiting
    queue.unlink()
    assert names() == waiting
    last = runs.start(SMALL).name
    assert names() == [*waiting, last]
    jobs.update(busy.folder, state="finished")
    runs.dispatch()
    assert begun == [], "a worker that still holds its lock is at work"


def test_settings_spoilt_in_the_queue_are_passed_over_and_run_once_mended(begun):
    runs.start(SMALL)
    spoilt, good = runs.start(SMALL), runs.start(SMALL)
    (spoilt.folder / "settings.json").write_text('{"epochs": -1}')
    assert names() == [good.name]
    (spoilt.folder / "settings.json").write_text(json.dumps(dataclasses.asdict(SMALL)))
    assert names() == [spoilt.name, good.name]


def test_out_of_memory_is_told_from_the_counters_of_the_kernel(tmp_path):
    proc, groups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    assert worker.out_of_memory_kills(str(proc), str(groups)) == 0
    (proc / "vmstat").write_text("nr_free_pages 5\noom_kill 2\n")
    (proc / "self/cgroup").write_text("4:cpu,memory:/box\n2:pids:/box\n0::/box/job\n")
    assert worker.out_of_memory_kills(str(proc), str(groups)) == 2
    (groups / "box/job").mkdir(parents=True)
    (groups / "box/job/memory.events").write_text("low 0\nmax 4\noom 1\noom_kill 1\noom_group_kill 0\n")
    assert worker.out_of_memory_kills(str(proc), str(groups)) == 3
    (groups / "memory/box").mkdir(parents=True)
    (groups / "memory/box/memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 5\n")
    assert worker.out_of_memory_kills(str(proc), str(groups)) == 8
    assert worker.out_of_memory_kills() >= 0


def test_what_ended_a_worker_is_said_in_words():
    no_memory = worker.explain(9, no_memory=True, is_run=True)
    assert no_memory["state"] == "failed"
    assert no_memory["error"] == "The system ran out of memory and ended the process."
    assert "smaller batch" in no_memory["fix"]
    # Another process was the victim, and this one crashed.
    assert "state" not in worker.explain(11, no_memory=True, is_run=True)
    assert "SIGSEGV" in worker.explain(11, no_memory=False, is_run=True)["error"]
    assert "signal 40" in worker.explain(40, no_memory=False, is_run=False)["error"]


def test_a_worker_that_cannot_even_begin_fails_with_a_step_and_the_queue_goes_on():
    run = runs.create(SMALL)
    jobs.launch(run.folder, ["train", "--run", "no-such-run"])
    assert run.status.state == "failed"
    assert run.status.error == "The worker could not start."
    assert "There is no run" in (run.folder / "log.txt").read_text()
