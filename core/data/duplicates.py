"""Near-duplicate films: a perceptual hash proposes pairs, the pixels decide."""

import itertools
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from PIL import Image

# Within 6 bits (4 bits) lie, of copies of 1,047 films of chest_xray: all at JPEG quality 60 and 60 % of their size
# (99.9 %), 99.4 % of those with 1 % cut off each side (96.6 %), 91 % of those with 2 % (67 %).
DISTANCE = 6
# Identical fingerprints up to which all their pairs are listed.
CROWD = 4
# A key of a table holds this many bands of the fingerprint: 25 bits or so, more than the 17 of 100,000 films, since
# real fingerprints are far from random.
BANDS_IN_KEY = 4
FINGERPRINT_BITS = 64
# Odd, and its bits without pattern (2^64 over the golden ratio): spreads keys over the high bits of a product.
SPREAD = np.uint64(0x9E3779B97F4A7C15)

# Pixels are compared at one size whatever the network's, in blocks that may move a little, as a crop makes them.
SIDE, BLOCK, REACH = 128, 24, 4
# Blocks with less deviation (grey levels) are background, where only noise could agree.
FLAT = 2
# One block in five may disagree: a burned-in mark does not make another film.
SPARED = 5
LEAST_BLOCKS = 5
# Mean correlation of the other blocks. Measured on chest_xray, 225 full-size originals and phantoms: copies as above
# have 0.993 or more; different films with near fingerprints at most 0.960, films of one patient at most 0.982 (4,304
# pairs), phantoms of one patient, which share every bone, at most 0.987 (5,503 pairs).
SAME_FILM = 0.99


def fingerprint(film: np.ndarray) -> int:
    """The film's 64-bit perceptual hash (pHash, Zauner 2010). film: (size, size) uint8."""
    # Every page imports this module, and only preparing needs the hash.
    import imagehash

    return int.from_bytes(np.packbits(imagehash.phash(Image.fromarray(film)).hash).tobytes())


