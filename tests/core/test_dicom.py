import io
import logging
import random
import struct
import time
import warnings
import zlib

import imagecodecs
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels import pixel_array
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from core import dicom
from core.errors import UserError
from core.images import ImageSpec, read_header, standardise
from tests.helpers import encode, film

# These tests write odd values on purpose; what may warn while reading is tested below.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

CR = "1.2.840.10008.5.1.4.1.1.1"
SECRETS = {
    "PatientName": "Surname^Given",
    "PatientID": "SECRET-ID-7",
    "PatientBirthDate": "19990131",
    "StudyDescription": "Surname had a fall",
}


def stored(low: int = 0, high: int = 4095, signed: bool = False) -> np.ndarray:
    """(40, 50): every row runs from low to high."""
    row = np.linspace(low, high, 50).round()
    return np.tile(row, (40, 1)).astype(np.int16 if signed else np.uint16 if high > 255 else np.uint8)


def make(pixels: np.ndarray | None, syntax: str = ExplicitVRLittleEndian, **elements) -> Dataset:
    """A chest film as a DICOM object; elements override its header."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = CR, "1.2.3"
    made.Modality, made.BodyPartExamined, made.ViewPosition = "CR", "CHEST", "PA"
    made.PhotometricInterpretation, made.SamplesPerPixel = "MONOCHROME2", 1
    if pixels is not None:
        made.Rows, made.Columns = pixels.shape
        made.BitsAllocated = made.BitsStored = 8 * pixels.itemsize
        made.HighBit, made.PixelRepresentation = made.BitsStored - 1, int(pixels.dtype.kind == "i")
        order = ">" if syntax == ExplicitVRBigEndian else "<"
        made.PixelData = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
        made["PixelData"].VR = "OW" if pixels.itemsize == 2 else "OB"
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    for name, value in elements.items():
        setattr(made, name, value)
    return made


def written(made: Dataset) -> bytes:
    buffer = io.BytesIO()
    syntax = str(made.file_meta.TransferSyntaxUID)
    little = syntax != ExplicitVRBigEndian
    made.save_as(buffer, enforce_file_format=True, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=little)
    return buffer.getvalue()


def chest(pixels: np.ndarray | None = None, syntax: str = ExplicitVRLittleEndian, **elements) -> bytes:
    return written(make(stored() if pixels is None else pixels, syntax, **elements))


def coded(syntax: str, frame: bytes, like: np.ndarray, **elements) -> bytes:
    """The frame, compressed already, in a header that fits the uncompressed pixels."""
    made = make(like, syntax, **elements)
    made.PixelData = encapsulate([frame])
    made["PixelData"].VR = "OB"
    made["PixelData"].is_undefined_length = True
    return written(made)


def jpeg_2000(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG2000", irreversible=False, no_jp2=True)
    return buffer.getvalue()


def look_up_table(entries: list[int], first: int, bits: int, kind: str = "VOI") -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(entries), first, bits])
    item.add_new("LUTData", "OW", struct.pack(f"<{len(entries)}H", *entries))
    if kind == "Modality":
        item.ModalityLUTType = "OD"
    return item


def spread(values: np.ndarray) -> np.ndarray:
    """From the smallest to the largest value, over 0 to 255."""
    low, high = values.min(), values.max()
    return np.rint((values.astype(float) - low) / (high - low) * 255)


@pytest.fixture
def real(real_films):
    return lambda name: next((real_films / "dicom").glob(f"*/{name}.dcm")).read_bytes()


def as_chest(data: bytes, **elements) -> tuple[bytes, Dataset]:
    """A real file that now says it is a chest film, and the object for comparison."""
    changed = pydicom.dcmread(io.BytesIO(data))
    for name, value in {"Modality": "CR", "BodyPartExamined": "CHEST", **elements}.items():
        setattr(changed, name, value)
    return written(changed), changed


def raw(changed: Dataset) -> np.ndarray:
    """The stored values by other decoders than the project's."""
    if changed.file_meta.TransferSyntaxUID == JPEGLosslessSV1:
        return imagecodecs.ljpeg_decode(get_frame(changed.PixelData, 0, number_of_frames=1))
    if changed.file_meta.TransferSyntaxUID.is_encapsulated:
        return pixel_array(changed, raw=True, decoding_plugin="pillow")
    return changed.pixel_array


