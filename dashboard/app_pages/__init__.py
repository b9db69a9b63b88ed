"""The pages, in the order of the menu. A new one is one script and one line in PAGES."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Page:
    """A script in this folder and how the menu shows it."""

    script: str
    title: str
    icon: str
    help: str


PAGES = {
    "overview": Page("overview.py", "Overview", ":material/home:", "What PneumoScope does, and where you stand."),
    "dataset": Page("dataset.py", "Data set", ":material/photo_library:", "Choose chest films and look at them."),
    "train": Page("train.py", "Train", ":material/model_training:", "Set up a network, start it and watch it learn."),
    "runs": Page("runs.py", "Runs", ":material/history:", "Every run: open, compare, export, promote or delete it."),
    "evaluate": Page("evaluate.py", "Evaluate", ":material/fact_check:", "Judge a model on films it never saw."),
    "predict": Page("predict.py", "Predict", ":material/radiology:", "Ask a model about one chest film."),
    "about": Page("about.py", "About", ":material/info:", "Limits, sources and licences."),
}
