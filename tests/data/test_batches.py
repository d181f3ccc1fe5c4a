from __future__ import annotations

import pytest
import torch

from ganctl import Images
from ganctl.data.batches import Batches
from ganctl.data.prefetch import Place, choose_place
from ganctl.system.memory import free_memory

CPU = torch.device("cpu")


def numbered(n: int) -> Images:
    """Images that are told apart by their first two pixels."""
    x = torch.zeros(n, 1, 2, 2, dtype=torch.uint8)
    x[:, 0, 0, 0], x[:, 0, 0, 1] = torch.arange(n) // 256, torch.arange(n) % 256
    return Images(x, torch.arange(n))


def test_every_image_once_an_epoch_also_where_batches_span_two() -> None:
    n, batch = 103, 10
    batches = Batches(numbered(n), batch, seed=5, device=CPU)
    seen = torch.cat([batches.next().y for _ in range(31)])
    for epoch in range(3):
        assert sorted(seen[epoch * n : (epoch + 1) * n].tolist()) == list(range(n))
    assert seen[:n].tolist() != seen[n : 2 * n].tolist()


def test_order_depends_on_seed_and_position_alone() -> None:
    one = Batches(numbered(50), 8, seed=1, device=CPU)
    drawn = [one.next().y for _ in range(20)]
    two = Batches(numbered(50), 8, seed=1, device=CPU)
    two.position = 13 * 8
    assert torch.equal(two.next().y, drawn[13])
    other = Batches(numbered(50), 8, seed=2, device=CPU)
    assert not torch.equal(other.next().y, drawn[0])


def test_pixels_become_minus_one_to_one_and_stay_with_their_label() -> None:
    images = numbered(300)
    images.x[:, 0, 1, 0], images.x[:, 0, 1, 1] = 0, 255
    batch = Batches(images, 16, seed=0, device=CPU).next()
    assert batch.x.dtype == torch.float32
    assert batch.x[:, 0, 1, 0].eq(-1).all()
    assert batch.x[:, 0, 1, 1].eq(1).all()
    restored = ((batch.x + 1) * 127.5).round().long()
    assert torch.equal(restored[:, 0, 0, 0] * 256 + restored[:, 0, 0, 1], batch.y)


def test_a_batch_as_large_as_the_data() -> None:
    batches = Batches(numbered(7), 7, seed=0, device=CPU)
    assert sorted(batches.next().y.tolist()) == list(range(7))
    assert sorted(batches.next().y.tolist()) == list(range(7))


@pytest.mark.parametrize("per_step", [8, 24])
def test_batches_fetched_ahead_are_those_that_are_there(per_step: int) -> None:
    """Of 10 images: steps span epochs, and one has more images than there are."""
    images = numbered(10)
    there = Batches(images, 8, seed=1, device=CPU, place=Place("device", ""))
    ahead = Batches(images, 8, seed=1, device=CPU, place=Place("disk", ""), per_step=per_step)
    assert ahead.feed is not None
    address = ahead.x.data_ptr()
    for step in [0, 1, 2, 3, 4, 5, 6, 2, 3]:  # and where a run goes on from
        for batches in (there, ahead):
            batches.prepare(step * per_step, per_step)
        for _ in range(per_step // 8):
            one, other = there.draw(), ahead.draw()
            assert torch.equal(one.x, other.x)
            assert torch.equal(one.y, other.y)
    assert ahead.x.data_ptr() == address
    assert ahead.feed.waited > 0
    ahead.close()


def test_place_follows_from_what_is_free() -> None:
    cuda, gib = torch.device("cuda"), 2**30
    free = {"on_device": 10 * gib, "in_memory": 30 * gib}
    places = [choose_place(size * gib, cuda, **free) for size in (4, 6, 40)]
    assert [place.where for place in places] == ["device", "host", "disk"]
    assert places[1].why == (
        "The images (6.0 GiB) are more than half of the GPU's free memory (10.0 GiB); "
        "batches are copied ahead from the host's."
    )
    assert [choose_place(size * gib, CPU, in_memory=30 * gib).where for size in (29, 31)] == [
        "device",
        "disk",
    ]
    assert 0 < (free_memory() or 1) < 2**50
