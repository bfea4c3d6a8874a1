"""What becomes of missing values is asked for over HTTP, and what was done is in the dataset's metadata."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from learning.datasets import load_metadata
from tests.learning.datasets.session import at, make_log
from tests.serving.learning import Served, body, copied, utc


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a log with a session that has gaps."""
    home = tmp_path_factory.mktemp("missing")
    make_log(home / "log").close()
    return home


@pytest.fixture
def served(session: Path, tmp_path: Path, database_url: str) -> Iterator[Served]:
    with copied(session, tmp_path, database_url) as found:
        yield found


@pytest.mark.req("TK-FS-32")
def test_the_choice_is_taken_and_recorded_with_counts_by_feature(served: Served) -> None:
    """How old a value may be, too; and a dataset that was filled cannot be split again."""
    made = {
        how: served.build(missing=how, missing_limit_seconds=60, data_leakage_check=how != "interpolate")
        for how in ("null", "skip", "forward_fill", "extrapolate", "interpolate")
    }
    served.work()
    found = {how: served.dataset(dataset) for how, dataset in made.items()}

    for how, dataset in found.items():
        train, request = dataset["metadata"]["splits"]["train"], dataset["metadata"]["request"]
        assert dataset["status"] == "ready", dataset["error_message"]
        assert (request["missing"], request["limit"]) == (how, 60)
        assert dataset["metadata"]["look_ahead"] is (how == "interpolate")
        assert sum(train["missing"].values()) > 0
        assert (sum(train["filled"].values()) > 0) is (how in ("forward_fill", "extrapolate", "interpolate"))
        assert all(count <= train["missing"][name] for name, count in train["filled"].items())
        assert (train["skipped"] > 0) is (how == "skip")
        stored = load_metadata(Path(dataset["storage_path"])).split("train")
        assert (stored.missing, stored.filled) == (train["missing"], train["filled"])
    periods = {name: value for name, value in body().items() if "period" in name}
    again = {how: served.api.post(f"/dataset/{made[how]}/resplit", periods) for how in ("null", "forward_fill")}
    assert again["null"].status_code == 200
    assert again["forward_fill"].status_code == 400
    assert "build it anew" in again["forward_fill"].json()["detail"]


@pytest.mark.req("TK-FS-32")
def test_what_looks_ahead_is_refused_where_leaks_are_checked_and_nothing_is_judged_on_it(served: Served) -> None:
    refused = served.api.post("/dataset/build", body(missing="interpolate"))
    dataset = served.build(missing="interpolate", data_leakage_check=False)
    served.work()
    judged = served.api.post("/model/evaluate", {"dataset_id": dataset, "model_version": "v1"})

    assert refused.status_code == 400
    assert "interpolate looks ahead" in refused.json()["detail"]
    assert served.dataset(dataset)["metadata"]["look_ahead"] is True
    assert judged.status_code == 400
    assert "knows the future" in judged.json()["detail"]


@pytest.mark.parametrize(("limit", "status"), [(0, 422), (601, 422), (4, 400)])
def test_how_old_a_value_may_be_has_limits(served: Served, limit: int, status: int) -> None:
    answer = served.api.post("/dataset/build", body(missing="forward_fill", missing_limit_seconds=limit))

    assert answer.status_code == status


def test_a_dataset_is_not_split_into_nothing(served: Served) -> None:
    """It stays as it is, and the answer says which rows there are."""
    dataset = served.build()
    served.work()
    before = served.dataset(dataset)
    places = (20, 22, 23, 24, 25, 26)
    names = [name for name in body() if "period" in name]
    answer = served.api.post(
        f"/dataset/{dataset}/resplit",
        {name: utc(at(place - 2000)) for name, place in zip(names, places, strict=True)},
    )

    assert answer.status_code == 400
    assert "no row in these periods: it is left as it is. Its rows are of " in answer.json()["detail"]
    assert served.dataset(dataset) == before
