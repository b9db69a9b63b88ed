"""What a run was made with, so that it can be repeated: versions, processor, data and program."""

import contextlib
import importlib.metadata
import os
import platform
import re
import subprocess
from typing import Any

from core import machine, workspace

FILE = "provenance.json"


def gather(precision: str, data_sha256: str) -> dict[str, Any]:
    """Plain values. data_sha256: of the films as the data card has it."""
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": machine.processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": machine.memory_total(),
        "precision": precision,
        "versions": versions(),
        "git": revision(),
        "data_sha256": data_sha256,
    }


def versions() -> dict[str, str]:
    """The installed version of every package in requirements.txt."""
    found = {}
    with contextlib.suppress(OSError):
        for line in (workspace.PROJECT / "requirements.txt").read_text().splitlines():
            if name := re.match(r"[A-Za-z][\w.-]*", line):
                # TensorFlow comes as two packages, either of which serves.
                for package in (name[0], f"{name[0]}-cpu"):
                    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                        found.setdefault(name[0], importlib.metadata.version(package))
    return found


def revision() -> dict[str, Any] | None:
    """The program's git revision and whether files were changed since; None outside a repository."""
    try:
        commit = _git("rev-parse", "HEAD")
        return {"revision": commit, "changed": bool(_git("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    # The project's own repository, not one that it happens to lie in.
    if not (workspace.PROJECT / ".git").exists():
        raise FileNotFoundError(".git")
    command = ["git", "-C", str(workspace.PROJECT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """In words, what was otherwise when the earlier of two runs was made; empty if the figures should repeat."""
    names = {
        "data_sha256": "the films",
        "processor": "the processor",
        "cores": "the number of cores",
        "precision": "the precision",
        "python": "Python's version",
    }
    found = [words for name, words in names.items() if before.get(name) != now.get(name)]
    earlier, later = before.get("versions") or {}, now.get("versions") or {}
    found += [f"{name} ({earlier.get(name)}, now {later[name]})" for name in later if earlier.get(name) != later[name]]
    if before.get("git") != now.get("git"):
        found.append("the program's revision")
    return found
