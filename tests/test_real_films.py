"""On real films: what is learnt must be learnt from the films, and from nothing else."""

import random
import re

import pytest

from core import evaluation, model_store, runs
from core.settings import TrainSettings
from tests.helpers import wait_until_ended

# 4 in 10 films train, 1 in 10 validates, half judges: some 2,000, 500 and 2,600 films.
SHARES = {"validation_fraction": 0.1, "test_fraction": 0.5}


def judge(folder) -> evaluation.EvaluationReport:
    """One epoch, then the report on the test part: patients the run never saw."""
    run = runs.start(TrainSettings(data=str(folder), epochs=1, **SHARES))
    status = wait_until_ended(run, 280)
    assert status.state == "finished", (run.folder / "log.txt").read_text()
    predictor = evaluation.Predictor.load(run.name)
    return evaluation.evaluate(predictor, model_store.find(run.name).split, run.settings.data, "test")


def test_one_epoch_on_real_films_separates_other_patients(real_films):
    report = judge(real_films / "chest_xray" / "train")
    assert report.films >= 400
    assert report.metrics["roc_auc"].value >= 0.90


def test_with_shuffled_labels_nothing_is_learnt(real_films, tmp_path):
    films = sorted((real_films / "chest_xray" / "train").glob("*/*.jpeg"))
    labels = [film.parent.name for film in films]
    random.Random(0).shuffle(labels)
    for name in set(labels):
        (tmp_path / "shuffled" / name).mkdir(parents=True)
    for film, label in zip(films, labels, strict=True):
        (tmp_path / "shuffled" / label / film.name).symlink_to(film)
    report = judge(tmp_path / "shuffled")
    assert report.films >= 400
    assert report.metrics["roc_auc"].value <= 0.60


def test_phantoms_can_be_learnt_by_looking():
    run = runs.start(TrainSettings(epochs=8))
    assert wait_until_ended(run, 280).state == "finished"
    predictor = evaluation.Predictor.load(run.name)
    report = evaluation.evaluate(predictor, model_store.find(run.name).split, "phantoms", "test")
    assert report.metrics["roc_auc"].value > 0.95


@pytest.mark.parametrize("size", [150, 224])
@pytest.mark.parametrize("folder", ["NORMAL", "PNEUMONIA"])
def test_every_original_decodes_to_what_full_decoding_gives(real_films, folder, size):
    """JPEGs are decoded small; what that costs is weighed in benchmarks/README.md."""
    import cv2
    import numpy as np

    from core.images import ImageSpec, standardise

    differences = []
    for path in sorted((real_films / "originals" / folder).iterdir()):
        content = path.read_bytes()
        full = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
        full = cv2.resize(full, (size, size), interpolation=cv2.INTER_AREA)
        differences.append(cv2.absdiff(standardise(content, ImageSpec(size)), full).mean())
    assert max(differences) < 2.5
    assert np.mean(differences) < 1


def test_every_dicom_file_comes_in_or_is_refused_in_words(real_films, tmp_path):
    from core import data
    from core.data.prepare import prepare
    from core.images import ImageSpec

    for name in ("NORMAL", "PNEUMONIA"):
        (tmp_path / "films" / name).mkdir(parents=True)
    for path in (real_films / "dicom/chest").iterdir():
        for name in ("NORMAL", "PNEUMONIA"):
            (tmp_path / "films" / name / f"{name}-{path.name}").symlink_to(path)
    for path in (real_films / "dicom/other").iterdir():
        (tmp_path / "films/NORMAL" / path.name).symlink_to(path)
    source = data.load(str(tmp_path / "films"))
    assert source.source == "dicom_folder"
    prepared = prepare(source, ImageSpec(64))
    assert len(prepared.films) == 10
    refused = {item["file"].split("/")[1].split(".")[0]: item["error"] for item in prepared.unreadable}
    words = {
        "693_J2KR": "computed tomography",
        "CT_small": "computed tomography",
        "nih_test5_modality_ct": "computed tomography",
        "MR_small_bigendian": "magnetic resonance",
        "OBXXXX1A_rle": "ultrasound",
        "XA_multiframe_jpeg": "X-ray angiography",
        "nema_RG3_J2KI_tibia_mono1": "limb",
        "CR_teeth_mono1_modalitylut_jpegll": "teeth",
        "rtplan_no_pixels": "holds no picture",
        "DICOMDIR": "DICOMDIR",
        "image_dfl_deflated": "does not say that it shows a chest",
        "vlut_04": "does not say that it shows a chest",
    }
    assert refused.keys() == words.keys()
    for name, expected in words.items():
        assert re.search(expected, refused[name], re.IGNORECASE), refused[name]
