"""Makes everything the starter needs from invented payments; replace it with your own data and model.

Writes feature_repo/data/customers.parquet (what Feast serves), models/fraud/1/model.onnx and events.jsonl
(payments to try). Needs scikit-learn, skl2onnx and pandas: pip install "streamapp[demo]".
"""

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pandas as pd
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = Path(__file__).parent
CHANNELS = ["web", "app", "shop"]  # the order of `allowed` in pipeline.yaml: the model sees the codes 0, 1, 2
COLUMNS = ["amount", "channel", "payments_30d", "mean_amount_30d"]  # the order of `inputs` in pipeline.yaml


def make_customers(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """One row per customer, as measured an hour ago."""
    return pd.DataFrame(
        {
            "customer_id": np.arange(n),
            "payments_30d": rng.poisson(12, n),
            "mean_amount_30d": rng.lognormal(3.5, 0.6, n).astype(np.float32),
            "event_timestamp": datetime.now(timezone.utc) - timedelta(hours=1),
        }
    )


def make_payments(rng: np.random.Generator, customers: pd.DataFrame, n: int) -> pd.DataFrame:
    """Payments joined with what was known about their customers, and whether they were fraud."""
    payments = customers.iloc[rng.integers(0, len(customers), n)].reset_index(drop=True)
    payments["channel"] = rng.integers(0, len(CHANNELS), n)
    payments["amount"] = payments["mean_amount_30d"] * rng.lognormal(0, 0.8, n)
    unusual = np.log(payments["amount"] / payments["mean_amount_30d"])
    logit = -4 + 1.8 * unusual + 0.8 * (payments["channel"] == 0) - 0.05 * payments["payments_30d"]
    payments["is_fraud"] = rng.random(n) < 1 / (1 + np.exp(-logit))
    return payments


def main() -> None:
    """Make data, train, export."""
    rng = np.random.default_rng(7)
    customers = make_customers(rng, 1_000)
    payments = make_payments(rng, customers, 20_000)
    matrix = payments[COLUMNS].to_numpy(np.float32)
    train, test = slice(0, 15_000), slice(15_000, None)

    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(matrix[train], payments["is_fraud"][train])
    auc = roc_auc_score(payments["is_fraud"][test], model.predict_proba(matrix[test])[:, 1])
    print(f"AUC on held-out payments: {auc:.3f}")

    # The free first axis is the rows of a batch; zipmap would turn the probabilities into one dict per row.
    onnx = to_onnx(
        model,
        initial_types=[("features", FloatTensorType([None, len(COLUMNS)]))],
        options={"zipmap": False},
    )
    write(HERE / "models/fraud/1/model.onnx", onnx.SerializeToString())
    write(HERE / "feature_repo/data/customers.parquet", customers.to_parquet())
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    events = [
        {
            "payment_id": f"p{i}",
            "at": now,
            "customer_id": int(payment["customer_id"]),
            "amount": round(float(payment["amount"]), 2),
            "channel": CHANNELS[int(payment["channel"])],
        }
        for i, payment in enumerate(payments.head(20).to_dict("records"))
    ]
    write(HERE / "events.jsonl", "".join(json.dumps(event) + "\n" for event in events).encode())


def write(path: Path, content: bytes) -> None:
    """Write a file and say so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