# What the pixels become.


def test_twelve_bits_are_spread_from_the_smallest_to_the_largest_value():
    pixels = stored(300, 3000)
    assert np.array_equal(dicom.decode(chest(pixels, BitsStored=12, HighBit=11)), spread(pixels))


def test_eight_bits_are_taken_as_they_are():
    pixels = stored(30, 200)
    assert np.array_equal(dicom.decode(chest(pixels)), pixels)


def test_padding_counts_for_nothing_in_the_spread():
    pixels = stored(300, 3000)
    pixels[:5] = 65535
    shown = dicom.decode(chest(pixels, PixelPaddingValue=65535))
    assert np.array_equal(shown[5:], spread(pixels[5:]))


def test_signed_pixels_and_their_padding_are_spread_too():
    pixels = stored(-1000, 3000, signed=True)
    pixels[0] = -2000
    made = make(pixels)
    made.add_new("PixelPaddingValue", "SS", -2000)
    assert np.array_equal(dicom.decode(written(made))[1:], spread(pixels[1:]))


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_a_window_follows_the_standard(function):
    """PS3.3 C.11.2.1.2 and C.11.2.1.3, written out."""
    pixels, center, width = stored(), 1500.0, 1000.0
    shown = dicom.decode(chest(pixels, WindowCenter=[center, 2], WindowWidth=[width, 3], VOILUTFunction=function))
    x = pixels.astype(float)
    right = {
        "LINEAR": (x - (center - 0.5)) / (width - 1) + 0.5,
        "LINEAR_EXACT": (x - center) / width + 0.5,
        "SIGMOID": 1 / (1 + np.exp(-4 * (x - center) / width)),
    }[function]
    assert np.array_equal(shown, np.rint(np.clip(right, 0, 1) * 255))


def test_a_window_sees_the_rescaled_values_even_where_they_fall():
    pixels = stored()
    shown = dicom.decode(chest(pixels, RescaleSlope=-0.5, RescaleIntercept=2048, WindowCenter=1000, WindowWidth=801))
    assert np.array_equal(shown, np.rint(np.clip((2048 - pixels / 2 - 999.5) / 800 + 0.5, 0, 1) * 255))


