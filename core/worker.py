"""What jobs.launch starts: a light process that does the work in a child and sees how it ends.

`python -m core.worker FOLDER COMMAND...` does what `python -m core.cli COMMAND...` does, as the worker of
the job in FOLDER. A child that was killed can record nothing; this process is still there to say why, and
to let the next run of the queue begin.
"""

import os
import signal
import sys
import time
from typing import NoReturn

# Nothing else is imported up here: while the child works, this process needs no more memory than bare Python.

PASSED_ON = (signal.SIGTERM, signal.SIGINT)
KILLED = {signal.SIGKILL: "was killed", signal.SIGTERM: "was told to end", signal.SIGHUP: "was told to end"}


def main(folder: str, arguments: list[str]) -> int:
    """Works, records a death, starts what is next; returns the child's exit code."""
    begun = time.time()
    # A signal must find either no child yet or the handler that passes it on.
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
    child = os.fork()
    if not child:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
        _work(arguments)
    for number in PASSED_ON:
        signal.signal(number, lambda number, frame: os.kill(child, number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
    kills = out_of_memory_kills()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    for number in PASSED_ON:
        signal.signal(number, signal.SIG_DFL)
    try:
        _record(folder, arguments, begun, code, out_of_memory_kills() > kills)
    finally:
        _go_on()
    return code if code >= 0 else 128 - code


def _work(arguments: list[str]) -> NoReturn:
    """The child's part. Ends without Python's own tidying up, which takes long once TensorFlow is loaded."""
    code = 1
    try:
        try:
            from core import cli

            code = cli.main(arguments)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:
            import traceback

            traceback.print_exc()
        for stream in (sys.stdout, sys.stderr):
            if stream:
                stream.flush()
    finally:
        # Even a log that takes no more must not let the child go on as its own parent.
        os._exit(code)


def _record(folder: str, arguments: list[str], begun: float, code: int, no_memory: bool) -> None:
    """Writes down how the child ended, where it could not do so itself."""
    from pathlib import Path

    from core import jobs
    from core.errors import UserError

    place = Path(folder)
    found = jobs.status(place)
    # Resumed in the meantime, the folder belongs to another worker.
    ours = found.started <= begun and not jobs.is_alive(place)
    if code == 0 or not ours or not (found.state == "interrupted" or jobs.is_open(found)):
        return
    try:
        if code < 0:
            jobs.update(place, **explain(-code, no_memory, is_run=arguments[:1] == ["train"]))
        elif found.state == "starting":
            jobs.fail_to_start(place)
    except UserError as error:
        # The disk is full, or the folder gone: the free lock says "interrupted" all the same.
        print(error, file=sys.stderr)


def explain(number: int, no_memory: bool, is_run: bool) -> dict[str, str | bool]:
    """What to change in the status of a job whose worker the signal of that number ended.

    no_memory: the kernel has ended a process for want of memory meanwhile.
    """
    if number == signal.SIGKILL and no_memory:
        advice = "Resume it when more memory is free, or duplicate it with a smaller batch or smaller images."
        return {
            "state": "failed",
            "error": "The system ran out of memory and ended the process.",
            "fix": advice if is_run else "Try again when more memory is free.",
        }
    # An open state stays as it is: it reads as "interrupted".
    again = "Resume it: it goes on after its last whole epoch." if is_run else "Try again."
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    if number in KILLED:
        return {"error": f"The process {KILLED[number]} from outside ({name}).", "fix": again}
    return {"error": f"The process crashed ({name}: {signal.strsignal(number)}).", "fix": again, "ours": True}


def out_of_memory_kills(proc: str = "/proc", groups: str = "/sys/fs/cgroup") -> int:
    """How often the kernel has ended a process for want of memory: on the machine, and in this control group."""
    counts = [_count(f"{proc}/vmstat")]
    for line in _lines(f"{proc}/self/cgroup"):
        _, kinds, place = line.rstrip("\n").split(":", 2)
        if not kinds:
            counts.append(_count(f"{groups}{place}/memory.events"))
        elif "memory" in kinds.split(","):
            counts.append(_count(f"{groups}/memory{place}/memory.oom_control"))
    return sum(counts)


def _count(path: str) -> int:
    return sum(int(line.split()[1]) for line in _lines(path) if line.startswith("oom_kill "))


def _lines(path: str) -> list[str]:
    try:
        # Not pathlib: it would not be loaded otherwise.
        with open(path) as file:  # noqa: PTH123
            return file.readlines()
    except OSError:
        return []


def _go_on() -> None:
    """Starts what is next in the queue."""
    from core import runs
    from core.errors import UserError

    try:
        runs.dispatch()
    except UserError as error:
        print(error, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
