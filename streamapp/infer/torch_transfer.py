"""NumPy arrays to the device and back."""

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
import torch

from streamapp.types import Array

Forward = Callable[[Mapping[str, torch.Tensor]], Mapping[str, torch.Tensor]]


class Transfer(Protocol):
    """Where tensors live while the model runs."""

    def run(self, inputs: Mapping[str, Array], forward: Forward) -> dict[str, Array]:
        """Call `forward` with the inputs as tensors; its outputs as arrays that nobody else writes to."""
        ...


class CpuTransfer:
    """Inputs are copied, so that a model that works in place cannot change the batch."""

    def run(self, inputs: Mapping[str, Array], forward: Forward) -> dict[str, Array]:
        """Run on the CPU."""
        outputs = forward({name: torch.from_numpy(np.array(values)) for name, values in inputs.items()})
        return {name: tensor.detach().numpy() for name, tensor in outputs.items()}


class CudaTransfer:
    """Page-locked staging buffers, kept and grown, and a copy stream of its own.

    1. Inputs are written to the staging buffers and copied to the device on the copy stream, without blocking.
    2. The compute stream waits for those copies, then runs the model.
    3. The copy stream waits for the model and copies the outputs to page-locked memory.
    4. The host waits for the last copy, also when the model raised; then the buffers are free for the next call.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._copies = torch.cuda.Stream(device)
        self._compute = torch.cuda.Stream(device)
        self._staging: dict[str, torch.Tensor] = {}

    def run(self, inputs: Mapping[str, Array], forward: Forward) -> dict[str, Array]:
        """Run on the GPU."""
        with torch.cuda.device(self._device):
            try:
                landed = self._there_and_back(inputs, forward)
            finally:
                self._copies.synchronize()
        return {name: tensor.numpy().copy() for name, tensor in landed.items()}

    def _there_and_back(self, inputs: Mapping[str, Array], forward: Forward) -> dict[str, torch.Tensor]:
        with torch.cuda.stream(self._copies):
            on_device = {name: self._upload(f"in:{name}", values) for name, values in inputs.items()}
        self._compute.wait_stream(self._copies)
        with torch.cuda.stream(self._compute):
            for tensor in on_device.values():
                tensor.record_stream(self._compute)
            outputs = forward(on_device)
        self._copies.wait_stream(self._compute)
        with torch.cuda.stream(self._copies):
            return {name: self._download(f"out:{name}", tensor) for name, tensor in outputs.items()}

    def _upload(self, key: str, values: Array) -> torch.Tensor:
        host = self._pinned(key, values.shape, torch.from_numpy(np.empty(0, values.dtype)).dtype)
        host.numpy()[...] = values
        return host.to(self._device, non_blocking=True)

    def _download(self, key: str, tensor: torch.Tensor) -> torch.Tensor:
        if tensor.is_cuda:
            tensor.record_stream(self._copies)
        host = self._pinned(key, tuple(tensor.shape), tensor.dtype)
        return host.copy_(tensor, non_blocking=True)

    def _pinned(self, key: str, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """A page-locked tensor of this shape, a view of the key's buffer, which doubles when it is too small."""
        size = int(np.prod(shape))
        buffer = self._staging.get(key)
        if buffer is None or buffer.numel() < size or buffer.dtype != dtype:
            grown = max(size, 1, 0 if buffer is None else 2 * buffer.numel())
            buffer = self._staging[key] = torch.empty(grown, dtype=dtype, pin_memory=True)
        return buffer[:size].view(shape)
