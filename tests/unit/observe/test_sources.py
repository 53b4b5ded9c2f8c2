from collections.abc import Callable

from streamapp.buckets import BUCKETS
from streamapp.config.settings import PipelineSettings
from streamapp.demo.scrape import Scrape
from streamapp.infer import ModelInferrer
from streamapp.observe.families import FAMILIES
from streamapp.observe.metrics import Metrics, new_registry
from streamapp.observe.sources import serving_readings
from streamapp.protocols import Serving
from streamapp.route import HashRouter, Share
from streamapp.types import Variant

Make = Callable[..., PipelineSettings]


def serving(champion: str, challenger: str, weights: tuple[float, float], shadow: float = 0.0) -> Serving:
    variants = (Variant("champion", "flights", champion), Variant("challenger", "flights", challenger))
    shares = [Share("champion", weights[0]), Share("challenger", weights[1], shadow)]
    return Serving(1, variants, HashRouter("salt", shares), ModelInferrer({}))


def test_metrics_say_what_serves_now_and_nothing_else(pipeline: Make, variants: tuple[Variant, ...]) -> None:
    metrics = Metrics(pipeline(), variants, new_registry())
    serves = serving("1", "2", (3, 1), shadow=0.5)
    metrics.read_from(serving_readings(lambda: serves))

    def info() -> dict[tuple[str, ...], float]:
        found = [each for each in Scrape(metrics.render().decode()).samples if each.name == "streamapp_model_info"]
        return {tuple(each.labels[name] for name in FAMILIES[each.name].labels): each.value for each in found}

    def ratio(name: str, variant: str) -> float:
        return Scrape(metrics.render().decode()).total(f"streamapp_variant_{name}_ratio", variant=variant)

    assert (ratio("weight", "champion"), ratio("weight", "challenger")) == (0.75, 0.25)
    assert (ratio("shadow", "champion"), ratio("shadow", "challenger")) == (0.0, 0.5)
    assert info() == {("champion", "flights", "1"): 1.0, ("challenger", "flights", "2"): 1.0}
    # A promotion, and not one event since.
    serves = serving("2", "1", (1, 0))
    assert info() == {("champion", "flights", "2"): 1.0, ("challenger", "flights", "1"): 1.0}
    assert (ratio("weight", "champion"), ratio("weight", "challenger")) == (1.0, 0.0)
    assert ratio("shadow", "challenger") == 0.0


def test_a_weight_is_what_the_table_of_buckets_gives() -> None:
    router = HashRouter("salt", [Share("a", 1), Share("b", 1), Share("c", 1), Share("d", 0)])
    assert router.weights == (3334 / BUCKETS, 3333 / BUCKETS, 3333 / BUCKETS, 0.0)
