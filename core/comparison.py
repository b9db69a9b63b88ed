"""Two models' answers to the same films: by how much they differ, and whether that may be chance."""

import dataclasses
import math
from typing import Any

import numpy as np
import pandas as pd

from core import bootstrap, metrics, workspace
from core.data.sample import CLASS_NAMES
from core.errors import UserError
from core.metrics import Interval, Judged

# scikit-learn and SciPy are imported where they are called: a page reads this file as it starts.


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A second model against a first, on the films that both have judged.

    films, patients: in common. only_first, only_second: films that one of them alone has judged. differences:
    second minus first, in accuracy, sensitivity, specificity and roc_auc, with intervals from a bootstrap of
    patients that draws the same ones for both. p_auc: see `delong`; p_accuracy: see `mcnemar`; both count films as
    independent and are too small where patients have many. discordant: films called rightly by the first
    alone, and by the second alone. disagree: films that the two call differently, with columns film, patient, label,
    first and second (the probabilities) and right (which of both is), the farthest apart on top.
    """

    films: int
    patients: int
    only_first: int
    only_second: int
    differences: dict[str, Interval]
    p_auc: float
    p_accuracy: float
    discordant: tuple[int, int]
    disagree: pd.DataFrame = dataclasses.field(compare=False, repr=False)

    def to_json(self) -> dict[str, Any]:
        """Plain values; a figure that cannot be told is null."""
        plain = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        differences = {name: dataclasses.asdict(figure) for name, figure in self.differences.items()}
        disagree = self.disagree.to_dict("records")
        return workspace.without_nan(plain | {"differences": differences, "disagree": disagree})


@dataclasses.dataclass(frozen=True)
class DeLong:
    """difference: of two ROC AUCs, second minus first. variance: of it. p: of a difference at least as large."""

    difference: float
    variance: float
    p: float


def compare(first: pd.DataFrame, first_threshold: float, second: pd.DataFrame, second_threshold: float) -> Comparison:
    """Both models on the films they have in common, each at its own threshold in [0, 1].

    first, second: as from `core.answers`; films go by name, and patients by what the first calls them. Raises
    UserError if a table names a film twice, if the two have no film in common or give one film two labels, or
    if a class is missing among the films in common.
    """
    common = _common(first, second)
    labels, patients = common["label"].to_numpy(), common["patient"].to_list()
    one = Judged(labels, common["first"].to_numpy(), patients, first_threshold)
    other = Judged(labels, common["second"].to_numpy(), patients, second_threshold)
    one_called, other_called = (judged.scores >= judged.threshold for judged in (one, other))
    # Of two different calls, one is right.
    differ = one_called != other_called
    first_alone = int((differ & (one_called == labels)).sum())
    second_alone = int(differ.sum()) - first_alone
    apart = (common["first"] - common["second"]).abs()[differ].sort_values(ascending=False, kind="stable")
    return Comparison(
        films=len(common),
        patients=len(set(patients)),
        only_first=len(first) - len(common),
        only_second=len(second) - len(common),
        differences=_differences(one, other),
        p_auc=delong(labels, one.scores, other.scores).p,
        p_accuracy=mcnemar(first_alone, second_alone),
        discordant=(first_alone, second_alone),
        disagree=common.assign(right=np.where(one_called == labels, "first", "second"))
        .loc[apart.index]
        .reset_index(drop=True),
    )


def _common(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Films in both tables, by name, with both probabilities. Raises UserError, see `compare`."""
    for table in (first, second):
        if (twice := table["film"][table["film"].duplicated()]).size:
            raise UserError(
                f"The answers name film {twice.iloc[0]} twice: nobody can tell which answer is meant.",
                fix="Evaluate that model again.",
            )
    known = first[["film", "patient", "label", "probability"]].rename(columns={"probability": "first"})
    added = second[["film", "label", "probability"]].rename(columns={"probability": "second", "label": "also"})
    both = known.merge(added, on="film").sort_values("film", ignore_index=True)
    if both.empty:
        raise UserError(
            "The two models have judged no film in common.", fix="Evaluate both on the same part of the same data set."
        )
    if (differ := both[both["label"] != both["also"]]).size:
        film = differ.iloc[0]
        one, other = CLASS_NAMES[film["label"]], CLASS_NAMES[film["also"]]
        raise UserError(
            f"{film['film']} is {one} for the first model and {other} for the second: "
            f"{len(differ):,} of {len(both):,} films in common have two labels.",
            fix="Evaluate both models again, on the data set as it is now.",
        )
    for label, name in enumerate(CLASS_NAMES):
        if not (both["label"] == label).any():
            raise UserError(
                f"The {len(both):,} films that both models have judged hold no {name} film.",
                fix="Evaluate both on a part that holds films of both classes.",
            )
    return both.drop(columns="also")