@pytest.mark.parametrize("width", [0, -5])
def test_a_window_that_cannot_be_is_ignored(width):
    assert np.array_equal(dicom.decode(chest(WindowCenter=100, WindowWidth=width)), spread(stored()))


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_a_voi_table_of_any_depth_goes_before_the_window(bits):
    pixels = stored()
    table = [round((2**bits - 1) * (place / 2999) ** 2) for place in range(3000)]
    shown = dicom.decode(
        chest(pixels, VOILUTSequence=[look_up_table(table, 500, bits)], WindowCenter=10, WindowWidth=5)
    )
    right = np.array(table)[np.clip(pixels.astype(int) - 500, 0, 2999)] / (2**bits - 1)
    assert np.array_equal(shown, np.rint(right * 255))


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_a_modality_table_comes_before_the_window(bits):
    pixels = stored()
    table = [(2**bits - 1) - place * (2**bits - 1) // 4095 for place in range(4096)]
    sequence = [look_up_table(table, 0, bits, "Modality")]
    shown = dicom.decode(chest(pixels, ModalityLUTSequence=sequence, WindowCenter=100, WindowWidth=101))
    assert np.array_equal(shown, np.rint(np.clip((np.array(table)[pixels] - 99.5) / 100 + 0.5, 0, 1) * 255))


def test_a_table_may_start_below_zero():
    pixels = stored(-1000, 1000, signed=True)
    table = [place // 8 for place in range(2000)]
    shown = dicom.decode(chest(pixels, VOILUTSequence=[look_up_table(table, -1000, 8)]))
    assert np.array_equal(shown, np.array(table)[np.clip(pixels.astype(int) + 1000, 0, 1999)])


def test_monochrome1_is_inverted_after_everything_else():
    window = {"WindowCenter": 1500, "WindowWidth": 1000}
    plain, inverted = (dicom.decode(chest(PhotometricInterpretation=f"MONOCHROME{n}", **window)) for n in (2, 1))
    assert np.array_equal(inverted, 255 - plain)


def test_drawings_in_the_upper_bits_are_left_out():
    pixels = stored(0, 4095)
    made = make(pixels | 0x1000, BitsStored=12, HighBit=11)
    made.add_new(0x60000100, "US", 16)
    made.add_new(0x60000102, "US", 12)
    assert np.array_equal(dicom.decode(written(made)), spread(pixels))


# How they are stored.

SYNTAXES = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]


@pytest.mark.parametrize("syntax", [*SYNTAXES, RLELossless], ids=lambda syntax: syntax.keyword)
@pytest.mark.parametrize(("low", "high", "signed"), [(0, 255, False), (0, 4095, False), (-500, 500, True)])
def test_every_way_of_storing_gives_the_same_film(syntax, low, high, signed):
    pixels = stored(low, high, signed)
    data = chest(pixels, syntax) if syntax != RLELossless else rle(pixels)
    assert np.array_equal(dicom.decode(data), spread(pixels))


def rle(pixels: np.ndarray) -> bytes:
    made = make(pixels)
    made.compress(RLELossless, encoding_plugin="pydicom")
    return written(made)


def test_a_file_without_meta_information_is_recognised_and_read():
    for syntax in (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian):
        buffer = io.BytesIO()
        made = make(stored(), syntax)
        made.file_meta = FileMetaDataset()
        made.save_as(buffer, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
        assert dicom.is_dicom(buffer.getvalue())
        assert np.array_equal(dicom.decode(buffer.getvalue()), spread(stored()))


def jpeg(pixels: np.ndarray, bits: int, lossless: bool) -> bytes:
    return imagecodecs.jpeg8_encode(pixels, level=95, bitspersample=bits, lossless=lossless)


def test_lossy_jpeg_frames_of_8_and_12_bits_are_read():
    grey = film()
    for syntax, pixels, bits in (
        (JPEGBaseline8Bit, grey, 8),
        (JPEGExtended12Bit, grey.astype(np.uint16) * 16, 12),
    ):
        data = coded(syntax, jpeg(pixels, bits, False), pixels, BitsStored=bits, HighBit=bits - 1)
        right = grey if bits == 8 else spread(grey)
        assert np.abs(dicom.decode(data) - right.astype(int)).mean() < 4


LOSSLESS = {
    "JPEG": (JPEGLosslessSV1, lambda pixels: jpeg(pixels, 16, True)),
    "JPEG-LS": (JPEGLSLossless, imagecodecs.jpegls_encode),
    "JPEG 2000": (JPEG2000Lossless, jpeg_2000),
}


@pytest.mark.parametrize("codec", LOSSLESS)
@pytest.mark.parametrize("signed", [False, True])
def test_lossless_frames_are_read_to_the_last_bit(codec, signed):
    """The codecs store bits; whether they mean a sign, the header says."""
    syntax, encoder = LOSSLESS[codec]
    pixels = stored(-500, 500, True) if signed else stored(0, 4095)
    data = coded(syntax, encoder(pixels.view(np.uint16)), pixels)
    assert np.array_equal(dicom.decode(data), spread(pixels))


@pytest.mark.parametrize(
    "name", ["693_J2KR", "CR_teeth_mono1_modalitylut_jpegll", "MR_small_bigendian", "image_dfl_deflated"]
)
def test_real_compressed_films_decode_to_their_stored_values(real, name):
    changed = as_chest(real(name))[1]
    for element in ("WindowCenter", "WindowWidth", "ModalityLUTSequence", "VOILUTSequence"):
        if element in changed:
            delattr(changed, element)
    values = raw(changed).astype(float)
    inside = values != changed.get("PixelPaddingValue", 1e9)
    right = np.clip(np.rint((values - values[inside].min()) / np.ptp(values[inside]) * 255), 0, 255)
    if changed.BitsStored == 8:
        right = values
    right = 255 - right if changed.PhotometricInterpretation == "MONOCHROME1" else right
    assert np.abs(dicom.decode(written(changed)) - right).max() <= 1


def test_a_real_modality_table_is_obeyed(real):
    data, changed = as_chest(real("CR_teeth_mono1_modalitylut_jpegll"), StudyDescription="", SeriesDescription="")
    item = changed.ModalityLUTSequence[0]
    count, first, _ = item.LUTDescriptor
    table = np.frombuffer(item.get_item("LUTData").value, "<u2") if isinstance(item.LUTData, bytes) else item.LUTData
    real_values = np.asarray(table)[np.clip(raw(changed).astype(int) - first, 0, (count or 65536) - 1)]
    assert np.array_equal(dicom.decode(data), 255 - spread(real_values))


def test_real_chest_films_all_decode(real_films):
    files = sorted((real_films / "dicom/chest").glob("*.dcm"))
    assert len(files) == 5
    for path in files:
        content = path.read_bytes()
        header = read_header(content)
        assert dicom.is_dicom(content)
        assert (header.format, header.colour) == ("DICOM", False)
        assert dicom.decode(content).shape == (header.height, header.width)
        assert standardise(content, ImageSpec(64)).std() > 20


def test_a_film_that_says_monochrome1_is_inverted_as_its_header_says(real):
    plain, inverted = real("rsna_pneumonia_cr_pa_mono2_jpeg"), real("rsna_fake_mono1_jpeg")
    assert np.array_equal(dicom.decode(inverted), 255 - dicom.decode(plain))


# What the header says, and what is refused.


def test_a_description_holds_what_callers_need_and_reads_no_pixels():
    data = chest(PatientID="p 1", ViewPosition="LL", BurnedInAnnotation="YES", BitsStored=12, HighBit=11)
    told = dicom.describe(io.BytesIO(data))
    assert told == dicom.Description("p 1", "LL", "CR", "CHEST", 50, 40, 12, True)
    assert dicom.describe(data[:-3000]) == told


def test_a_long_header_is_read_to_its_end():
    made = make(stored(), PatientID="p1")
    made.add_new(0x00091010, "OB", bytes(2 * dicom.HEAD))
    assert dicom.describe(io.BytesIO(written(made))).patient_id == "p1"


@pytest.mark.parametrize(
    "elements",
    [
        {"Modality": "DX"},
        {"Modality": "RG", "ViewPosition": ""},
        {"Modality": ""},
        {"Modality": "", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.1.1"},
        {"Modality": "OT", "BodyPartExamined": "chest "},
        {"BodyPartExamined": "RIBCAGE"},
        {"BodyPartExamined": "RIB_CAGE"},
        {"BodyPartExamined": "THORAX PA"},
        {"BodyPartExamined": "LUNGS"},
        {"BodyPartExamined": ""},
        {"BodyPartExamined": "UNKNOWN", "StudyDescription": "Chest and left shoulder"},
        {"BodyPartExamined": "", "StudyDescription": "No finding", "SeriesDescription": "view: PA"},
    ],
    ids=str,
)
def test_chest_films_are_accepted_as_hospitals_label_them(elements):
    assert dicom.describe(chest(**elements)).width == 50


@pytest.mark.parametrize(
    ("elements", "says"),
    [
        ({"Modality": "CT"}, r"labelled CT \(computed tomography\).* export it as PNG"),
        ({"Modality": "MG"}, "mammography"),
        ({"Modality": "SECRET-ID-7"}, "unknown modality"),
        ({"Modality": "", "SOPClassUID": CTImageStorage}, "CT Image Storage"),
        ({"Modality": "OT", "BodyPartExamined": ""}, "does not say that it shows a chest"),
        ({"BodyPartExamined": "HAND"}, "shows hand, not a chest"),
        ({"BodyPartExamined": "TSPINE"}, "shows spine"),
        ({"BodyPartExamined": "SECRET-ID-7"}, "another part of the body"),
        ({"BodyPartExamined": "", "StudyDescription": "Surname, left KNEE, 2 views"}, "shows leg"),
        ({"BodyPartExamined": "", "ProtocolName": "dental"}, "shows teeth"),
        ({"NumberOfFrames": 7}, "7 frames"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "in colour"),
        ({"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}, "in colour"),
        ({"Rows": 60000, "Columns": 60000}, "60000 × 60000 pixels is larger than 25 million"),
        ({"BitsAllocated": 32}, "32 bits"),
        ({"Rows": 41}, "damaged"),
        ({"Columns": 0}, "damaged"),
    ],
    ids=str,
)
def test_what_is_no_chest_film_is_refused_by_name_and_without_patient_data(elements, says):
    with pytest.raises(UserError, match=says) as caught:
        dicom.decode(chest(**{**SECRETS, **elements}))
    assert caught.value.fix
    assert not any(secret.split("^")[0].split()[0] in str(caught.value) for secret in SECRETS.values())


def test_anatomy_given_as_a_code_counts_too():
    region = Dataset()
    region.CodeMeaning = "Pelvis"
    with pytest.raises(UserError, match="pelvis"):
        dicom.describe(chest(BodyPartExamined="", AnatomicRegionSequence=[region]))


OTHERS = {
    "693_J2KR": "computed tomography",
    "CR_teeth_mono1_modalitylut_jpegll": "teeth",
    "CT_small": "computed tomography",
    "DICOMDIR": "table of contents",
    "MR_small_bigendian": "magnetic resonance",
    "OBXXXX1A_rle": "ultrasound",
    "XA_multiframe_jpeg": "angiography",
    "image_dfl_deflated": "does not say that it shows a chest",
    "nema_RG3_J2KI_tibia_mono1": "a limb",
    "nih_test5_modality_ct": "computed tomography.*header is wrong, export it as PNG",
    "rtplan_no_pixels": "no picture.*radiotherapy plan",
    "vlut_04": "does not say that it shows a chest",
}


@pytest.mark.parametrize("name", OTHERS)
def test_real_files_that_are_no_chest_film_are_refused_each_with_its_sentence(real, name):
    content = real(name)
    patient = str(pydicom.dcmread(io.BytesIO(content), force=True).get("PatientName", "") or "no name")
    assert dicom.is_dicom(content)
    for look in (dicom.describe, dicom.decode, read_header, lambda data: standardise(data, ImageSpec(32))):
        with pytest.raises(UserError, match=OTHERS[name]) as caught:
            look(content)
        assert patient not in str(caught.value)


def test_only_dicom_is_taken_for_dicom(real_films):
    noise = random.Random(0)
    contents = [b"", b"\x08\x00", encode(film()), encode(film(), ".jpeg"), encode(film(), ".bmp")]
    contents += [b"\x08\x00" + noise.randbytes(noise.randrange(5000)) for _ in range(300)]
    contents += [path.read_bytes() for path in sorted((real_films / "ood").rglob("*.*"))]
    assert not any(dicom.is_dicom(content) for content in contents)
    assert dicom.is_dicom(chest())


# Traps.


def refused(data: bytes, says: str) -> None:
    """With a UserError, and soon."""
    begin = time.monotonic()
    with pytest.raises(UserError, match=says):
        dicom.decode(data)
    assert time.monotonic() - begin < 2


def test_a_deflated_bomb_is_not_inflated():
    start = chest(syntax=DeflatedExplicitVRLittleEndian)
    meta = start[: 144 + struct.unpack("<I", start[140:144])[0]]
    packer = zlib.compressobj(9, wbits=-15)
    bomb = b"".join(packer.compress(bytes(10_000_000)) for _ in range(30)) + packer.flush()
    refused(meta + bomb, "larger than")


def test_a_frame_of_another_size_than_the_header_is_not_decoded():
    large = encode(np.zeros((4000, 4000), np.uint8), ".jpeg")
    refused(coded(JPEGBaseline8Bit, large, stored(0, 255)), "size in the DICOM header")
    refused(coded(JPEG2000Lossless, jpeg_2000(np.zeros((800, 800), np.uint8)), stored(0, 255)), "size in the DICOM")


def test_a_jpeg_frame_without_end_is_refused_at_once():
    """The JPEG-LS codec would search for seconds."""
    frame = imagecodecs.jpegls_encode(stored())
    refused(coded(JPEGLSLossless, frame[:-2] + b"\xdf\xd9", stored()), "cut short")


def test_a_jpeg_2000_frame_that_would_take_long_is_refused():
    refused(coded(JPEG2000Lossless, jpeg_2000(stored()), stored(), Rows=4500, Columns=4500), "larger than 16 million")


def test_a_run_length_bomb_stops_where_the_film_is_full():
    frame = struct.pack("<16L", 1, 64, *[0] * 14) + b"\x81\x00" * 5_000_000
    assert dicom.decode(coded(RLELossless, frame, stored(0, 255))).max() == 0


def test_an_absurdly_deep_or_long_header_is_refused():
    nested = b"".join(
        struct.pack("<HH2sHIHHI", 8, 0x1140, b"SQ", 0, 2**32 - 1, 0xFFFE, 0xE000, 2**32 - 1) for _ in range(50_000)
    )
    start = chest()
    meta = start[: 144 + struct.unpack("<I", start[140:144])[0]]
    refused(meta + nested, "damaged|no picture|not a readable")
    tiny = b"".join(struct.pack("<HH2sH", 9, 0x1001 + number % 2, b"LO", 0) for number in range(2_000_000))
    refused(meta + tiny, "damaged")


def test_a_length_that_lies_allocates_nothing():
    data = chest()
    place = data.rindex(b"\xe0\x7f\x10\x00OW") + 8
    liar = data[:place] + struct.pack("<I", 2**32 - 2) + data[place + 4 :]
    assert np.array_equal(dicom.decode(liar), spread(stored()))
    refused(liar[:-100], "cut short|damaged")
    refused(data[:-100], "cut short|damaged")


def test_a_compression_that_we_cannot_read_is_named():
    video = coded("1.2.840.10008.1.2.4.102", encode(stored(0, 255), ".jpeg"), stored())
    refused(video, "compressed as MPEG")
    refused(video.replace(b"1.2.840.10008.1.2.4.102", b"1.2.840.10008.1.2.4.777"), "in an unknown way")


def test_nothing_of_an_odd_header_reaches_log_or_screen(caplog, capfd):
    odd = chest(PatientID="SECRET-ID-7", PatientName="far^too^long" * 10, ViewPosition="far too long for this element")
    caplog.clear()
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        dicom.decode(odd)
        for content in (odd[:-50], odd.replace(b"US\x02\x00", b"XX\x02\x00")):
            with pytest.raises(UserError) as error:
                dicom.decode(content)
            assert "SECRET" not in str(error.value)
    assert (caplog.text, caught) == ("", [])
    assert capfd.readouterr() == ("", "")
