"""Commands on data sets: prepare, audit, remember, download."""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import data, workspace
from core.commands.output import progress, show
from core.data import csv_table, kaggle_hub, manifest
from core.data import prepare as preparing
from core.data.manifest import Fix
from core.errors import UserError
from core.images import ImageSpec
from core.settings import TrainSettings

if TYPE_CHECKING:
    from core.data.audit import Audit


def prepare(chosen: argparse.Namespace) -> None:
    """Decodes every film of a data set once."""
    begin = time.perf_counter()
    with progress(chosen, "preparing") as move:
        # The settings know the range of an image size.
        spec = TrainSettings(image_size=chosen.image_size, framing=chosen.framing, equalise=chosen.equalise).image_spec
        source = data.load(chosen.data)
        cached = preparing.find(source, spec) is not None
        prepared = preparing.prepare(source, spec, move)
    seconds = time.perf_counter() - begin
    found = {
        "data": prepared.name,
        "films": len(prepared.films),
        "unreadable": prepared.unreadable,
        "image_size": spec.size,
        "cached": cached,
        "seconds": round(seconds, 3),
    }
    lines = [f"{item['file']}: {item['error']} {item['fix']}" for item in prepared.unreadable]
    lines += source.notes if not source.synthetic else ()
    lines.append(f"{len(prepared.films):,} films of {prepared.name} ready at {spec.size} px in {seconds:.1f} s.")
    show(chosen, found, "\n".join(lines))


def audit_data(chosen: argparse.Namespace) -> None:
    """Looks a data set over; records or takes back a fix where that is asked for."""
    # SciPy takes a second to import, and every run starts through this module.
    from core import reports
    from core.data.audit import apply, audit, undo

    with progress(chosen, "preparing") as move:
        prepared = preparing.prepare(data.load(chosen.data), ImageSpec(), move)
    if chosen.html and not workspace.is_folder(Path(chosen.html).absolute().parent):
        raise UserError(f"There is no folder for {chosen.html}.", fix="Make it first, or name another file.")
    if chosen.undo is not None:
        prepared = undo(prepared, _numbered(prepared.source.fixes, chosen.undo))
    for id in chosen.fix:
        finding = audit(prepared).finding(id)
        if finding.fix is None:
            raise UserError(f"Nothing can be done here about {id}.", fix=finding.advice)
        prepared = apply(prepared, finding.fix)
    found = audit(prepared)
    if chosen.html:
        workspace.write_bytes(Path(chosen.html), reports.audit_html(found, prepared).encode())
    show(chosen, found.to_json(), _audit_text(found, prepared))


def _numbered(fixes: tuple[Fix, ...], number: int) -> Fix:
    if not 1 <= number <= len(fixes):
        known = f"Choose one from 1 to {len(fixes)}." if fixes else "None is recorded: there is nothing to undo."
        raise UserError(f"There is no fix number {number}.", fix=known)
    return fixes[number - 1]


def _audit_text(found: "Audit", prepared: preparing.Prepared) -> str:
    lines = [
        f"{found.data}: {found.films:,} films of {found.patients:,} patients"
        + (f", {found.excluded:,} left out" if found.excluded else ""),
        f"A validation part drawn film by film would share patients for {found.shared_if_random:.0%} of its films.",
    ]
    lines += found.notes if not found.synthetic else ()
    for finding in found.findings:
        lines += ["", f"{finding.severity.upper()}: {finding.title}  [{finding.id}]", f"  {finding.meaning}"]
        lines.append(f"  {finding.advice}" + (f" Here: --fix {finding.id}" if finding.fix else ""))
    if not found.findings:
        lines.append("Nothing was found.")
    fixes = prepared.source.fixes
    lines += ["", *(f"fix {i}: {fix.kind}, {fix.why} ({fix.made})" for i, fix in enumerate(fixes, 1))] if fixes else []
    return "\n".join(lines)


def manage_data(chosen: argparse.Namespace) -> None:
    """Lists, adds or removes remembered data sets."""
    if chosen.action == "list":
        remembered = manifest.every()
        if not any(kept.key == "phantoms" for kept in remembered):
            remembered.insert(0, manifest.Manifest("phantoms", "Synthetic phantoms"))
        found = [
            {"name": kept.name, "key": kept.key, "licence": kept.licence, "fixes": len(kept.fixes)}
            for kept in remembered
        ]
        show(chosen, found, "\n".join(f"{kept['name']:24} {kept['key']}" for kept in found))
        return
    if not chosen.data:
        raise UserError(f"`data {chosen.action}` needs --data.", fix="Name a folder, a file or a remembered data set.")
    if chosen.action == "remove":
        data.forget(_key(chosen.data))
        show(chosen, {"data": chosen.data, "done": "removed"}, f"{chosen.data} is forgotten; films on your disk stay.")
        return
    changes: dict[str, Any] = {"licence": chosen.licence} if chosen.licence else {}
    key = manifest.key_of(chosen.data)
    if chosen.columns:
        path = csv_table.table_file(key)
        kept = data.remember_table(path, chosen.name or "", _columns(path, chosen.columns), **changes)
    else:
        kept = manifest.remember(data.load(key).key, chosen.name or "", **changes)
    show(chosen, {"data": kept.name, "key": kept.key, "done": "added"}, f"Remembered as {kept.name}.")


def _key(text: str) -> str:
    """The key of a data set, even one whose films are gone."""
    key = manifest.key_of(text)
    if manifest.find(key):
        return key
    try:
        return data.load(key).key
    except UserError:
        return key


def _columns(path: Path, settings: list[str]) -> dict[str, Any]:
    """Columns from words such as file=image, label=finding, normal=0, pneumonia=1."""
    values: dict[str, Any] = {"normal": [], "pneumonia": []}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise UserError(f"--column {setting} is not understood.", fix="Write KIND=COLUMN, such as label=finding.")
        if name in ("normal", "pneumonia"):
            values[name].append(text)
        else:
            values[name] = text
    table = csv_table.read(path)
    labels = [str(value) for value in table[values["label"]].unique()] if values.get("label") in table else []
    for name, words in (("normal", csv_table.NORMAL_WORDS), ("pneumonia", csv_table.PNEUMONIA_WORDS)):
        values[name] = values[name] or [label for label in labels if csv_table.word(label) in words]
    return csv_table.columns_from(values, list(table.columns)).to_json()


def download(chosen: argparse.Namespace) -> None:
    """Fetches a data set from Kaggle by its name."""
    with progress(chosen, "downloading") as move:
        # kagglehub tells nobody how far it is but its own bar on standard error.
        move(0, 0)
        folder = kaggle_hub.download(chosen.data)
        found = data.load(chosen.data)
        kept = manifest.remember(found.key)
    value = {"data": kept.name, "folder": str(folder), "films": len(found.samples)}
    show(chosen, value, f"{len(found.samples):,} films in {folder}; use them with --data {kept.name}")
