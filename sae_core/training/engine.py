"""How the steps of a phase are computed: the way, the precision of the matrix products, the number of threads."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from sae_core.config import StackConfig
from sae_core.training.closed import ClosedStep, closed_step
from sae_core.training.events import Phase
from sae_core.training.objective import Objective
from sae_core.training.step import AutogradStep, Step

ONE_THREAD_BELOW = 1.5e6  # multiply-adds of one pass over a batch; a second thread costs more than it brings (measured)
NARROW_FROM = 1.5e7  # multiply-adds; from here on products in bfloat16 repay the conversions (measured)


@dataclass(frozen=True)
class Engine:
    """How one phase is computed, for the run's record.

    Attributes:
        device: cpu, cuda or mps.
        threads: of torch, on the CPU.
        precision: of the matrix products; weights and optimiser are always float32.
        step: "closed form" or "autograd".
    """

    device: str
    threads: int
    precision: str
    step: str

    def __str__(self) -> str:
        """E.g. "cpu, 1 thread, float32, closed form"."""
        threads = [f"{self.threads} thread{'s' if self.threads > 1 else ''}"] if self.device == "cpu" else []
        return ", ".join([self.device, *threads, self.precision, self.step])


def choose(objective: Objective, config: StackConfig, phase: Phase) -> tuple[Step, Engine]:
    """The fastest way that gives the same stack.

    In closed form where there is one. Products in bfloat16 where the device multiplies it natively and a step is large
    enough; everything else, the weights and the optimiser among it, stays in float32. One thread where a step is so
    small that a second one would only wait.
    """
    device = objective.rows.x.device.type
    work = phase.batch_size * sum(p.numel() for p in objective.module.parameters() if p.dim() > 1)
    narrow = config.precision == "bfloat16" or (
        config.precision == "auto" and work >= NARROW_FROM and has_fast_bfloat16(device)
    )
    threads = 1 if work < ONE_THREAD_BELOW else torch.get_num_threads()
    step: Step | None = closed_step(
        objective,
        config,
        phase.learning_rate,
        compute=torch.bfloat16 if narrow else torch.float32,
        threads=threads,
    )
    if step is None:
        step, threads = AutogradStep(objective, config, phase.learning_rate), torch.get_num_threads()
    is_narrow = isinstance(step, ClosedStep) and step.block.is_mixed
    return step, Engine(device, threads, "bfloat16" if is_narrow else "float32", step.name)


def has_fast_bfloat16(device: str = "cpu") -> bool:
    """Whether a device (cpu, cuda, mps) has instructions that multiply bfloat16."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device == "cpu" and bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
