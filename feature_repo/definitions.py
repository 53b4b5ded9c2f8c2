"""What the demo's models may know about a flight before it departs: the weather at its origin and its plane.

Times are UTC. The Parquet files come from `streamapp.demo.sources`; during the replay the weather is pushed to the
online store hour by hour, when it was measured.
"""

from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, FileSource, PushSource
from feast.types import Float32
from feast.value_type import ValueType

origin = Entity(name="origin", join_keys=["origin"], value_type=ValueType.STRING, description="Airport of departure")
tailnum = Entity(name="tailnum", join_keys=["tailnum"], value_type=ValueType.STRING, description="Plane")

weather_measured = PushSource(
    name="weather_measured",
    batch_source=FileSource(name="weather_file", path="data/weather.parquet", timestamp_field="measured"),
)

airport_weather = FeatureView(
    name="airport_weather",
    description="Hourly weather at the airport, known from the end of the hour in which it was measured",
    entities=[origin],
    ttl=timedelta(hours=3),
    source=weather_measured,
    schema=[
        Field(name="temp", dtype=Float32, description="Degrees Fahrenheit"),
        Field(name="dewp", dtype=Float32, description="Dew point, degrees Fahrenheit"),
        Field(name="humid", dtype=Float32, description="Relative humidity, per cent"),
        Field(name="wind_dir", dtype=Float32, description="Degrees"),
        Field(name="wind_speed", dtype=Float32, description="Miles per hour"),
        Field(name="wind_gust", dtype=Float32, description="Miles per hour; the wind speed where no gust was noted"),
        Field(name="precip", dtype=Float32, description="Inches in the hour"),
        Field(name="pressure", dtype=Float32, description="Sea level pressure, millibars"),
        Field(name="visib", dtype=Float32, description="Visibility, miles"),
    ],
)

plane = FeatureView(
    name="plane",
    description="The plane as registered; does not change within the year",
    entities=[tailnum],
    ttl=timedelta(days=0),
    source=FileSource(name="plane_file", path="data/planes.parquet", timestamp_field="registered"),
    schema=[
        Field(name="age", dtype=Float32, description="Years since it was built"),
        Field(name="seats", dtype=Float32),
        Field(name="engines", dtype=Float32),
    ],
)

late_arrival_challenger = FeatureService(
    name="late_arrival_challenger",
    description="What the challenger adds to the schedule; the champion needs no features",
    features=[airport_weather, plane],
)
