"""What changes for whoever relies on the vectors when one registry follows another."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from operators.registry import Entry, Registry
from operators.spans import format_span


class Difference(NamedTuple):
    """A field of a feature that is not what it was."""

    feature: str
    field: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.field} {self.before} -> {self.after}"


@dataclass(frozen=True)
class Comparison:
    """A registry against the one before it.

    ``renamed`` pairs old and new names; ``changed`` has features under their new name. ``read`` and ``unread`` are
    sources that are needed from now on, and no longer.
    """

    before: str
    after: str
    removed: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    changed: tuple[Difference, ...] = ()
    added: tuple[str, ...] = ()
    reordered: bool = False
    read: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def breaking(self) -> list[str]:
        """What a reader of the vectors must know of: removed, renamed and changed features."""
        differences: dict[str, list[Difference]] = {}
        for difference in self.changed:
            differences.setdefault(difference.feature, []).append(difference)
        return [
            *(f"removed: {name}" for name in self.removed),
            *(f"renamed: {old} -> {new}" for old, new in self.renamed),
            *(f"changed: {name}: {', '.join(map(str, found))}" for name, found in differences.items()),
        ]

    @property
    def warnings(self) -> list[str]:
        """What breaks nothing, and is worth knowing."""
        found = [f"added: {name}" for name in self.added]
        if self.reordered:
            found.append("the features stand in another order")
        if self.read:
            found.append(f"reads from now on: {', '.join(self.read)}")
        if self.unread:
            found.append(f"reads no longer: {', '.join(self.unread)}")
        return found

    @property
    def same_names(self) -> bool:
        """Whether vectors keep their keys: the schema is the set of names."""
        return not (self.removed or self.renamed or self.added)


def gathered(lines: Iterable[str]) -> list[str]:
    """The same for people: features that were removed, or added, on one line.

    >>> gathered(["removed: a", "removed: b", "changed: c: lookback_window 1s -> 2s"])
    ['removed: a, b', 'changed: c: lookback_window 1s -> 2s']
    """
    found: dict[str, list[str]] = {}
    for line in lines:
        kind, _, rest = line.partition(": ")
        found.setdefault(f"{kind}: " if kind in ("removed", "added") else line, []).append(rest)
    return [kind + ", ".join(names) if kind.endswith(": ") else kind for kind, names in found.items()]


def compare(before: Registry, after: Registry, renames: Mapping[str, str] | None = None) -> Comparison:
    """What changes when ``after`` follows ``before``.

    A feature that is gone and one that is new are one under another name where formula and parameters are equal;
    ``renames`` (old name to new) says it of others.
    """
    old = {entry.name: entry for entry in before.entries}
    new = {entry.name: entry for entry in after.entries}
    gone = [entry for entry in before.entries if entry.name not in new]
    come = [entry for entry in after.entries if entry.name not in old]
    renamed = pair(gone, come, renames or {})
    kept = [(name, name) for name in old if name in new]
    changed = [found for was, now in [*kept, *renamed.items()] for found in differences(old[was], new[now])]
    taken = set(renamed.values())
    reads = [{source for entry in registry.entries for source in entry.feature.sources} for registry in (before, after)]
    return Comparison(
        before.version,
        after.version,
        removed=tuple(entry.name for entry in gone if entry.name not in renamed),
        renamed=tuple(renamed.items()),
        changed=tuple(changed),
        added=tuple(entry.name for entry in come if entry.name not in taken),
        reordered=[name for name in old if name in new] != [name for name in new if name in old],
        read=tuple(sorted(reads[1] - reads[0])),
        unread=tuple(sorted(reads[0] - reads[1])),
    )


def pair(gone: list[Entry], come: list[Entry], declared: Mapping[str, str]) -> dict[str, str]:
    """New names by old ones: what was declared, then what is equal in everything, then in formula and parameters."""
    names = {entry.name for entry in come}
    found = {entry.name: declared[entry.name] for entry in gone if declared.get(entry.name) in names}
    for key in (whole, formula):
        waiting: dict[object, list[str]] = defaultdict(list)
        for entry in come:
            if entry.name not in found.values():
                waiting[key(entry)].append(entry.name)
        for entry in gone:
            if entry.name not in found and (same := waiting[key(entry)]):
                found[entry.name] = same.pop(0)
    return {entry.name: found[entry.name] for entry in gone if entry.name in found}


def formula(entry: Entry) -> tuple[object, ...]:
    """What is computed, whatever its name."""
    return entry.feature.formula.name, tuple(sorted(entry.feature.params.items()))


def whole(entry: Entry) -> tuple[object, ...]:
    """Everything that a change of would break a reader."""
    return *formula(entry), entry.lookback_us, frozenset(entry.input_sources), str(entry.normalise)


def differences(before: Entry, after: Entry) -> list[Difference]:
    """The fields of a feature that changed."""
    pairs = zip(fields(before), fields(after), strict=True)
    return [Difference(after.name, name, was, now) for (name, was), (_, now) in pairs if was != now]


def fields(entry: Entry) -> list[tuple[str, str]]:
    """What counts of an entry, as text, so that it can be compared and shown."""
    params = ", ".join(f"{name}={value}" for name, value in sorted(entry.feature.params.items()))
    return [
        ("formula", f"{entry.feature.formula.name}({params})"),
        ("lookback_window", format_span(entry.lookback_us)),
        ("input_sources", ", ".join(sorted(set(entry.input_sources))) or "none"),
        ("normalization", str(entry.normalise or "none")),
    ]
