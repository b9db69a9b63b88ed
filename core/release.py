"""One model from several folds: trained block by block, averaged, calibrated on films that no fold had seen, stored.

Each fold's network judges the block of patients it was not trained on; what it says there sets the
calibration, and is what the card reports. The threshold is set with the same films as other departments
would have taken them, too: on those of one hospital alone it says little. The model itself is the mean of
the folds' weights ("model soup", Wortsman et al. 2022), which begin alike and so end near each other.
"""

import csv
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import log_loss, roc_auc_score

from core import answers as film_answers
from core import architectures, calibration, data, evaluation, images, metrics, model_card, model_store, runs
from core.calibration import Calibration, OperatingPoint
from core.data import card as data_card
from core.data import splits
from core.data.prepare import Prepared, prepare
from core.errors import UserError
from core.metrics import Judged
from core.model_store import StoredModel
from core.prediction import Predictor
from core.runs import Run
from core.settings import TrainSettings
from core.shifts import SHIFTS, UNSHIFTED, shifted

SCORES = "scores.csv"
OVER_SHIFTS = "over films as they are and as other departments would have taken them"
NO_LOOKS = "The official test part was neither used nor looked at: all was chosen on the training and validation films."
# Every so many films, to see whether a copy of the model answers as this one did.
CHECKED = 8
# Every so many films under each shift: together they count about as much as all films as they are.
SHIFTED = 8


@dataclasses.dataclass(frozen=True)
class Unseen:
    """What the folds' networks say of films they were not trained on.

    rows: (n,) places in the prepared set. labels: (n,) of 0 and 1. scores: (n,) in [0, 1], before calibration.
    folds: (n,) from 1. patients: (n,) names. shifts: (n,) of SHIFTS, what was done to the film beforehand.
    """

    rows: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    folds: np.ndarray
    patients: np.ndarray
    shifts: np.ndarray

    def where(self, chosen: np.ndarray) -> "Unseen":
        """Those chosen by a mask or by their places."""
        return Unseen(*(getattr(self, field.name)[chosen] for field in dataclasses.fields(self)))

    def under(self, shift: str) -> "Unseen":
        """Those under that shift."""
        return self.where(self.shifts == shift)


def folds_of(settings: TrainSettings, folds: int) -> list[TrainSettings]:
    """The settings of one run for every fold; the last epoch is kept, for nothing is to be chosen on a fold."""
    return [dataclasses.replace(settings, folds=folds, fold=fold, keep="last") for fold in range(1, folds + 1)]


def finished(settings: TrainSettings) -> Run | None:
    """The newest finished run with these very settings, if there is one."""
    return next((run for run in runs.every() if run.settings == settings and run.status.state == "finished"), None)


def release(found: Sequence[Run], name: str, rule: str, target: float) -> StoredModel:
    """Stores models/NAME from the runs of all folds.

    rule, target: see calibration.operating_point. Raises UserError if the runs are not the folds of one
    settings, if their mean answers worse than they do, or if the name is taken or odd.
    """
    model_store.check_name(name)
    settings = _common(found)
    prepared = prepare(data.load(settings.data), settings.image_spec)
    answers = gather(found, prepared)
    unseen = answers.under(UNSHIFTED)
    fitted, point = fit(answers, rule, target)
    probabilities = calibration.calibrate(unseen.scores, fitted)
    parts = np.full(len(prepared.labels), splits.LEFT_OUT, dtype=object)
    parts[unseen.rows] = "train"
    description = data_card.describe(prepared, settings, parts)
    model, stored = averaged(found), [model_store.find(run.name) for run in found]
    card = model_store.new_card(
        # Of other data sets it has seen nothing: there, a test part is drawn as for any model.
        dataclasses.replace(settings, folds=0, fold=1),
        model.count_params(),
        settings.epochs,
        description,
        fitted,
        len(unseen.rows),
        point,
        stored[0].card["made_with"],
    )
    table = film_answers.table_of(prepared, unseen.rows, probabilities)
    report = evaluation.report_of(name, card, prepared, "cross-validation", table, {})
    figures = {key: report.to_json()[key] for key in ("metrics", "confusion")}
    card |= {
        "cross_validation": cross_fitted(answers, rule, target) | figures | {"folds": settings.folds},
        "looks": [NO_LOOKS],
        "limits": _limits(prepared),
        "attribution": _attribution(prepared, settings),
        "made_from": [
            {"run": run.name, "fold": run.settings.fold, "sha256": of_fold.card["sha256"]}
            for run, of_fold in zip(found, stored, strict=True)
        ],
        "minutes": round(sum(_seconds(run) for run in found) / 60, 1),
    }
    card["check"] = _answers(model, prepared, unseen, probabilities, card)
    if card["check"]["log_loss"] > card["check"]["log_loss_of_folds"]:
        raise UserError(
            "The folds' networks ended too far from each other: the mean of their weights answers worse than they do.",
            fix="Let them begin with ImageNet weights or a model, or train with a lower learning rate.",
        )

    def fill(folder: Path) -> None:
        model.save(folder / "model.keras")
        evaluation.save(report, folder)
        _write_scores(folder / SCORES, answers, fitted, prepared)
        data_card.write(description, folder)

    return model_store.store(name, card, splits.by_patient(prepared.table, parts), fill)


