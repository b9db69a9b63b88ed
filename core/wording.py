"""What results say, in sentences and figures for a reader without training: pages and reports use the same."""

import math
from typing import TYPE_CHECKING

from core.curves import Histogram, ReliabilityBin
from core.metrics import Confusion, Interval

if TYPE_CHECKING:
    from core.comparison import Comparison
    from core.evaluation import EvaluationReport
    from core.prediction import Prediction
    from core.robustness import Robustness

PARTS = {
    "cross-validation": "every film judged by the one network that was trained without its patient",
    "validation": "kept aside during training, used to choose the best epoch and to calibrate",
    "test": "patients kept apart from every choice, for the final judgement",
    "all": "all films, of data that the model was not made from",
}
TITLES = {
    "accuracy": "Accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "PPV",
    "npv": "NPV",
    "balanced_accuracy": "Balanced accuracy",
    "f1": "F1",
    "mcc": "MCC",
    "roc_auc": "ROC AUC",
    "pr_auc": "PR AUC",
    "brier": "Brier score",
    "calibration_error": "Calibration error",
}
VERDICTS = {
    "suggests_pneumonia": "Suggests pneumonia",
    "suggests_normal": "Suggests normal",
    "uncertain": "Uncertain",
    "not_a_chest_film": "Not a chest X-ray",
}
UNTOLD = "cannot be told"
# A probability below the one or from the other on counts as a clear answer.
CLEAR = (0.2, 0.8)
# The threshold probability that explains what one is.
EXAMPLE = 0.2
# A share that changes by less stays as it is.
HOLDS = 0.02
# p values from here on may well be chance.
CHANCE = 0.05


def figure(value: float) -> str:
    """ ".951", with the zero left out as in the field's papers; "–" for NaN."""
    if math.isnan(value):
        return "–"
    # Adding 0 turns -0.0 round.
    text = f"{abs(rounded):.3f}" if (rounded := round(value, 3) + 0.0) else "0.000"
    return ("−" if rounded < 0 else "") + text.removeprefix("0")


def interval(found: Interval) -> str:
    """ ".767–.881", or "cannot be told" for NaN."""
    if math.isnan(found.low) or math.isnan(found.high):
        return UNTOLD
    # Beside a minus a dash would be read as one.
    return f"{figure(found.low)}{' to ' if found.low < 0 else '–'}{figure(found.high)}"


def with_interval(found: Interval) -> str:
    """ ".951 (.946–.957)", or "cannot be told" for NaN."""
    if math.isnan(found.value):
        return UNTOLD
    between = interval(found)
    return f"{figure(found.value)} (interval {between})" if between == UNTOLD else f"{figure(found.value)} ({between})"


def of_confusion(c: Confusion) -> str:
    """How many films of each class were called rightly."""
    ill, normal = c.tp + c.fn, c.tn + c.fp
    return " ".join(
        (
            f"Of {_films(ill, 'pneumonia')} the model found {_count(c.tp)} and missed {_count(c.fn)}."
            if ill
            else "There were no pneumonia films.",
            f"Of {_films(normal, 'normal')} it left {_count(c.tn)} in peace and called {_count(c.fp)} pneumonia."
            if normal
            else "There were no normal films.",
        )
    )


def of_roc(report: "EvaluationReport") -> str:
    """What the area under the ROC curve is."""
    found = report.metrics["roc_auc"]
    if math.isnan(found.value):
        return "Whether pneumonia films score higher than normal ones cannot be told from these films."
    if len(report.curves.roc.sensitivity) == 2:
        return "The model gives every film the same score: it tells none apart."
    return (
        f"A pneumonia film scores higher than a normal one in {_percent(found.value)} of all pairs {_between(found)}. "
        "Guessing would give 50%."
    )


def of_pr(report: "EvaluationReport") -> str:
    """What the area under the precision-recall curve is."""
    found = report.metrics["pr_auc"]
    if math.isnan(found.value):
        return "How many of the films called pneumonia show it cannot be told from these films."
    return (
        "From the first pneumonia film found to the last, on average "
        f"{_percent(found.value)} of the films called pneumonia show it {_between(found)}. "
        f"Guessing would give {_percent(report.curves.pr.prevalence)}, their share of these films."
    )


