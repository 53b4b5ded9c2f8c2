"""torch models, saved when a test asks for one. torch is imported in fixtures and tests only, so that collecting
these files needs no torch."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "cuda: needs a CUDA device; required where STREAMAPP_REQUIRE_CUDA=1")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave CUDA tests out on machines without a GPU, unless it is required: then they run, and fail."""
    cuda = [item for item in items if item.get_closest_marker("cuda")]
    if cuda and os.environ.get("STREAMAPP_REQUIRE_CUDA") != "1" and not os.path.exists("/dev/nvidia0"):
        config.hook.pytest_deselected(items=cuda)
        items[:] = [item for item in items if item not in cuda]


@pytest.fixture
def sample() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(50, 4)).astype(np.float32)


@pytest.fixture
def network():
    """x (rows, 4) -> probabilities (rows, 2) and logits (rows, 2), with fixed weights."""
    import torch

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.layers = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            logits = self.layers(x)
            return torch.softmax(logits, dim=1), logits

    return Network().eval()


@pytest.fixture
def expected(network, sample) -> np.ndarray:
    import torch

    with torch.no_grad():
        return network(torch.from_numpy(sample))[0].numpy()


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., Path]:
    """Save as TorchScript."""
    import warnings

    import torch

    def save(module, name: str = "model.pt") -> Path:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`torch.jit")
            torch.jit.script(module).save(str(tmp_path / name))
        return tmp_path / name

    return save


@pytest.fixture
def export(tmp_path: Path) -> Callable[..., Path]:
    """Save with torch.export."""
    import torch

    def save(module, args=(), kwargs=None, shapes=None, name: str = "model.pt2") -> Path:
        program = torch.export.export(module, args, kwargs, dynamic_shapes=shapes)
        torch.export.save(program, tmp_path / name)
        return tmp_path / name

    return save
