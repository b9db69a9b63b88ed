"""Files that cannot be read, and films that look as if they do not belong."""

from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

import numpy as np

from core.data.checks.finding import NOTE, WARNING, Films, Finding, leave_out, plural, singles
from core.headers import ENDINGS, FILM_ENDINGS

# Grey levels. Below it a picture is one flat field.
FLAT_CONTRAST = 3.0
# Mean difference between colour channels in grey levels. RGB files of grey films stay below 1.
COLOURED = 6.0
# Of 5,232 films of chest_xray the least correlated with the median film has .23; negatives are below 0.
NEGATIVE_CORRELATION = -0.3
ODD_CORRELATION = 0.1
# Robust deviations: the strangest of 5,232 chest films has 5.3, the strangest phantom 3.5.
ODD_STRANGENESS = 5.7
SMALLEST_SIDE = 64


def unreadable(films: Films) -> Iterator[Finding]:
    """Files no film could be made of, with the reasons."""
    lost = films.prepared.unreadable
    if not lost:
        return
    reasons = Counter(item["error"] for item in lost)
    listed = " ".join(f"{reason} ({count:,})" if count > 1 else reason for reason, count in reasons.most_common(5))
    more = f" And {plural(len(reasons) - 5, 'other reason')}." if len(reasons) > 5 else ""
    title = f"{plural(len(lost), 'file')} cannot be read"
    yield Finding(
        "unreadable",
        WARNING,
        title,
        f"No film could be made of them, so nothing is trained or judged on them: {listed}{more}",
        "Export them again; or leave them out, and the audit speaks of them no more.",
        singles(item["file"] for item in lost),
        leave_out((item["file"] for item in lost), title),
        "Leave them out",
    )


def odd_films(films: Films) -> Iterator[Finding]:
    """Films that are blank, coloured, negative or unlike the rest; each is named once, by the plainest reason."""
    correlation = films.column("correlation").astype(float)
    strangeness = films.column("strangeness").astype(float)
    unlike = (strangeness > ODD_STRANGENESS) | (correlation < ODD_CORRELATION)
    kinds = {
        "blank": (films.column("contrast") < FLAT_CONTRAST, "blank", "There is nothing on them to learn from."),
        "coloured": (
            films.column("colourfulness") > COLOURED,
            "in colour",
            "A chest film has no colours: these may be photographs, charts or films with drawings on them.",
        ),
        "negative": (
            correlation < NEGATIVE_CORRELATION,
            "with black and white exchanged",
            "They correlate negatively with the data set's median film: lungs are white on them, or they show "
            "something else.",
        ),
        "unlike": (
            unlike,
            "unlike the rest",
            "They do not look like the other films: laterals, other body parts or figures, perhaps.",
        ),
    }
    told = np.zeros(len(films), bool)
    for id, (found, words, meaning) in kinds.items():
        new = found & ~told
        told |= new
        names = films.column("id")[new].tolist()
        if names:
            title = f"{plural(len(names), 'film')} {'is' if len(names) == 1 else 'are'} {words}"
            advice = "Look at them and leave out what is no frontal chest film."
            fix = leave_out(names, title)
            yield Finding(id, WARNING, title, meaning, advice, singles(names), fix, "Leave them out")


def tiny(films: Films) -> Iterator[Finding]:
    """Files with fewer pixels than a diagnosis needs."""
    side = np.minimum(films.column("width"), films.column("height"))
    names = films.column("id")[side < SMALLEST_SIDE].tolist()
    if names:
        yield Finding(
            "tiny",
            NOTE,
            f"{plural(len(names), 'film')} {'is' if len(names) == 1 else 'are'} smaller than {SMALLEST_SIDE} pixels",
            "They are blown up to the network's size: what was lost when they were made small stays lost.",
            "Train at their own size, and expect less than from full-size films.",
            singles(names),
        )


def misnamed(films: Films) -> Iterator[Finding]:
    """Files whose ending names another format than they have."""
    names = [
        film
        for film, format in zip(films.column("id"), films.column("format"), strict=True)
        if PurePosixPath(film).suffix.lower() not in ENDINGS.get(format, ())
        and PurePosixPath(film).suffix.lower() in FILM_ENDINGS - {""}
    ]
    if names:
        yield Finding(
            "misnamed",
            NOTE,
            f"{plural(len(names), 'file')} {'has' if len(names) == 1 else 'have'} another format than the name says",
            "They were read by their content and do no harm here; other programs may refuse them.",
            "Rename them where they come from.",
            singles(names),
        )
