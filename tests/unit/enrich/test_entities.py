import numpy as np
import pytest

from streamapp.enrich.entities import KeyField, can_be_stored, entity_keys

NAN = float("nan")


def keys(column, dtype, labels=None, rows=None):
    picked = np.arange(len(column)) if rows is None else np.array(rows, np.int64)
    return entity_keys({"k": column}, [KeyField("k", dtype, labels)], picked)


def test_text():
    assert keys(["a", None, "", "b"], "string") == ["a", None, None, "b"]
    assert keys(["a", None, "", "b"], "string", rows=[3, 0]) == ["b", "a"]


def test_integers_are_python_integers():
    found = keys(np.array([1, -5], np.int64), "int64")
    assert found == [1, -5]
    assert all(type(key) is int for key in found)
    assert keys(np.array([1, -5], np.int32), "int64") == [1, -5]


def test_an_integer_outside_the_key_type_is_no_entity():
    assert keys(np.array([2**31, 2**31 - 1], np.int64), "int32") == [None, 2**31 - 1]


def test_optional_integers_are_floats_with_nan():
    assert keys(np.array([1.0, NAN, 1.5, np.inf, 2.0**60, -3.0]), "int64") == [1, None, None, None, None, -3]
    assert keys(np.array([2.0**40]), "int32") == [None]


def test_categories_by_label():
    assert keys(np.array([1, 0, -1, 2], np.int32), "string", ("a", "b")) == ["b", "a", None, None]
    assert keys(np.array([1, 0], np.int32), "string", ("a", "")) == [None, "a"]


def test_composite_keys_need_every_part():
    fields = [KeyField("a", "string"), KeyField("b", "int64")]
    columns = {"a": ["x", None, "y"], "b": np.array([1, 2, 3])}
    assert entity_keys(columns, fields, np.arange(3)) == [("x", 1), None, ("y", 3)]


def test_without_join_keys_all_rows_are_one_entity():
    assert entity_keys({}, [], np.arange(2)) == [(), ()]


@pytest.mark.parametrize(("key", "stored"), [("é", True), ("\ud800", False), (("a", "\ud800"), False), (7, True)])
def test_lone_surrogates_cannot_be_stored(key, stored):
    assert can_be_stored(key) is stored
