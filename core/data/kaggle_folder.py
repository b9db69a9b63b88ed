"""The Kaggle folder tree: train, val and test, each with NORMAL and PNEUMONIA inside."""

from core.data import tree
from core.errors import UserError

TITLE = "Folder with train, val and test"
load = tree.load_folder


def recognises(key: str) -> bool:
    """A folder that holds train, val or test, or is the only one around such a folder."""
    try:
        return "" not in tree.find(tree.existing_folder(key)).parts
    except UserError:
        return False
