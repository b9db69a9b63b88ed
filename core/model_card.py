"""A model's card as people read it."""

from typing import Any

NOTICE = "Research demonstration, not a medical device."


def text(card: dict[str, Any]) -> str:
    """The card as Markdown, for people."""
    data, settings = card["data"], card["settings"]
    lines = [
        f"# {card['name']}",
        "",
        f"**{NOTICE}**",
        "",
        f"- Network: {card['architecture']} with {card['parameters']:,} parameters, films of "
        f"{card['image_spec']['size']} × {card['image_spec']['size']} pixels ({card['image_spec']['framing']})",
        f"- Made from: {data['name']}{' (SYNTHETIC)' if data['synthetic'] else ''}: "
        + ", ".join(f"{count:,} films for {part}" for part, count in data["films"].items() if count)
        + f"; licence: {data.get('licence') or 'not stated'}",
        f"- Training: epoch {card['best_epoch']} of {settings['epochs']}, {settings['optimizer']} at "
        f"{settings['learning_rate']:g}, batches of {settings['batch_size']}, seed {settings['seed']}",
        f"- Calibration: temperature {card['calibration']['temperature']:.3f}, bias "
        f"{card['calibration'].get('bias', 0.0):+.3f}, fitted on "
        f"{card['calibration']['films']:,} films that were not trained on",
        f"- Operating point: {card['operating_point']['threshold']:.3f}; {card['operating_point']['rule']}",
        f"- SHA-256: `{card['sha256']}`",
        *_about_gate(card),
    ]
    if "cross_validation" in card:
        lines += _about_folds(card)
    return "\n".join(lines) + "\n"


def _about_gate(card: dict[str, Any]) -> list[str]:
    """Whom it knows, when it does not answer, and what it does not judge, as lines of Markdown."""
    lines = [f"- Knows: {card['population']}"] if card.get("population") else []
    if band := card.get("uncertain"):
        lines.append(
            f"- Uncertain: from {band['low']:.3f} to below {band['high']:.3f}, {band['rule']}; of "
            f"{band['films']:,} films {band['share_of_films']:.1%} lie there"
        )
    if gate := card.get("gate"):
        fitted, measured = gate["fitted"], gate["measured"]
        lines.append(
            f"- Gate: {gate['method']} (layer {gate['layer']}); fitted on {fitted['films']:,} films of "
            f"{fitted['patients']:,} patients, refuses {measured['refused']:.2%} of {measured['films']:,} films of "
            f"{measured['patients']:,} others; {gate['rule']}; SHA-256 `{gate['sha256']}`"
        )
    return lines


def about_population(card: dict[str, Any]) -> str:
    """Whom a model knows, in a sentence; "" where its card does not say."""
    known = card.get("population")
    return f"The model was made from {known}; what it says of others is not known to hold." if known else ""


def _about_folds(card: dict[str, Any]) -> list[str]:
    """What a released model's card says besides, as lines of Markdown."""
    found, counts = card["cross_validation"], card["cross_validation"]["confusion"]
    lines = [
        "",
        "## On films that were not trained on",
        "",
        f"{found['folds']} networks were trained, each without one block of patients, in the order of their numbers, "
        "and judged on it. The model is the mean of their weights. Figures of all blocks together, at the threshold "
        "above, with 95 % intervals (Wilson for shares, a bootstrap of patients for the others):",
        "",
        "| figure | value | 95 % interval |",
        "| --- | --- | --- |",
    ]
    lines += [
        f"| {name} | {figure['value']:.4f} | {figure['low']:.4f} to {figure['high']:.4f} |"
        for name, figure in found["metrics"].items()
    ]
    lines += [
        "",
        f"Confusion: {counts['tn']:,} true negative, {counts['fp']:,} false positive, {counts['fn']:,} false negative, "
        f"{counts['tp']:,} true positive. Expected calibration error, calibration fitted on the other blocks: "
        f"{found['calibration_error']:.4f}.",
        "",
        "Each block by itself, its calibration and threshold fitted on the others:",
        "",
        "| block | films | threshold | accuracy | sensitivity | specificity | ROC AUC |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {fold['fold']} | {fold['films']:,} | {fold['threshold']:.3f} | {fold['accuracy']:.4f} | "
        f"{fold['sensitivity']:.4f} | {fold['specificity']:.4f} | {fold['roc_auc']:.4f} |"
        for fold in found["by_fold"]
    ]
    if "by_shift" in found:
        lines += [
            "",
            "The same, of films as other departments would take them: exposure, framing, sharpness changed by us.",
            "",
            "| films | how many | sensitivity | specificity | ROC AUC, mean of the blocks |",
            "| --- | --- | --- | --- | --- |",
        ]
        lines += [
            f"| {shift} | {figures['films']:,} | {figures['sensitivity']:.4f} | {figures['specificity']:.4f} | "
            f"{figures['roc_auc']:.4f} |"
            for shift, figures in found["by_shift"].items()
        ]
    lines += [
        "",
        "What was computed for each film is in `scores.csv`.",
        "",
        "## Looks at other films",
        "",
        *(f"- {look}" for look in card["looks"]),
        "",
        "## Settings",
        "",
        *(f"- {name}: {value}" for name, value in card["settings"].items()),
        "",
        "## Limits",
        "",
        *(f"- {limit}" for limit in card["limits"]),
    ]
    if card.get("attribution"):
        lines += ["", "## Attribution", "", *(f"- {line}" for line in card["attribution"])]
    return lines
