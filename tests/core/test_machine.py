"""What the machine is: its processor, the memory that may be used, and what was measured."""

from types import SimpleNamespace

import psutil
import pytest

from core import machine

GB = 10**9


@pytest.fixture
def container(monkeypatch, tmp_path):
    """A machine of 64 GB, 32 of them free, whose control groups the test writes."""
    memory = SimpleNamespace(total=64 * GB, available=32 * GB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr(machine, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(machine, "OWN_CGROUP", tmp_path / "own")

    def group(own: str, folder: str, **files) -> None:
        (tmp_path / "own").write_text(own)
        (tmp_path / "cgroup" / folder).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (tmp_path / "cgroup" / folder / name.replace("_", ".", 1)).write_text(f"{content}\n")

    return group


def test_the_processor_has_a_name():
    assert machine.processor().strip() == machine.processor() != ""


def test_the_memory_is_a_part_of_the_machine_s():
    assert 0 < machine.memory_available() <= machine.memory_total() <= psutil.virtual_memory().total


def test_without_control_groups_the_machine_s_memory_counts(container):
    assert (machine.memory_total(), machine.memory_available()) == (64 * GB, 32 * GB)


def test_a_container_s_limit_counts_and_its_file_cache_is_still_to_be_had(container):
    stat = f"anon 1\ninactive_file {2 * GB}\nactive_file 7"
    container("0::/\n", ".", memory_max=8 * GB, memory_current=5 * GB, memory_stat=stat)
    assert (machine.memory_total(), machine.memory_available()) == (8 * GB, 5 * GB)


def test_the_older_layout_counts_too(container):
    own = "9:cpu,cpuacct:/\n4:memory:/box/1f\n0::/\n"
    files = {"memory_limit_in_bytes": 4 * GB, "memory_usage_in_bytes": 1 * GB}
    container(own, "memory/box/1f", **files, memory_stat=f"inactive_file 5\ntotal_inactive_file {GB // 2}")
    assert (machine.memory_total(), machine.memory_available()) == (4 * GB, 3.5 * GB)


def test_a_group_above_may_be_the_narrower_one(container):
    container("0::/site/job", "site", memory_max=6 * GB, memory_current=4 * GB, memory_stat="")
    container("0::/site/job", "site/job", memory_max="max", memory_current=1 * GB, memory_stat="")
    assert (machine.memory_total(), machine.memory_available()) == (6 * GB, 2 * GB)


def test_a_group_that_is_not_to_be_seen_from_inside_does_not_hide_the_limit(container):
    files = {"memory_limit_in_bytes": 4 * GB, "memory_usage_in_bytes": 1 * GB}
    container("4:memory:/docker/1f", "memory", **files, memory_stat="")
    assert machine.memory_total() == 4 * GB


@pytest.mark.parametrize("limit", ["max", 9223372036854771712])
def test_no_limit_is_no_limit(container, limit):
    container("0::/", ".", memory_max=limit, memory_current=GB, memory_stat="")
    assert (machine.memory_total(), machine.memory_available()) == (64 * GB, 32 * GB)


def test_a_container_that_is_full_has_nothing_left_and_no_debts(container):
    container("0::/", ".", memory_max=8 * GB, memory_current=9 * GB, memory_stat="")
    assert machine.memory_available() == 0


def test_odd_files_are_passed_over(container):
    container("nonsense\n\n1:2", ".", memory_max="?", memory_current="many", memory_stat="")
    assert machine.memory_total() == 64 * GB


def test_what_was_measured_is_remembered_piece_by_piece():
    assert machine.measured() == {}
    machine.remember({"speed": {"float32": 150.0}})
    machine.remember({"precision": {"bfloat16_speedup": 1.9}})
    assert machine.measured() == {"speed": {"float32": 150.0}, "precision": {"bfloat16_speedup": 1.9}}


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", "null"])
def test_a_damaged_file_counts_as_nothing_measured(workspace, content):
    workspace.mkdir()
    (workspace / machine.FILE).write_text(content)
    assert machine.measured() == {}
    machine.remember({"speed": {}})
    assert machine.measured() == {"speed": {}}


def test_measuring_gives_way_to_a_run_and_is_not_kept(monkeypatch, capsys):
    from core import cli, runs

    monkeypatch.setattr(runs, "running", lambda: ["a run"])
    assert cli.main(["probe"]) == 2
    assert "nothing can be measured beside it" in capsys.readouterr().err
    assert "speed" not in machine.measured()


def test_measuring_tells_both_precisions(capsys):
    import json

    from core import cli

    assert cli.main(["probe", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["gflops"]
    assert told.keys() == {"float32", "bfloat16"}
    assert min(told.values()) > 0.1
    assert machine.measured()["speed"] == told
    assert machine.measured()["precision"]["bfloat16_speedup"] > 0
