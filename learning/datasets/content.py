"""What a registry means, as one number: equal digests, equal features."""

from hashlib import blake2b

import msgspec

from operators.registry import Registry


def registry_digest(registry: Registry) -> str:
    """BLAKE2b over the version, and over each feature's formula, parameters and normalisation in their order."""
    entries = [
        (
            entry.name,
            entry.feature.formula.name,
            sorted(entry.feature.params.items()),
            None if entry.normalise is None else (type(entry.normalise).__name__, *entry.normalise),
        )
        for entry in registry.entries
    ]
    return blake2b(msgspec.json.encode((registry.version, entries)), digest_size=16).hexdigest()
