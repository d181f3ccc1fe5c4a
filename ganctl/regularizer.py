"""The base class of regularizers: terms that are added to the loss of D or of G, whatever the loss is."""

from __future__ import annotations

from torch import nn


class Regularizer(nn.Module):
    """Base class of regularizers. A regularizer defines one of these methods, or both::

        def discriminator_term(self, D, real, fake) -> tuple[Tensor, dict[str, Tensor]]: ...
        def generator_term(self, D, real, fake) -> tuple[Tensor, dict[str, Tensor]]: ...

    They have the arguments and the rules of :meth:`ganctl.Loss.discriminator_loss` and
    :meth:`ganctl.Loss.generator_loss`, and may request ``G`` in the same way. The first value, a scalar, is added to
    the loss, including its weight. The dict of scalars is only reported, in the steps in which the term is evaluated.

    Every regularizer has the option ``every``. With ``every=k``, its terms are evaluated in every k-th step, first in
    step 0, and multiplied by k (lazy regularization: Karras et al. 2020, arXiv:1912.04958, section 3.1). The term is
    part of that step's own update of D or G. StyleGAN2 takes a separate update for each lazy term instead.

    D's outputs for ``real`` and ``fake`` are computed once per update: a regularizer that calls D with a batch that
    the loss also evaluates, with the same labels, receives the same output.
    """

    #: The term uses gradients of D with respect to single images, which batch normalization would mix.
    penalizes_gradient: bool = False

    #: The regularizer accepts the label −1 of an image without a label.
    handles_unlabeled: bool = False

    #: The term uses second derivatives of G, so that torch.compile cannot be used for G.
    penalizes_generator: bool = False

    #: Default of the option ``every``.
    every: int = 1
