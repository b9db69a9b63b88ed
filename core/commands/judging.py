"""Commands that judge models: evaluate, with a report to hand over, and robustness."""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import data, jobs, model_store, runs, workspace
from core.commands.output import progress, show
from core.data.sample import DataSet
from core.errors import UserError
from core.model_store import StoredModel

if TYPE_CHECKING:
    from core.evaluation import EvaluationReport
    from core.prediction import Predictor
    from core.reports import Extras

ENDINGS = (".html", ".pdf", ".json", ".csv")


def evaluate(chosen: argparse.Namespace) -> None:
    """Judges a model on a part of a data set, and writes reports where they are asked for."""
    for file in chosen.report:
        _check_report(Path(file))
    stored, source = model_store.find(chosen.model), data.load(chosen.data)
    from core import evaluation
    from core.prediction import Predictor

    predictor = Predictor.load(chosen.model)
    with progress(chosen, "evaluating") as move:
        report = evaluation.evaluate(predictor, stored.split, source.key, chosen.split, move)
        if folder := _place(stored, source, chosen.job):
            evaluation.save(report, folder)
    more = _extras(chosen, predictor, report, source)
    for file in chosen.report:
        workspace.write_bytes(Path(file), _report(Path(file).suffix.lower(), report, stored.card, more))
    values = report.to_json()
    found = values.pop("metrics") | values | workspace.without_nan(more.to_json())
    lines = [f"{report.films:,} films of {report.patients:,} patients, {report.part} part of {report.data}"]
    lines += [f"{name:12} {m.value:.3f} ({m.low:.3f} to {m.high:.3f})" for name, m in report.metrics.items()]
    lines.append(f"confusion    {dataclasses.asdict(report.confusion)} at {report.rule}")
    lines += _lines_of(more)
    lines += [f"report       {file}" for file in chosen.report]
    show(chosen, found, "\n".join(lines))


def _place(stored: StoredModel, source: DataSet, job: str | None) -> Path | None:
    """Where the figures are kept: beside a run's model, else in the job that a page looks into, else nowhere."""
    is_run = stored.file.parent.parent == runs.runs_folder()
    if is_run and runs.get(stored.name).settings.data == source.key:
        return stored.file.parent
    # The models folder may belong to somebody else.
    return jobs.folder_for(job) if job else None


def _check_report(file: Path) -> None:
    if file.suffix.lower() not in ENDINGS:
        raise UserError(
            f"A report cannot be written as {file.name}.", fix=f"Let its name end in one of {', '.join(ENDINGS)}."
        )
    if not file.absolute().parent.is_dir():
        raise UserError(f"There is no folder {file.absolute().parent}.", fix="Make it first, or choose another.")


def _extras(
    chosen: argparse.Namespace, predictor: "Predictor", report: "EvaluationReport", source: DataSet
) -> "Extras":
    """Single films for a report; damaged films and other models where they are asked for."""
    from core.data.prepare import prepare
    from core.reports import Extras, examples

    films = []
    if chosen.report:
        films = examples.of(predictor, prepare(source, predictor.spec), report.answers, report.threshold)
    return Extras(
        films,
        _tested(chosen, predictor, source) if chosen.robustness else None,
        _lined_up(chosen, report, source) if chosen.against else None,
    )


def _tested(chosen: argparse.Namespace, predictor: "Predictor", source: DataSet) -> Any:
    from core import robustness

    stored = model_store.find(chosen.model)
    with progress(chosen, "damaging films") as move:
        found = robustness.test(predictor, stored.split, source.key, chosen.split, move)
        if folder := _place(stored, source, chosen.job):
            robustness.save(found, folder)
    return found


def _lined_up(chosen: argparse.Namespace, report: "EvaluationReport", source: DataSet) -> Any:
    from core import evaluation, lineup
    from core.lineup import Entry
    from core.prediction import Predictor

    entries = {report.model: Entry(report.answers, report.threshold)}
    for name in chosen.against:
        if name in entries:
            raise UserError(f"{name} cannot be compared with itself.", fix="Name each model once.")
        with progress(chosen, f"evaluating {name}") as move:
            split = model_store.find(name).split
            other = evaluation.evaluate(Predictor.load(name), split, source.key, chosen.split, move)
        entries[name] = Entry(other.answers, other.threshold)
    return lineup.of(entries)


def _report(ending: str, report: "EvaluationReport", card: dict[str, Any], more: "Extras") -> bytes:
    from core import reports

    if ending == ".pdf":
        return reports.evaluation_pdf(report, card, more)
    if ending == ".html":
        return reports.evaluation_html(report, card, more).encode()
    if ending == ".json":
        return json.dumps(reports.report_json(report, card, more)).encode()
    return report.answers.to_csv(index=False).encode()


def _lines_of(more: "Extras") -> list[str]:
    from core import wording
    from core.robustness import FAMILIES

    lines = []
    if more.robustness:
        lines += [f"{family:12} {wording.of_robustness(more.robustness, family)}" for family in FAMILIES]
    if more.lineup:
        lines += [wording.of_comparison(more.lineup.first, *pair) for pair in more.lineup.comparisons.items()]
    return lines


def robustness(chosen: argparse.Namespace) -> None:
    """Judges a model on films that are damaged more and more."""
    stored, source = model_store.find(chosen.model), data.load(chosen.data)
    from core.prediction import Predictor
    from core.reports import Extras

    found = _tested(chosen, Predictor.load(stored.name), source)
    lines = [f"{found.films:,} films, {found.part} part of {found.data}", *_lines_of(Extras(robustness=found))]
    show(chosen, found.to_json(), "\n".join(lines))