def _common(found: Sequence[Run]) -> TrainSettings:
    """The settings of the first fold, if the runs are all folds of the same."""
    settings = found[0].settings
    wanted = folds_of(settings, settings.folds)
    if not settings.folds or [run.settings for run in found] != wanted:
        raise UserError(
            "These runs are not all the folds of one training.",
            fix="Give one run for every fold, in order, with the same settings but for the fold.",
        )
    return settings


def gather(found: Sequence[Run], prepared: Prepared) -> Unseen:
    """What each fold's network says of the block that validated it: of all films as they are, of some shifted."""
    # A shift comes before the contrast is equalised, as it would in another department.
    plain = prepare(prepared.source, dataclasses.replace(prepared.spec, equalise="none"))
    places: list[tuple[np.ndarray, int, str]] = []
    scores = []
    for run in found:
        predictor = Predictor.load(run.name)
        split = model_store.find(run.name).split
        mine = np.flatnonzero(splits.split_as(prepared.table, run.settings, split) == "validation")
        some = mine[::SHIFTED]
        if len(np.unique(prepared.labels[some])) < 2:
            # So few films that a class would be missing: all of them, then.
            some = mine
        for shift in SHIFTS:
            rows = mine if shift == UNSHIFTED else some
            films = [images.equalised(film, prepared.spec) for film in shifted(plain.films[rows], shift)]
            scores.append(predictor.scores(np.stack(films)))
            places.append((rows, run.settings.fold, shift))
    rows = np.concatenate([chosen for chosen, _, _ in places])
    lengths = [len(chosen) for chosen, _, _ in places]
    return Unseen(
        rows=rows,
        labels=prepared.labels[rows],
        scores=np.concatenate(scores),
        folds=np.repeat([fold for _, fold, _ in places], lengths),
        patients=np.asarray(prepared.table["patient"])[rows],
        shifts=np.repeat([shift for _, _, shift in places], lengths),
    )


def fit(answers: Unseen, rule: str, target: float) -> tuple[Calibration, OperatingPoint]:
    """The calibration, from films as they are; the threshold, from these and the shifted ones together."""
    plain = answers.under(UNSHIFTED)
    fitted = calibration.fit(plain.labels, plain.scores)
    probabilities = calibration.calibrate(answers.scores, fitted)
    point = calibration.operating_point(rule, target, answers.labels, probabilities)
    return fitted, dataclasses.replace(point, rule=f"{point.rule}; {OVER_SHIFTS}")


def cross_fitted(answers: Unseen, rule: str, target: float) -> dict[str, Any]:
    """Figures whose calibration and threshold were fitted on the other folds.

    calibration_error: expected calibration error over all films as they are. by_fold: for each fold the
    threshold and what comes of it. by_shift: for each shift the figures of all folds.
    """
    probabilities, called, by_fold = np.empty(len(answers.rows)), np.empty(len(answers.rows), bool), []
    for fold in np.unique(answers.folds):
        here = answers.folds == fold
        fitted, point = fit(answers.where(~here), rule, target)
        probabilities[here] = calibration.calibrate(answers.scores[here], fitted)
        called[here] = probabilities[here] >= point.threshold
        chosen = here & (answers.shifts == UNSHIFTED)
        judged = Judged(
            answers.labels[chosen], probabilities[chosen], answers.patients[chosen].tolist(), point.threshold
        )
        values = {name: figure.value for name, figure in metrics.measure(judged).items()}
        by_fold.append({"fold": int(fold), "films": int(chosen.sum()), "threshold": point.threshold} | values)
    plain = answers.shifts == UNSHIFTED
    error = calibration.expected_calibration_error(answers.labels[plain], probabilities[plain])
    by_shift = {
        str(shift): _figures(answers.where(answers.shifts == shift), called[answers.shifts == shift])
        for shift in dict.fromkeys(answers.shifts)
    }
    return {"calibration_error": error, "by_fold": by_fold, "by_shift": by_shift}


