"""PCGrad: where the tasks' gradients conflict, each gives up what works against the other.

Yu et al., "Gradient surgery for multi-task learning", NeurIPS 2020 (arXiv 2001.06782), algorithm 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ecgkit.training.balancing import Balanced, Balancer, Mean, Shared, alone


class PCGrad(Balancer):
    """Projected gradients in the trunk; each head gets its own task's gradient.

    The trunk's gradients are averaged over all processes before they are projected: the projections of parts
    are not the parts of a projection. All processes then hold the same result, and the averaging of gradients
    that follows leaves it as it is.
    """

    def backward(self, losses: Sequence[Tensor], shared: Shared, *, mean: Mean = alone) -> Balanced:
        """Go backward from each loss alone, project the trunk's gradients and add them up.

        The weights that are returned are those that the unprojected gradients get in the trunk
        (`projected_weights`): 1 where nothing conflicts.
        """
        n_tasks, trunk = len(losses), shared.trunk
        alone_each = [_gradient(loss, trunk, keep=i < n_tasks - 1) for i, loss in enumerate(losses)]
        gradients = mean(torch.stack(alone_each))  # (M, P)
        orders = [torch.randperm(n_tasks).tolist() for _ in losses]
        weights = projected_weights(gradients @ gradients.T, orders)
        sizes = [weight.numel() for weight in trunk]
        for weight, gradient in zip(trunk, torch.split(weights @ gradients, sizes), strict=True):
            weight.grad = gradient.view_as(weight)
        at_last = torch.split(gradients, sizes, dim=1)[
            [weight is shared.last for weight in trunk].index(True)
        ]
        return Balanced(weights, at_last.norm(dim=1))


def _gradient(loss: Tensor, trunk: Sequence[nn.Parameter], *, keep: bool) -> Tensor:
    """Go backward from one loss; take the trunk's gradient from it, (P,), and leave the head's."""
    loss.backward(retain_graph=keep)  # type: ignore[no-untyped-call]
    taken = torch.cat([weight.grad.flatten() for weight in trunk if weight.grad is not None])
    for weight in trunk:
        weight.grad = None
    return taken


def projected_weights(products: Tensor, orders: Sequence[Sequence[int]]) -> Tensor:
    """Return the weights, (M,), that make the sum of gradients the sum of their projections.

    Each gradient g_i loses (g_i . g_j) / |g_j|^2 g_j for every other g_j that it conflicts with,
    g_i . g_j < 0; g_j as it came, g_i as it is by then. All that is made of the gradients, and how much of
    each is known from their products.

    Parameters
    ----------
    products
        (M, M), g_i . g_j.
    orders
        For each task, all tasks in the order in which its gradient meets theirs; the paper draws it. With
        two tasks it makes no difference.
    """
    tiny = torch.finfo(products.dtype).tiny
    made_of = torch.eye(len(products), dtype=products.dtype, device=products.device)  # (M, M)
    for i, order in enumerate(orders):
        for j in order:
            if j != i:
                along = made_of[i] @ products[:, j]
                made_of[i, j] -= along.clamp_max(0) / products[j, j].clamp_min(tiny)
    return made_of.sum(dim=0)
