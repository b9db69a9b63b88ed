"""Files that a visitor hands in, and archives of them."""

import io
import zipfile

import pytest

from core.data import in_memory
from core.data.in_memory import films_in
from core.errors import UserError
from tests.helpers import encode, film


def packed(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, inside in members.items():
            archive.writestr(name, inside)
    return content.getvalue()


def test_a_file_is_itself():
    content = encode(film())
    (found,) = films_in("film.png", content)
    assert (found.name, found.read()) == ("film.png", content)


def test_an_archive_is_the_films_in_it_without_what_programs_put_beside_them():
    films = {name: encode(film(number)) for number, name in enumerate(("b.png", "a/c.png"))}
    aside = {"__MACOSX/._b.png": b"x", ".DS_Store": b"x", "a/Thumbs.db": b"x", "a/": b""}
    found = films_in("films.zip", packed(films | aside))
    assert [(one.name, one.read()) for one in found] == sorted(films.items())


def bomb() -> bytes:
    return packed({"a.png": bytes(50_000_000)})


def damaged() -> bytes:
    return packed({"a.png": encode(film())})[:200]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (damaged, "no readable .zip"),
        (bomb, "as a zip bomb does"),
        (lambda: packed({"../a.png": b"x"}), "leads out of it"),
        (lambda: packed({"a.zip": b"x"}), "another archive"),
        (lambda: packed({}), "holds 0 files"),
        (lambda: packed({f"{number}.png": b"x" for number in range(in_memory.MOST_FILMS + 1)}), "1,001 files"),
    ],
    ids=["cut short", "bomb", "leads out", "nested", "empty", "too many"],
)
def test_a_bad_archive_is_refused_in_a_sentence(content, what):
    with pytest.raises(UserError, match=what):
        films_in("films.zip", content())


def test_a_damaged_film_of_an_archive_is_told_when_it_is_read():
    content = bytearray(packed({"a.png": encode(film())}))
    content[100:140] = bytes(40)
    (found,) = films_in("films.zip", bytes(content))
    with pytest.raises(UserError, match="damaged at this film"):
        found.read()
