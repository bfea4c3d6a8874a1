"""Files are the truth: read whole, refused with every reason, written once and never half."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning.registries.errors import Invalid, UnknownVersion, VersionExists
from learning.registries.files import RegistryFiles, in_order, read_config
from operators.registry import parse_registry
from tests.registry.conftest import SHIPPED, Config, config, edited


@pytest.fixture
def files(tmp_path: Path) -> RegistryFiles:
    return RegistryFiles(SHIPPED, tmp_path / "own")


def test_what_comes_along_is_found_by_the_version_that_it_says_it_is(files: RegistryFiles) -> None:
    """full.yaml is version full-1; people count 1.2.0 as the newest."""
    assert list(files.all()) == ["extended-1", "full-1", "1.0.0", "1.1.0", "1.2.0"]
    assert all(file.shipped for file in files.all().values())
    newest = files.newest_valid()
    assert newest and newest.version == "1.2.0"


@pytest.mark.req("TK-RG-01", "TK-RG-05")
def test_a_version_that_is_made_reads_back_as_what_was_asked_for(files: RegistryFiles) -> None:
    wanted = config("1.3.0", "mid_price", "rsi_14", description="äöü: # not a comment")
    made = files.create("1.3.0", wanted)

    assert made.path == files.own / "1.3.0.yaml"
    assert made.config == wanted
    assert RegistryFiles(SHIPPED, files.own).registry("1.3.0") == parse_registry(wanted)
    assert [path.name for path in files.own.iterdir()] == ["1.3.0.yaml"]


@pytest.mark.req("FS-FR-043")
def test_a_file_may_be_json(files: RegistryFiles) -> None:
    files.own.mkdir()
    (files.own / "mine.json").write_text(json.dumps(config("1.4.0"), indent=2))

    assert files.registry("1.4.0") == parse_registry(config("1.4.0"))


@pytest.mark.req("TK-RG-05")
def test_a_version_is_made_once_also_by_many_at_once(files: RegistryFiles) -> None:
    """Each of eight writes other features; the file is that of the one who was told so."""
    made: list[Config] = []
    refused: list[VersionExists] = []
    barrier = threading.Barrier(8)

    def create(number: int) -> None:
        wanted = config("2.0.0", "mid_price", description=f"number {number}")
        barrier.wait()
        try:
            made.append(RegistryFiles(SHIPPED, files.own).create("2.0.0", wanted).config)
        except VersionExists as error:
            refused.append(error)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(made), len(refused)) == (1, 7)
    assert files.read("2.0.0").config == made[0]
    with pytest.raises(VersionExists, match="versions are never used again"):
        files.create("1.0.0", config("1.0.0"))


@pytest.mark.req("FS-EC-06", "FS-FR-045")
def test_every_reason_is_named_at_once(files: RegistryFiles) -> None:
    wrong = edited(config("9.9.9"), "vwap_3s", lookback_window="2d", max_lookback_days=1, lookahead_forbidden=False)
    wrong = edited(wrong, "mid_price", input_sources=["crystal_ball"])
    with pytest.raises(Invalid) as caught:
        files.create("9.9.9", wrong)

    told = "\n".join(caught.value.problems)
    assert "vwap_3s: lookback_window: is 2d, longer than max_lookback_days (1) allows" in told
    assert "vwap_3s: lookahead_forbidden: must be true" in told
    assert "mid_price: input_sources: 'crystal_ball' is no source" in told
    assert not files.own.exists()


@pytest.mark.parametrize("version", ["", "../1", "a/b", ".hidden", "x" * 51, "1 0", "1\n", "ä", "-rf", "1\0"])
def test_a_version_that_cannot_be_the_name_of_a_file_is_refused(files: RegistryFiles, version: str) -> None:
    with pytest.raises(Invalid, match="version: must be 1 to 50 letters"):
        files.create(version, config(version))


def test_the_version_in_the_config_is_the_requested_one(files: RegistryFiles) -> None:
    with pytest.raises(Invalid, match=r"config says '1\.5\.0', the request '1\.6\.0'"):
        files.create("1.6.0", config("1.5.0"))

    unsaid = config("")
    del unsaid["version"]
    assert files.create("1.6.0", unsaid).config["version"] == "1.6.0"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["version", "features", "description", "x"]), JSON))
def test_nothing_that_json_can_say_breaks_the_reader(given: dict[str, Any]) -> None:
    """It is valid, or refused with a reason, and what is kept of it can be stored anywhere."""
    found = read_config(given, "1", Path("1.yaml"))

    assert (found.registry is None) == bool(found.problems)
    json.dumps(found.config, allow_nan=False).encode()


@pytest.mark.parametrize("text", ["a\0b", "\ud800", float("nan"), "x" * 600_000])
def test_what_log_or_database_cannot_hold_is_refused(files: RegistryFiles, text: Any) -> None:
    with pytest.raises(Invalid, match="cannot be kept as JSON"):
        files.create("3.0.0", config("3.0.0", description=text))


def test_a_file_that_changed_is_read_again(files: RegistryFiles) -> None:
    path = files.create("4.0.0", config("4.0.0", "mid_price")).path
    path.write_text(json.dumps(config("4.0.0", "vwap_3s")))

    assert [entry.name for entry in files.registry("4.0.0").entries] == ["vwap_3s"]


def test_what_cannot_be_read_is_a_problem_of_that_file_alone(files: RegistryFiles) -> None:
    files.own.mkdir()
    (files.own / "broken.yaml").write_text("version: 5.0.0\nfeatures: [")
    (files.own / "bytes.yaml").write_bytes(b"version: \xff")

    assert "not readable as YAML" in files.read("5.0.0").problems[0]
    assert "1.0.0" in files.all()
    with pytest.raises(UnknownVersion, match=r"6\.0\.0 is not known; there are extended-1, full-1, 1\.0\.0"):
        files.registry("6.0.0")


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))))
def test_versions_are_ordered_as_people_count(numbers: list[tuple[int, int, int]]) -> None:
    names = [".".join(map(str, one)) for one in numbers]

    assert sorted(names, key=in_order) == [".".join(map(str, one)) for one in sorted(numbers)]