def near_pairs(fingerprints: np.ndarray, distance: int = DISTANCE) -> np.ndarray:
    """Every pair of fingerprints that differ in at most so many bits: (m, 2) indices, i < j, in order.

    fingerprints: (n,) uint64. No more than CROWD identical ones are listed pair by pair; a larger crowd is a chain,
    each with the next, and its first stands for all of them towards others. So `groups` are complete in any case.
    """
    values, owners, sizes = np.unique(np.asarray(fingerprints, np.uint64), return_inverse=True, return_counts=True)
    members = np.argsort(owners, kind="stable")
    pairs = np.concatenate([_alike(members, owners[members], sizes), _near(members, sizes, search(values, distance))])
    pairs.sort(axis=1)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _alike(members: np.ndarray, owners: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Pairs with the same fingerprint. members: indices sorted by fingerprint, owners: whose they are."""
    found = []
    for step in range(1, CROWD):
        alike = owners[step:] == owners[:-step]
        if step > 1:
            alike &= sizes[owners[step:]] <= CROWD
        at = np.flatnonzero(alike)
        found.append(np.stack([members[at], members[at + step]], axis=1))
    return np.concatenate(found)


def _near(members: np.ndarray, sizes: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Pairs of films from pairs of distinct fingerprints."""
    starts = np.cumsum(sizes) - sizes
    speakers = np.where(sizes <= CROWD, sizes, 1)
    left, right = pairs.T
    found = [np.empty((0, 2), members.dtype)]
    for i, j in itertools.product(range(CROWD), repeat=2):
        there = (i < speakers[left]) & (j < speakers[right])
        found.append(np.stack([members[starts[left[there]] + i], members[starts[right[there]] + j]], axis=1))
    return np.concatenate(found)


def search(values: np.ndarray, distance: int) -> np.ndarray:
    """Pairs of distinct fingerprints at most so many bits apart: (m, 2) positions.

    Cut into `distance` + 4 bands, such a pair agrees in 4 of them at least. One table for each choice of 4 bands,
    sorted by them, brings it together (Manku, Jain and Das Sarma, WWW 2007).
    """
    bands = band_masks(distance)
    found = [np.empty((0, 2), np.int64)]
    for chosen in itertools.combinations(range(len(bands)), BANDS_IN_KEY):
        passed = [band for number, band in enumerate(bands[: chosen[-1]]) if number not in chosen]
        for left, right in candidates(values, bands[list(chosen)].sum()):
            different = values[left] ^ values[right]
            near = np.bitwise_count(different) <= distance
            left, right, different = left[near], right[near], different[near]
            # Many tables bring the same pair; it counts in the first of them.
            new = np.ones(len(left), bool)
            for band in passed:
                new &= different & band != 0
            found.append(np.stack([left[new], right[new]], axis=1))
    return np.concatenate(found)


def band_masks(distance: int) -> np.ndarray:
    """Masks that share out the bits in turn, since neighbouring frequencies resemble each other."""
    bands = [0] * (distance + BANDS_IN_KEY)
    for bit in range(FINGERPRINT_BITS):
        bands[bit % len(bands)] |= 1 << bit
    return np.array(bands, np.uint64)


def candidates(values: np.ndarray, mask: np.uint64) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of positions whose values agree under the mask, at most n at a time.

    A few others come with them, since keys are shortened.
    """
    keys = ((values & mask) * SPREAD >> np.uint64(32)).astype(np.uint32)
    # The lower half first: numpy sorts 16-bit numbers by radix, in a time that grows with n alone.
    order = np.argsort(keys.astype(np.uint16), kind="stable")
    order = order[np.argsort((keys[order] >> 16).astype(np.uint16), kind="stable")]
    keys = keys[order]
    at, step = np.flatnonzero(keys[1:] == keys[:-1]), 1
    while len(at):
        yield order[at], order[at + step]
        step += 1
        at = at[: np.searchsorted(at, len(keys) - step)]
        at = at[keys[at] == keys[at + step]]


def confirm(films: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Which pairs are one film, whatever its compression, size, brightness or margin: (m,) bool.

    films: (n, size, size) uint8. pairs: (m, 2) indices.
    """
    portions = np.array_split(pairs, max(1, len(pairs) // 256))
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        verdicts = pool.map(lambda portion: [is_same_film(films[i], films[j]) for i, j in portion], portions)
        return np.array(list(itertools.chain.from_iterable(verdicts)), dtype=bool)


def is_same_film(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether nearly every block of one film lies nearly at the same place in the other. Both (size, size) uint8."""
    if np.array_equal(first, second):
        return True
    first, second = _smooth(first), _smooth(second)
    corners = _textured_blocks(first)
    spared = len(corners) // SPARED
    most_loss = (1 - SAME_FILM) * (len(corners) - spared)
    losses: list[float] = []
    for y, x in corners:
        losses.append(1 - _correlation(first, second, y, x))
        # Different films are told apart by their first blocks.
        if sum(sorted(losses)[: max(0, len(losses) - spared)]) > most_loss:
            return False
    return len(corners) >= LEAST_BLOCKS


def _smooth(film: np.ndarray) -> np.ndarray:
    small = cv2.resize(film, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    return cv2.GaussianBlur(small, (0, 0), 1)


def _textured_blocks(film: np.ndarray) -> np.ndarray:
    """Upper left corners of the blocks that show something: (k, 2)."""
    side = (SIDE - 2 * REACH) // BLOCK
    inside = film[REACH : REACH + side * BLOCK, REACH : REACH + side * BLOCK]
    deviations = inside.reshape(side, BLOCK, side, BLOCK).std(axis=(1, 3))
    return np.argwhere(deviations >= FLAT) * BLOCK + REACH


def _correlation(first: np.ndarray, second: np.ndarray, y: int, x: int) -> float:
    """The block's correlation with the other film where it fits best within REACH pixels."""
    block = first[y : y + BLOCK, x : x + BLOCK]
    around = second[y - REACH : y + BLOCK + REACH, x - REACH : x + BLOCK + REACH]
    return float(cv2.matchTemplate(around, block, cv2.TM_CCOEFF_NORMED).max())


def groups(pairs: np.ndarray, n: int) -> list[np.ndarray]:
    """Films that belong together through one pair or several: sorted indices, at least two, by their first.

    pairs: (m, 2) indices below n.
    """
    from scipy import sparse
    from scipy.sparse import csgraph

    links = sparse.coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, component = csgraph.connected_components(links, directed=False)
    order = np.argsort(component, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(component[order])) + 1)
    return sorted((part for part in parts if len(part) > 1), key=lambda part: part[0])
