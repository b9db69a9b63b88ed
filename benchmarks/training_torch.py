"""The mission's network in PyTorch, for `benchmarks.training`; runs under an interpreter that has PyTorch.

As people write it: channels last, bfloat16 by autocast, fused Adam. Batches lie ready in memory.
"""

import argparse

import torch
from torch import nn
from torch.nn import functional

from benchmarks.interleaved import Seat, timed

READY_BATCHES, SIZE, WARM_UP = 8, 150, 6


def network() -> nn.Module:
    layers: list[nn.Module] = []
    channels = 1
    for filters in (32, 64, 128):
        layers += [nn.Conv2d(channels, filters, 2), nn.ReLU(), nn.MaxPool2d(2)]
        channels = filters
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 17 * 17, 512), nn.ReLU(), nn.Linear(512, 1))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--films", type=int, required=True)
    chosen = parser.parse_args()
    seat = Seat()
    torch.manual_seed(0)
    model = network().to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    films = torch.rand(READY_BATCHES, chosen.batch, 1, SIZE, SIZE)
    labels = (torch.rand(READY_BATCHES, chosen.batch, 1) > 0.5).float()

    def step(number: int) -> None:
        batch = films[number % READY_BATCHES].contiguous(memory_format=torch.channels_last)
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            scores = model(batch)
        loss = functional.binary_cross_entropy_with_logits(scores.float(), labels[number % READY_BATCHES])
        loss.backward()
        optimizer.step()

    for number in range(WARM_UP):
        step(number)
    seat.serve(lambda: timed(step, chosen.films // chosen.batch, chosen.batch))


if __name__ == "__main__":
    main()
