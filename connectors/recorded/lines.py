"""The lines of a file, gzip or plain, as far as they can be read."""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

CHUNK = 1 << 16
GZIP = b"\x1f\x8b"
GZIP_WBITS = 31


def read_lines(path: Path, problems: list[str]) -> Iterator[bytes]:
    """Every line that is not blank, without its line end; the last one also where its end is missing.

    Whether it is gzip is seen from its first bytes. Where a gzip stream is cut off or damaged, the lines before that
    come first, then a sentence joins ``problems``.
    """
    rest = b""
    for chunk in read_chunks(path, problems):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line for line in map(bytes.strip, lines) if line)
    if rest.strip():
        yield rest.strip()


def read_chunks(path: Path, problems: list[str]) -> Iterator[bytes]:
    """The bytes of the file, unpacked."""
    with path.open("rb") as file:
        packed = file.read(len(GZIP)) == GZIP
        file.seek(0)
        if packed:
            yield from unpacked(file, path, problems)
        else:
            while chunk := file.read(CHUNK):
                yield chunk


def unpacked(file: BinaryIO, path: Path, problems: list[str]) -> Iterator[bytes]:
    """The bytes of a gzip file of one or several members, up to where it is whole."""
    inflate = zlib.decompressobj(GZIP_WBITS)
    while packed := file.read(CHUNK):
        while packed:
            before = inflate.copy()
            try:
                yield inflate.decompress(packed)
            except zlib.error as problem:
                yield from up_to_damage(before, packed)
                problems.append(f"{path}: damaged gzip ({problem}) near byte {file.tell()}; what follows is lost")
                return
            packed = inflate.unused_data.lstrip(b"\0")
            if packed:
                inflate = zlib.decompressobj(GZIP_WBITS)
    if not inflate.eof:
        problems.append(f"{path}: the gzip file ends in the middle; what follows is lost")


def up_to_damage(inflate: "zlib._Decompress", packed: bytes) -> Iterator[bytes]:
    """Byte by byte, because a failed call gives back nothing of what it had already unpacked."""
    for position in range(len(packed)):
        try:
            yield inflate.decompress(packed[position : position + 1])
        except zlib.error:
            return
