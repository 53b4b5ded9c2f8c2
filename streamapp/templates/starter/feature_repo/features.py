"""What is known about a customer, and the feature service that the fraud model is served with."""

from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.types import Float32, Int64

customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.INT64)

customers = FileSource(name="customers", path="data/customers.parquet", timestamp_field="event_timestamp")

customer_activity = FeatureView(
    name="customer_activity",
    entities=[customer],
    ttl=timedelta(days=30),
    schema=[
        Field(name="customer_id", dtype=Int64),
        Field(name="payments_30d", dtype=Int64),
        Field(name="mean_amount_30d", dtype=Float32),
    ],
    source=customers,
)

# One service per model contract: a model that needs other features gets a service of its own.
fraud_v1 = FeatureService(name="fraud_v1", features=[customer_activity])
