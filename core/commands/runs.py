"""Commands on runs that exist: list, show, stop, resume, remove, move, note."""

import argparse
import dataclasses
from typing import Any

from core import diagnosis, jobs, runs, workspace
from core.commands.output import show
from core.errors import UserError


def manage_runs(chosen: argparse.Namespace) -> None:
    """Does one thing to one run, or lists them all."""
    if chosen.action == "list":
        _list(chosen)
        return
    if not chosen.run:
        raise UserError(f"`runs {chosen.action}` needs a run.", fix="`runs list` shows the names.")
    ACTIONS[chosen.action](chosen)


def _list(chosen: argparse.Namespace) -> None:
    waiting = _places()
    found = [_describe(run, waiting) for run in runs.every()]
    found += [_UNREADABLE | {"name": name, "error": e.what, "fix": e.fix} for name, e in runs.unreadable().items()]
    text = "\n".join(_line(run) for run in found)
    show(chosen, found, text or "No runs yet.")


def _line(run: dict[str, Any]) -> str:
    state = f"{run['state']} {run['place']}" if run["place"] else run["state"]
    more = [", ".join(run["tags"]), run["error"]]
    return "  ".join([run["name"], f"{state:12}", run["data"], *filter(None, more)])


def _places() -> dict[str, int]:
    return {run.name: place for place, run in enumerate(runs.queued(), 1)}


_UNREADABLE = {
    "name": "",
    "state": "unreadable",
    "data": "",
    "architecture": "",
    "has_model": False,
    "details": {},
    "error": "",
    "fix": "",
    "place": None,
    "tags": [],
    "note": "",
}


def _describe(run: runs.Run, waiting: dict[str, int]) -> dict[str, Any]:
    """waiting: the place in the queue by name, from 1."""
    status = run.status
    return {
        "name": run.name,
        "state": status.state,
        "data": run.settings.data,
        "architecture": run.settings.architecture,
        "has_model": run.has_model,
        "details": workspace.without_nan(status.details),
        "error": status.error,
        "fix": status.fix,
        "place": waiting.get(run.name),
        "tags": list(run.tags),
        "note": run.note,
    }


def _show(chosen: argparse.Namespace) -> None:
    from core import evaluation

    run = runs.get(chosen.run)
    metrics = run.metrics
    remarks = [dataclasses.asdict(remark) for remark in diagnosis.diagnose(metrics, run.status.details, run.settings)]
    reports = {part: report.to_json() for part, report in evaluation.stored(run.folder).items()}
    found = _describe(run, _places()) | {
        "settings": run.settings.to_json(),
        "metrics": workspace.without_nan(metrics),
        "remarks": remarks,
        "reports": reports,
    }
    sections = [
        _head(found),
        _section("Settings", found["settings"]),
        _section("Details", found["details"]),
        _section("Last epoch", {name: column[-1] for name, column in found["metrics"].items() if column}),
        _section("Remarks", {remark["kind"]: f"{remark['what']} {remark['fix']}" for remark in remarks}),
        *(_section(f"On the {part} part", _judged(report)) for part, report in reports.items()),
    ]
    show(chosen, found, "\n\n".join(filter(None, sections)))


def _head(run: dict[str, Any]) -> str:
    lines = [_line(run | {"error": ""}), run["error"], run["fix"], run["note"]]
    return "\n".join(filter(None, lines))


def _section(title: str, values: dict[str, Any]) -> str:
    """A heading and a line for each value; nothing where there is none."""
    lines = [f"  {name}: {_figure(value)}" for name, value in values.items()]
    return "\n".join([title, *lines]) if lines else ""


def _figure(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_figure(one)}" for name, one in value.items())
    return f"{value:.4g}" if isinstance(value, float) else f"{value}"


def _judged(report: dict[str, Any]) -> dict[str, str]:
    return {
        name: f"{_figure(value['value'])} ({_figure(value['low'])} to {_figure(value['high'])})"
        for name, value in report["metrics"].items()
    }


def _stop(chosen: argparse.Namespace) -> None:
    was_queued = chosen.run in _places()
    runs.stop(chosen.run)
    _done(chosen, "taken out of the queue" if was_queued else "asked to stop")


def _resume(chosen: argparse.Namespace) -> None:
    state = runs.resume(chosen.run).status.state
    _done(chosen, "queued" if state == jobs.QUEUED else "resumed")


def _remove(chosen: argparse.Namespace) -> None:
    runs.remove(chosen.run)
    _done(chosen, "removed")


def _move(chosen: argparse.Namespace) -> None:
    if chosen.to is None or chosen.to < 1:
        raise UserError("`runs move` needs a place from 1 up.", fix="Add --to N; 1 is the next to be trained.")
    runs.move(chosen.run, chosen.to - 1)
    _done(chosen, f"moved to place {_places().get(chosen.run)}")


def _note(chosen: argparse.Namespace) -> None:
    if chosen.tags is None and chosen.note is None:
        raise UserError("`runs note` needs something to note.", fix="Add --tags A,B or --note TEXT.")
    run = runs.get(chosen.run)
    tags = run.tags if chosen.tags is None else chosen.tags.split(",")
    runs.annotate(run.name, tags, run.note if chosen.note is None else chosen.note)
    _done(chosen, "noted")


def _done(chosen: argparse.Namespace, word: str) -> None:
    show(chosen, {"run": chosen.run, "done": word}, f"Run {chosen.run} {word}.")


ACTIONS = {"show": _show, "stop": _stop, "resume": _resume, "remove": _remove, "move": _move, "note": _note}
