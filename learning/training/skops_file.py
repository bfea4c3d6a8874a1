"""The files of scikit-learn's pipelines: skops, read only where every type in it is one of our own families.

skops names its entries by memory addresses and stamps them with the time of day, so the same model would have other
bytes each time: what it writes is brought into one order here. (skops takes entries by the names in its schema, so that
its own reader reads the result.)
"""

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from learning.training.pipeline import FittedPipeline

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

NAMES = "lockstep_features"
"""The attribute of the pipeline that names its columns."""
SCHEMA = "schema.json"
NEVER = (1980, 1, 1, 0, 0, 0)
"""The first moment that a ZIP file knows."""
OURS = frozenset(
    {
        "builtins.dict", "builtins.list", "builtins.str", "builtins.tuple", "numpy.dtype", "numpy.float64",
        "numpy.int64", "numpy.ndarray", "sklearn._loss._loss.CyHalfBinomialLoss", "sklearn.pipeline.Pipeline",
        "sklearn.impute._base.SimpleImputer", "sklearn.preprocessing._data.StandardScaler",
        "sklearn.linear_model._logistic.LogisticRegression", "sklearn.tree._tree.Tree",
        "sklearn.linear_model._stochastic_gradient.SGDClassifier", "sklearn.tree._classes.DecisionTreeClassifier",
        "sklearn.tree._classes.DecisionTreeRegressor", "sklearn.ensemble._forest.RandomForestClassifier",
        "sklearn.ensemble._forest.RandomForestRegressor",
    }
)  # fmt: skip
"""Every type that a pipeline of ours is made of."""
REVIEWED = ("numpy.dtype", "sklearn.tree._tree.Tree")
"""What skops does not trust by itself and ours need: a dtype is harmless, the nodes of a tree are checked below."""


def write_pipeline(pipeline: "Pipeline", features: tuple[str, ...]) -> bytes:
    """The bytes of a fitted pipeline, the same for the same pipeline in every process."""
    import skops.io

    setattr(pipeline, NAMES, list(features))
    return _ordered(skops.io.dumps(pipeline))


def read_pipeline(content: bytes) -> FittedPipeline:
    """The inverse of ``write_pipeline``.

    Raises:
        ValueError: when it cannot be read, has types that no family of ours is made of, or trees that lead astray.
    """
    import skops.io

    try:
        schema = json.loads(_read(content)[SCHEMA])
        foreign = sorted(_types(schema) - OURS | set(skops.io.get_untrusted_types(data=content)) - set(REVIEWED))
        if foreign:
            raise ValueError(f"it holds types that are not trusted: {', '.join(foreign)}")
        pipeline = skops.io.loads(content, trusted=list(REVIEWED))
        fitted = FittedPipeline(pipeline, tuple(getattr(pipeline, NAMES)))
    except ValueError:
        raise
    except Exception as error:  # a damaged file fails anywhere in skops, zipfile or numpy, in its own way
        raise ValueError(f"skops cannot read it: {type(error).__name__}: {error}") from error
    if pipeline.n_features_in_ != len(fitted.features):
        raise ValueError(f"it takes {pipeline.n_features_in_} features and names {len(fitted.features)}")
    for tree in getattr(fitted.estimator, "estimators_", ()):
        _check_nodes(tree.tree_, len(fitted.features))
    return fitted


def _read(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {entry: archive.read(entry) for entry in archive.namelist()}


def _types(node: Any) -> set[str]:
    """The type of every node of a schema."""
    if isinstance(node, list):
        return set().union(*map(_types, node))
    if not isinstance(node, dict):
        return set()
    found = set().union(*map(_types, node.values()))
    return found | {f"{node['__module__']}.{node['__class__']}"} if "__class__" in node else found


def _check_nodes(tree: Any, features: int) -> None:
    """scikit-learn follows the indices of nodes unchecked: a forged tree could read any memory, or never end."""
    left, right, feature = tree.children_left, tree.children_right, tree.feature
    here = np.arange(tree.node_count)
    inner = left != -1
    for child in (left[inner], right[inner]):
        if np.any(child <= here[inner]) or np.any(child >= tree.node_count):
            raise ValueError("a tree in it has a node whose child is no later node of that tree")
    if np.any(feature[inner] < 0) or np.any(feature[inner] >= features):
        raise ValueError(f"a tree in it looks at a feature beyond its {features}")


def _ordered(content: bytes) -> bytes:
    """The same archive with entries numbered in the order of the schema, and no times."""
    entries = _read(content)
    schema = json.loads(entries[SCHEMA])
    names: dict[str, str] = {}
    _number(schema, names, [0])
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:
        for before, after in names.items():
            archive.writestr(zipfile.ZipInfo(after, NEVER), _without_padding(entries[before]))
        archive.writestr(zipfile.ZipInfo(SCHEMA, NEVER), json.dumps(schema))
    return written.getvalue()


def _number(node: Any, names: dict[str, str], count: list[int]) -> None:
    """Give every node the number of its place, and every file that of its first mention."""
    if isinstance(node, list):
        for child in node:
            _number(child, names, count)
    elif isinstance(node, dict):
        if "__id__" in node:
            count[0] += 1
            node["__id__"] = count[0]
        if "file" in node and "__loader__" in node:
            node["file"] = names.setdefault(node["file"], f"{len(names)}.npy")
        for child in node.values():
            _number(child, names, count)


def _without_padding(content: bytes) -> bytes:
    """An array file; between the fields of a structured array may lie what was in the memory before."""
    array = np.load(io.BytesIO(content), allow_pickle=False)
    if array.dtype.names is None:
        return content
    clean = np.zeros(array.shape, array.dtype)
    for name in array.dtype.names:
        clean[name] = array[name]
    written = io.BytesIO()
    np.save(written, clean, allow_pickle=False)
    return written.getvalue()