def _figures(answers: Unseen, called: np.ndarray) -> dict[str, float]:
    """ROC AUC is the mean over the folds, as two networks' scores are of two scales."""
    parts = [answers.where(answers.folds == fold) for fold in np.unique(answers.folds)]
    return {
        "films": len(answers.rows),
        "roc_auc": float(np.mean([roc_auc_score(part.labels, part.scores) for part in parts])),
        "sensitivity": float(called[answers.labels == 1].mean()),
        "specificity": float((~called[answers.labels == 0]).mean()),
    }


def averaged(found: Sequence[Run]) -> Any:
    """The network with the mean of the runs' weights: a keras.Model."""
    import keras

    models = [keras.models.load_model(model_store.find(run.name).file, compile=False, safe_mode=True) for run in found]
    first, *others = models
    for variable, *more in zip(first.weights, *(other.weights for other in others), strict=True):
        variable.assign(np.mean([variable.numpy(), *(other.numpy() for other in more)], axis=0))
    return first


def _limits(prepared: Prepared) -> list[str]:
    """What the model must not be taken for."""
    films = (
        "drawn by a computer: nothing learnt from them holds for patients" if prepared.synthetic else "of one data set"
    )
    return [
        f"Its films were {films}.",
        "It knows two answers, normal and pneumonia: a film with another disease gets one of them all the same.",
        "Figures on patients of the same data set promise nothing for other hospitals, ages, devices or prevalences.",
        "The figures are those of the folds' networks; the mean of their weights was not judged by itself.",
        model_card.NOTICE,
    ]


def _attribution(prepared: Prepared, settings: TrainSettings) -> list[str]:
    """Whose work is in it."""
    found = [f"Films: {prepared.name}; licence: {prepared.source.licence}"] if prepared.source.licence else []
    begun_with = architectures.attribution(settings)
    return found + ([f"Weights it began with: {begun_with}"] if begun_with else [])


def _seconds(run: Run) -> float:
    status = run.status
    return status.updated - status.started


def _answers(
    model: Any, prepared: Prepared, unseen: Unseen, of_folds: np.ndarray, card: dict[str, Any]
) -> dict[str, Any]:
    """What the model says of some films it was trained on: to recognise it by, not to judge it by.

    of_folds: probabilities of the folds' networks, each for films it was not trained on.
    """
    chosen = np.argsort(unseen.rows)[::CHECKED]
    rows, labels = unseen.rows[chosen], unseen.labels[chosen]
    probabilities = Predictor("", card, model).probabilities(prepared.films[rows])
    called = probabilities >= card["operating_point"]["threshold"]
    return {
        "films": len(rows),
        "every": CHECKED,
        "mean_probability": float(probabilities.mean()),
        "accuracy": float((called == labels).mean()),
        "log_loss": float(log_loss(labels, probabilities, labels=[0, 1])),
        "log_loss_of_folds": float(log_loss(labels, of_folds[chosen], labels=[0, 1])),
    }


def _write_scores(path: Path, answers: Unseen, fitted: Calibration, prepared: Prepared) -> None:
    """A line an answer: what the card's figures were computed from. Films go by their hash, not by their name."""
    probabilities = calibration.calibrate(answers.scores, fitted)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["film", "fold", "shift", "label", "score", "probability"])
        for place in np.lexsort((answers.rows, answers.shifts != UNSHIFTED)):
            digest = prepared.table["sha256"][answers.rows[place]][:16]
            # With every digit: the threshold may be the very probability of a film.
            values = f"{answers.scores[place]:.9g}", f"{probabilities[place]:.17g}"
            table.writerow([digest, answers.folds[place], answers.shifts[place], answers.labels[place], *values])


Follow = Callable[[Run], None]


def train_folds(settings: TrainSettings, folds: int, follow: Follow) -> list[Run]:
    """A finished run for every fold: those that are there already, and new ones.

    follow: called with each new run; returns when it has ended. Raises UserError if one did not finish.
    """
    found = []
    for wanted in folds_of(settings, folds):
        run = finished(wanted)
        if not run:
            run = runs.start(wanted)
            follow(run)
        if run.status.state != "finished":
            raise UserError(
                f"Run {run.name} is {run.status.state}.", fix="Start again: folds that are finished are not repeated."
            )
        found.append(run)
    return found