def of_reliability(report: "EvaluationReport") -> str:
    """How far probabilities and shares lie apart, and where most is amiss."""
    found = report.metrics["calibration_error"]
    if math.isnan(found.value):
        return "Whether the probabilities hold cannot be told from these films."
    points = Interval(*(100 * one for one in (found.value, found.low, found.high)))
    off = f"On average the probabilities are off by {points.value:.1f} points {_between_numbers(points)}."
    amiss = [one for one in report.curves.reliability if not one.share.low <= one.probability <= one.share.high]
    if not amiss:
        return f"{off} No group of films strays from them by more than chance allows."
    worst = max(amiss, key=_wrong_films)
    return (
        f"{off} Most is amiss among the {_films(worst.films)} to which the model gives about "
        f"{worst.probability:.0%}: {_percent(worst.share.value)} of them show pneumonia."
    )


def _wrong_films(bin: ReliabilityBin) -> float:
    return bin.films * abs(bin.share.value - bin.probability)


def of_histogram(found: Histogram) -> str:
    """How many films of each class get a clear answer, and how many none."""
    low, high = (_nearest(found.edges, edge) for edge in CLEAR)
    ill, normal = sum(found.pneumonia), sum(found.normal)
    between = sum(found.pneumonia[low:high]) + sum(found.normal[low:high])
    clear = [
        f"{_percent(sum(counts) / of)} of the {kind} films {answer}"
        for counts, of, kind, answer in (
            (found.pneumonia[high:], ill, "pneumonia", f"a probability of {CLEAR[1]:.0%} or more"),
            (found.normal[:low], normal, "normal", f"one below {CLEAR[0]:.0%}"),
        )
        if of
    ]
    if not clear:
        return "There were no films."
    return f"The model gives {' and '.join(clear)}. In between lie {_count(between)} of {_films(ill + normal)}."


def _nearest(edges: list[float], wanted: float) -> int:
    return min(range(len(edges)), key=lambda place: abs(edges[place] - wanted))


def of_decision(report: "EvaluationReport") -> str:
    """At which threshold probabilities following the model is better than treating all and than treating none."""
    found = report.curves.decision
    # Beyond the error of floating point: a model that treats all is not better than treating all.
    better = [model > max(everyone, 0.0) + 1e-9 for model, everyone in zip(found.model, found.treat_all, strict=True)]
    ranges = _ranges(found.threshold, better)
    extent = f"{found.threshold[0]:.0%} to {found.threshold[-1]:.0%}"
    if ranges:
        at = f"every threshold from {extent}" if all(better) else f"thresholds of {_listed(ranges)}"
        says = f"At {at}, following the model has more net benefit than treating all and than treating none."
    else:
        says = f"At no threshold from {extent} has following the model more net benefit than both other ways."
    needless = round((1 - EXAMPLE) / EXAMPLE)
    return f"{says} A threshold of {EXAMPLE:.0%} holds {needless} needless treatments for as bad as one omitted."


def sentence_case(text: str) -> str:
    """With its first letter large, and the others as they are."""
    return text[:1].upper() + text[1:]


def of_robustness(found: "Robustness", family: str) -> str:
    """How far accuracy falls at the worst level of a family, and whether only the threshold is to blame."""
    before, steps = found.untouched, found.steps(family)
    worst = min(steps, key=lambda step: step.metrics["accuracy"].value)
    fallen, ordered = worst.metrics["accuracy"].value, worst.metrics["roc_auc"].value
    if before["accuracy"].value - fallen < HOLDS:
        return f"Accuracy stays within {HOLDS * 100:.0f} points of {_percent(before['accuracy'].value)} at every level."
    text = f"Accuracy falls from {_percent(before['accuracy'].value)} to {_percent(fallen)} ({worst.label})."
    if before["roc_auc"].value - ordered < HOLDS:
        return (
            f"{text} The order of the films holds (ROC AUC {figure(ordered)}): it is the threshold that fits no more."
        )
    return f"{text} ROC AUC falls from {figure(before['roc_auc'].value)} to {figure(ordered)}."


