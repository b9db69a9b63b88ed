"""Films from wherever people keep them. A new source is one file and one line in SOURCES."""

from core.data import kaggle_folder, phantoms
from core.data.sample import DataSet

# Each has `recognises(key) -> bool` and `load(key) -> DataSet`; the first that recognises a key has it.
SOURCES = {"phantoms": phantoms, "kaggle_folder": kaggle_folder}


def load(key: str) -> DataSet:
    """The data set that a key names: "phantoms" or a folder. Raises UserError if there is none."""
    source = next(source for source in SOURCES.values() if source.recognises(key))
    return source.load(key)
