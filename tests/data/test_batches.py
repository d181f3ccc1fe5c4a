from __future__ import annotations

from typing import Literal

import pytest
import torch

from ganctl import Images
from ganctl.data.batches import Batches
from ganctl.data.prefetch import Placement, choose_placement
from ganctl.system.memory import free_memory

CPU = torch.device("cpu")


def numbered(n: int) -> Images:
    """Return images whose first two pixels encode their index."""
    x = torch.zeros(n, 1, 2, 2, dtype=torch.uint8)
    x[:, 0, 0, 0], x[:, 0, 0, 1] = torch.arange(n) // 256, torch.arange(n) % 256
    return Images(x, torch.arange(n))


def test_every_image_is_used_once_per_epoch_even_if_batches_span_epochs() -> None:
    n, batch = 103, 10
    batches = Batches(numbered(n), batch, seed=5, device=CPU)
    seen = torch.cat([batches.next().y for _ in range(31)])
    for epoch in range(3):
        assert sorted(seen[epoch * n : (epoch + 1) * n].tolist()) == list(range(n))
    assert seen[:n].tolist() != seen[n : 2 * n].tolist()


def test_order_depends_only_on_seed_and_position() -> None:
    one = Batches(numbered(50), 8, seed=1, device=CPU)
    drawn = [one.next().y for _ in range(20)]
    two = Batches(numbered(50), 8, seed=1, device=CPU)
    two.position = 13 * 8
    assert torch.equal(two.next().y, drawn[13])
    other = Batches(numbered(50), 8, seed=2, device=CPU)
    assert not torch.equal(other.next().y, drawn[0])


def test_pixels_are_scaled_to_minus_one_to_one_and_labels_are_kept() -> None:
    images = numbered(300)
    images.x[:, 0, 1, 0], images.x[:, 0, 1, 1] = 0, 255
    batch = Batches(images, 16, seed=0, device=CPU).next()
    assert batch.x.dtype == torch.float32
    assert batch.x[:, 0, 1, 0].eq(-1).all()
    assert batch.x[:, 0, 1, 1].eq(1).all()
    restored = ((batch.x + 1) * 127.5).round().long()
    assert torch.equal(restored[:, 0, 0, 0] * 256 + restored[:, 0, 0, 1], batch.y)


def test_batch_can_be_as_large_as_the_dataset() -> None:
    batches = Batches(numbered(7), 7, seed=0, device=CPU)
    assert sorted(batches.next().y.tolist()) == list(range(7))
    assert sorted(batches.next().y.tolist()) == list(range(7))


@pytest.mark.parametrize("per_step", [8, 24])
def test_prefetched_batches_equal_batches_on_the_device(per_step: int) -> None:
    """The dataset has 10 images, so steps span epochs, and a step of 24 images is larger than the dataset."""
    images = numbered(10)
    on_device = Batches(images, 8, seed=1, device=CPU, placement=Placement("device", ""))
    prefetched = Batches(images, 8, seed=1, device=CPU, placement=Placement("disk", ""), per_step=per_step)
    assert prefetched.prefetcher is not None
    address = prefetched.x.data_ptr()
    for step in [0, 1, 2, 3, 4, 5, 6, 2, 3]:  # the last two go back to an earlier step, as a resumed run does
        for batches in (on_device, prefetched):
            batches.prepare(step * per_step, per_step)
        for _ in range(per_step // 8):
            one, other = on_device.draw(), prefetched.draw()
            assert torch.equal(one.x, other.x)
            assert torch.equal(one.y, other.y)
    assert prefetched.x.data_ptr() == address
    assert prefetched.prefetcher.seconds_waited > 0
    prefetched.close()


@pytest.mark.parametrize("location", ["device", "disk"])
def test_uint16_images_and_conditions_are_drawn_without_loss_of_precision(
    location: Literal["device", "disk"],
) -> None:
    x = torch.tensor([0, 1, 65534, 65535]).to(torch.uint16).view(4, 1, 1, 1)
    c = torch.tensor([[40000], [40001], [40002], [40003]]).to(torch.uint16)
    batches = Batches(
        Images(x, torch.arange(4), c=c), 4, seed=0, device=CPU, placement=Placement(location, "")
    )
    batch = batches.next()
    batches.close()
    order = batch.y.argsort()
    assert batch.x.dtype == torch.float32
    assert batch.x.flatten()[order].unique().numel() == 4
    assert torch.equal(batch.x[order], x.float() / 32767.5 - 1)
    assert batch.c.dtype == torch.uint16
    assert batch.c[order].int().tolist() == c.int().tolist()


def test_memory_estimate_depends_on_the_dtype_and_includes_conditions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[int] = []

    def record(size: int, device: torch.device) -> Placement:
        sizes.append(size)
        return Placement("device", "")

    monkeypatch.setattr("ganctl.data.batches.choose_placement", record)
    for x, c in (
        (torch.zeros(4, 1, 2, 2, dtype=torch.uint8), None),
        (torch.zeros(4, 1, 2, 2, dtype=torch.uint16), torch.zeros(4, 3)),
    ):
        Batches(Images(x, c=c), 2, seed=0, device=CPU)
    assert sizes == [16, 32 + 48]


def test_placement_depends_on_free_memory() -> None:
    cuda, gib = torch.device("cuda"), 2**30
    free = {"on_device": 10 * gib, "in_memory": 30 * gib}
    placements = [choose_placement(size * gib, cuda, **free) for size in (4, 6, 40)]
    assert [placement.location for placement in placements] == ["device", "host", "disk"]
    assert placements[1].reason == (
        "The images (6.0 GiB) need more than half of the GPU's free memory (10.0 GiB), "
        "so batches are prefetched from host memory."
    )
    assert [choose_placement(size * gib, CPU, in_memory=30 * gib).location for size in (29, 31)] == [
        "device",
        "disk",
    ]
    assert 0 < (free_memory() or 1) < 2**50