def _differences(one: Judged, other: Judged) -> dict[str, Interval]:
    """Second minus first, by name."""
    before, after = _figures(one), _figures(other)
    # Patients are drawn by their number alone, so both models get the same ones in each resample.
    drawn_before, drawn_after = _resampled_figures(one), _resampled_figures(other)
    return {
        name: Interval(float(after[name] - before[name]), *bootstrap.interval(drawn_after[name] - drawn_before[name]))
        for name in before
    }


def _figures(judged: Judged) -> dict[str, float]:
    from sklearn.metrics import roc_auc_score

    return _shares(*dataclasses.astuple(judged.confusion)) | {"roc_auc": roc_auc_score(judged.labels, judged.scores)}


def _resampled_figures(judged: Judged) -> dict[str, np.ndarray]:
    return _shares(*judged.resampled_counts()) | {"roc_auc": metrics.resampled_roc_aucs(judged)}


def _shares(tn: Any, fp: Any, fn: Any, tp: Any) -> dict[str, Any]:
    """Of counts, or of arrays of counts; NaN where a resample lacks the class."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "accuracy": (tp + tn) / (tn + fp + fn + tp),
            "sensitivity": tp / (tp + fn),
            "specificity": tn / (tn + fp),
        }


def mcnemar(first_alone: int, second_alone: int) -> float:
    """Exact p value that two models are right equally often (McNemar 1947): in [0, 1].

    first_alone, second_alone: films that the one calls rightly and the other wrongly, each way with chance
    1/2 if they are. Films count, not patients.
    """
    if not first_alone + second_alone:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(first_alone, first_alone + second_alone).pvalue)


def delong(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> DeLong:
    """Whether two ROC AUCs on the same films differ (DeLong, DeLong and Clarke-Pearson 1988).

    labels: (n,) of 0 and 1, both present. first, second: (n,) scores. By ranks, as Sun and Xu 2014. Films count,
    not patients. variance and p are NaN where a class has a single film.
    """
    of_first, of_second = _placements(labels, first), _placements(labels, second)
    positives, negatives = (later - earlier for earlier, later in zip(of_first, of_second, strict=True))
    difference = float(positives.mean())
    if min(len(positives), len(negatives)) < 2:
        return DeLong(difference, math.nan, math.nan)
    # The variance of the differences is what the covariance matrix of the placements gives for the contrast.
    variance = float(positives.var(ddof=1) / len(positives) + negatives.var(ddof=1) / len(negatives))
    if not variance:
        return DeLong(difference, variance, 0.0 if difference else 1.0)
    from scipy.stats import norm

    return DeLong(difference, variance, float(2 * norm.sf(abs(difference) / math.sqrt(variance))))


def _placements(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each positive the share of negatives below it, for each negative that of positives above; ties count half."""
    from scipy.stats import rankdata

    positive = labels == 1
    ranks = rankdata(scores)
    of_positives = ranks[positive] - rankdata(scores[positive])
    of_negatives = ranks[~positive] - rankdata(scores[~positive])
    return of_positives / len(of_negatives), 1 - of_negatives / len(of_positives)
