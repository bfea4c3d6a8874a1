"""Controlled randomness: numbers that look random and follow from where a vector stands in the log."""

from hashlib import blake2b

from schemas.origin import Origin

BITS = 53
"""Of each number: as many as a double between 0 and 1 has."""


def draws(origin: Origin, strategy: str) -> tuple[float, float]:
    """Two independent uniform numbers in [0, 1), for one strategy and the vector of ``origin``.

    They come from a BLAKE2b digest: the same bytes in every version of Python, and without a generator's state that a
    restart would have to keep.

    >>> draws(Origin(0, 7, 0), "random_v1")
    (0.7863..., 0.3899...)
    """
    digest = blake2b(origin.header() + b"/" + strategy.encode(), digest_size=16).digest()
    first, second = int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")
    return (first >> 64 - BITS) / 2**BITS, (second >> 64 - BITS) / 2**BITS
