"""The house rules: who may import whom."""

import ast
import subprocess
import sys

import pytest

from tests.conftest import PROJECT

LEVELS = (
    (
        "core.errors",
        "core.workspace",
        "core.settings",
        "core.presets",
        "core.machine",
        "core.dicom_pixels",
        "core.dicom",
        "core.headers",
        "core.contradictions",
        "core.images",
        "core.shifts",
        "core.calibration",
        "core.bootstrap",
        "core.metrics",
        "core.curves",
    ),
    (
        "core.data.sample",
        "core.data.manifest",
        "core.data.identity",
        "core.data.tree",
        "core.data.archive",
        "core.data.class_folders",
        "core.data.csv_table",
        "core.data.dicom_folder",
        "core.data.kaggle_folder",
        "core.data.kaggle_hub",
        "core.data.npz",
        "core.data.zip_upload",
        "core.data.in_memory",
        "core.data.phantoms",
        "core.data",
        "core.data.prepare",
        "core.data.splits",
        "core.data.duplicates",
        "core.data.likeness",
        "core.data.film_file",
        "core.data.augment",
        "core.data.card",
        "core.data.checks.finding",
        "core.data.checks.copies",
        "core.data.checks.files",
        "core.data.checks.parts",
        "core.data.checks.shortcuts",
        "core.data.checks",
        "core.data.audit",
        "core.run_log",
        "core.diagnosis",
        "core.provenance",
        "core.jobs",
        "core.run_queue",
        "core.runs",
        "core.model_card",
        "core.model_store",
    ),
    (
        "core.architectures.blueprint",
        "core.architectures.fused_norm",
        "core.architectures.simple_cnn",
        "core.architectures.residual",
        "core.architectures.efficientnet_lite",
        "core.architectures.densenet",
        "core.architectures",
        "core.architectures.cost",
        "core.starting",
        "core.advice",
        "core.probe",
        "core.data.batches",
        "core.precision",
        "core.optimizers",
        "core.learner",
        "core.checkpoint",
        "core.recorder",
        "core.training",
    ),
    ("core.gradcam", "core.ood", "core.prediction"),
    (
        "core.answers",
        "core.breakdown",
        "core.looks",
        "core.cautions",
        "core.evaluation",
        "core.comparison",
        "core.lineup",
        "core.robustness",
        "core.release",
        "core.gating",
    ),
    (
        "core.wording",
        "core.reports.document",
        "core.reports.drawings",
        "core.reports.pages",
        "core.reports.pdf",
        "core.reports.extras",
        "core.reports.cards",
        "core.reports.examples",
        "core.reports.contents",
        "core.reports.audit",
        "core.reports.evaluation",
        "core.reports.prediction",
        "core.reports",
    ),
    (
        "core.commands",
        "core.commands.output",
        "core.commands.data",
        "core.commands.machine",
        "core.commands.training",
        "core.commands.models",
        "core.commands.judging",
        "core.commands.runs",
        "core.cli",
        "core.worker",
    ),
    (
        "dashboard.app_pages",
        "dashboard.loaded",
        "dashboard.state",
        "dashboard.charts",
        "dashboard.curves",
        "dashboard.run_tables",
        "dashboard.judgement_charts",
        "dashboard.caches",
    ),
    ("dashboard.components",),
    (
        "dashboard.data_sets",
        "dashboard.findings",
        "dashboard.previews",
        "dashboard.judgements",
        "dashboard.judgement_figures",
        "dashboard.judgement_films",
        "dashboard.handing_in",
        "dashboard.prediction_one",
        "dashboard.prediction_many",
        "dashboard.judgement_robustness",
        "dashboard.judgement_comparison",
        "dashboard.judgement_curves",
        "dashboard.run_views",
        "dashboard.run_actions",
        "dashboard.live",
        "dashboard.training_form",
        "dashboard.uploads",
        "dashboard.openapi",
        "dashboard.api",
        "dashboard.server",
    ),
)
NEED_TENSORFLOW = {
    "core.probe",
    "core.data.batches",
    "core.precision",
    "core.architectures.fused_norm",
    "core.optimizers",
    "core.learner",
    "core.checkpoint",
    "core.recorder",
    "core.training",
}
FILES = sorted([*PROJECT.glob("core/**/*.py"), *PROJECT.glob("dashboard/**/*.py")])


def module_name(path) -> str:
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def level(module: str) -> int:
    for number, modules in enumerate(LEVELS):
        if module in modules:
            return number
    assert module == "dashboard.app" or module.startswith("dashboard.app_pages."), f"{module} has no level"
    return len(LEVELS)


def imports(path) -> set[str]:
    """Every module a file imports anywhere in it; `from core import runs` counts as core.runs."""
    found = set()
    modules = {module_name(file) for file in FILES}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & modules
            found |= inner or {node.module}
    return found


def top_imports(path) -> set[str]:
    """Modules that are imported as soon as the file is."""
    tree = ast.parse(path.read_text())
    names = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_a_module_imports_only_from_its_own_level_and_those_above(path):
    own = module_name(path)
    if own in ("core", "dashboard"):
        return
    for other in imports(path):
        if other.split(".")[0] in ("core", "dashboard") and other not in ("core", "dashboard"):
            assert level(other) <= level(own), f"{own} imports {other}"


@pytest.mark.parametrize("path", [file for file in FILES if "core" in file.parts], ids=module_name)
def test_no_file_under_core_imports_streamlit(path):
    assert not any(name.split(".")[0] == "streamlit" for name in imports(path))


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_tensorflow_is_imported_up_front_only_where_networks_are_trained(path):
    if module_name(path) not in NEED_TENSORFLOW:
        assert not top_imports(path) & {"tensorflow", "keras"}


@pytest.mark.parametrize("path", [file for file in FILES if file.parent.name == "app_pages"], ids=module_name)
def test_pages_do_not_import_each_other(path):
    assert not any(name.startswith("dashboard.app_pages.") for name in imports(path))


def test_nothing_that_a_page_imports_loads_tensorflow():
    modules = {name for file in FILES if file.parent.name == "app_pages" for name in imports(file)}
    script = f"import sys, {', '.join(sorted(modules))}; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=PROJECT, check=False).returncode == 0


def test_the_server_is_set_up_without_tensorflow():
    script = "import sys, dashboard.server; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=PROJECT, check=False).returncode == 0


def test_no_file_outgrows_its_room():
    for path in FILES:
        assert len(path.read_text().splitlines()) <= 330, path
