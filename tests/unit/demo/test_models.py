from pathlib import Path

import lightgbm
import numpy as np
import onnxruntime
import pandas as pd
import pytest

from streamapp.demo.columns import CHALLENGER, CHAMPION, WEATHER_MAX_AGE_S, Vocabulary, join_features, matrix
from streamapp.demo.flights import PLANE, WEATHER
from streamapp.demo.train import export


def utc(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def measurements(*hours: str) -> pd.DataFrame:
    values = {name: np.arange(len(hours), dtype=np.float32) for name in WEATHER}
    return pd.DataFrame({"origin": "JFK", "measured": [utc(hour) for hour in hours], **values})


def departures(*moments: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "scheduled": [utc(moment) for moment in moments],
            "origin": "JFK",
            "tailnum": "N1",
            "carrier": "UA",
            "dest": "IAH",
            "hour": 7,
            "minute": 30,
            "weekday": 5,
            "distance": 1400,
        }
    )


PLANES = pd.DataFrame({"tailnum": ["N2"], **{name: np.float32(1) for name in PLANE}})


def test_a_flight_sees_the_last_weather_known_at_its_departure() -> None:
    weather = measurements("2013-03-01 10:00", "2013-03-01 11:00", "2013-03-01 12:00")
    joined = join_features(departures("2013-03-01 10:59", "2013-03-01 11:00", "2013-03-01 11:01"), weather, PLANES)
    assert joined["airport_weather:temp"].tolist() == [0.0, 1.0, 1.0]


def test_old_weather_is_no_weather() -> None:
    moment = utc("2013-03-01 10:00") + pd.Timedelta(seconds=WEATHER_MAX_AGE_S)
    just, over = str(moment.tz_localize(None)), str((moment + pd.Timedelta(minutes=1)).tz_localize(None))
    joined = join_features(departures(just, over), measurements("2013-03-01 10:00"), PLANES)
    assert joined["airport_weather:temp"].isna().tolist() == [False, True]


def test_columns_are_codes_and_numbers_in_the_order_of_the_model() -> None:
    vocabulary = Vocabulary({"carrier": ("AA", "UA"), "origin": ("EWR", "JFK", "LGA"), "dest": ("ATL", "IAH")})
    joined = join_features(departures("2013-03-01 10:30"), measurements("2013-03-01 10:00"), PLANES)
    champion = matrix(joined, CHAMPION, vocabulary)
    assert champion.dtype == np.float32
    assert champion.tolist() == [[7.0, 30.0, 5.0, 1400.0, 1.0, 1.0, 1.0]]
    challenger = matrix(joined, CHALLENGER, vocabulary)
    assert challenger[0, 7:16].tolist() == [0.0] * len(WEATHER)
    assert np.isnan(challenger[0, 16:]).all()


@pytest.mark.parametrize("rows", [1, 7, 300])
def test_the_exported_model_gives_the_probabilities_of_the_trained_one(rows: int, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    inputs = random.normal(size=(2_000, 5)).astype(np.float32)
    inputs[random.random(inputs.shape) < 0.2] = np.nan
    late = (np.nan_to_num(inputs[:, 0]) + np.isnan(inputs[:, 1]) + random.normal(size=2_000) > 0.5).astype(float)
    learner = {"objective": "binary", "num_leaves": 7, "verbose": -1, "num_threads": 1, "seed": 1}
    booster = lightgbm.train(learner, lightgbm.Dataset(inputs, late), num_boost_round=20)
    session = onnxruntime.InferenceSession(export(booster, 5), providers=["CPUExecutionProvider"])
    assert [(each.name, each.shape) for each in session.get_inputs()] == [("input", [None, 5])]
    label, probabilities = session.run(["label", "probabilities"], {"input": inputs[:rows]})
    expected = booster.predict(inputs[:rows])
    assert label.shape == (rows,)
    np.testing.assert_allclose(probabilities[:, 1], expected, atol=1e-5)