def of_comparison(first: str, second: str, found: "Comparison") -> str:
    """Which of two models is right more often, whether that may be chance, and the same of their ROC AUCs."""
    one, other = found.discordant
    if not one + other:
        calls = f"{first} and {second} call all {found.films:,} films alike."
    else:
        calls = (
            f"Of {_films(found.films)} the two call {_count(one + other)} differently: {first} is right about "
            f"{_count(one)} of them, {second} about {_count(other)}. "
            + _chance(found.p_accuracy, "So large a difference in accuracy")
        )
    difference = found.differences["roc_auc"]
    if not difference.value:
        return f"{calls} Their ROC AUCs are the same."
    order = (
        f"The ROC AUC of {second} is {figure(abs(difference.value))} {'lower' if difference.value < 0 else 'higher'}"
    )
    if math.isnan(found.p_auc):
        return f"{calls} {order}; whether by chance cannot be told."
    return f"{calls} {order}. " + _chance(found.p_auc, "A difference as large")


def of_prediction(found: "Prediction") -> str:
    """What the answer to one film means, in a sentence."""
    share, threshold = probability(found.probability), probability(found.threshold)
    return {
        "suggests_pneumonia": f"The film is more like those with pneumonia: the probability of {share} reaches the "
        f"operating point of {threshold}.",
        "suggests_normal": f"The film is more like the normal ones: the probability of {share} stays below the "
        f"operating point of {threshold}.",
        "uncertain": f"The probability of {share} lies too near the operating point of {threshold} to call it.",
        "not_a_chest_film": "The picture is not like the films that the model knows, so it is not judged.",
    }[found.verdict]


def probability(share: float) -> str:
    """ "93.4%"; no film is certain: never 0 or 100 %."""
    if share > 0.999:
        return "more than 99.9%"
    return "less than 0.1%" if share < 0.001 else f"{share:.1%}"


def of_worth(prevalence: float, is_ill: bool, value: Interval) -> str:
    """What an answer of that kind is worth where so many have pneumonia. value: the PPV there, or the NPV."""
    answer, truth = ("pneumonia", "show it") if is_ill else ("normal", "are")
    if math.isnan(value.value):
        return f"How often it is right when it says {answer} {UNTOLD}."
    return (
        f"Where {prevalence * 100:.0f} of 100 children have pneumonia, {value.value * 100:.0f} of 100 films that it "
        f"calls {answer} {truth} {_between(value)}."
    )


def _chance(p: float, what: str) -> str:
    often = "less than once in 1,000 times" if p < 0.001 else f"{p:.1%} of the times"
    verdict = "may well be chance" if p >= CHANCE else "is hardly chance"
    return f"{what} {verdict}: were they equally good, it would come {often}."


def _ranges(values: list[float], chosen: list[bool]) -> list[tuple[float, float]]:
    """First and last of each stretch of values that is chosen."""
    found = []
    for place, (value, is_chosen) in enumerate(zip(values, chosen, strict=True)):
        if is_chosen and place and chosen[place - 1]:
            found[-1] = (found[-1][0], value)
        elif is_chosen:
            found.append((value, value))
    return found


def _listed(ranges: list[tuple[float, float]]) -> str:
    texts = [f"{low:.0%}" if low == high else f"{low:.0%} to {high:.0%}" for low, high in ranges]
    return " and ".join([", ".join(texts[:-1]), *texts[-1:]] if len(texts) > 1 else texts)


def _percent(share: float) -> str:
    """A share that is not quite all or nothing is not called so."""
    text = f"{share:.1%}"
    if text == "100.0%":
        return "100%" if share == 1 else "more than 99.9%"
    if text == "0.0%":
        return "0%" if share == 0 else "less than 0.1%"
    return text


def _between(found: Interval) -> str:
    return _between_numbers(Interval(*(100 * one for one in (found.value, found.low, found.high))))


def _between_numbers(found: Interval) -> str:
    if math.isnan(found.low) or math.isnan(found.high):
        return f"(its 95 % interval {UNTOLD})"
    return f"(95 % interval {found.low:.1f} to {found.high:.1f})"


def _count(films: int) -> str:
    return f"{films:,}" if films else "none"


def _films(films: int, kind: str = "") -> str:
    return f"{films:,} {kind} film{'' if films == 1 else 's'}".replace("  ", " ")
