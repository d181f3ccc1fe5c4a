"""A small synthetic dataset for the tests of this folder."""

import torch

import ganctl


def two_domains(root, n: int = 200) -> ganctl.Images:
    """Bright squares on black (x), and unrelated dark squares on white (c, in [−1, 1])."""
    random = torch.Generator().manual_seed(0)
    corner = torch.randint(1, 9, (2, n, 2, 1, 1), generator=random)
    grid = torch.stack(torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij"))
    x, c = ((grid >= corner) & (grid < corner + 6)).all(2).unsqueeze(2)
    return ganctl.Images(x.to(torch.uint8) * 255, c=1 - 2 * c.float())


@ganctl.hookimpl
def register_datasets(register):
    register("two-domains", two_domains, summary="Squares in two domains")
