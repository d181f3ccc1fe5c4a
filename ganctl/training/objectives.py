"""What D and G minimize: the loss, plus the terms of the regularizers that are due in a step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from ganctl.errors import GanctlError
from ganctl.loss import Batch, Loss
from ganctl.plugin.signatures import requested
from ganctl.regularizer import Regularizer
from ganctl.training.network_calls import DiscriminatorCall, GeneratorCall

Report = dict[str, Tensor]
Due = tuple[str, ...]  # names of regularizers
LOSS = ""


class Term(NamedTuple):
    """The loss, whose name is empty, or the term of a regularizer."""

    name: str
    number: int
    component: Any
    method: str
    requested: dict[str, Any]

    def __call__(self, D: Any, real: Batch, fake: Batch) -> Any:
        return getattr(self.component, self.method)(D, real, fake, **self.requested)


class Objectives:
    """The sums that D and G minimize.

    Args:
        loss: its two methods are always part of the sums.
        regularizers: their terms are added in the steps in which they are due, times ``every``.
        G: passed to the methods that request it.
    """

    def __init__(
        self, loss: Loss, regularizers: Mapping[str, Regularizer], G: GeneratorCall, D: DiscriminatorCall
    ) -> None:
        self._D = D
        components = {LOSS: loss, **regularizers}
        self._discriminator_terms = _terms(components, "discriminator", G)
        self._generator_terms = _terms(components, "generator", G)
        self._loss, self._requested_by_constrain = loss, requested(loss.constrain, G=G)

    def constrain(self, D: nn.Module) -> None:
        self._loss.constrain(D, **self._requested_by_constrain)

    def of_discriminator(self, real: Batch, fake: Batch, due: Due) -> tuple[Tensor, Report]:
        """Return what D minimizes, and the values to report. ``fake.x`` is detached from G."""
        self._D.begin_update(real, fake, sharing=bool(due), observing=True)
        return self._sum(self._discriminator_terms, "d_loss", real, fake, due)

    def of_generator(self, real: Batch, fake: Batch, due: Due) -> tuple[Tensor, Report]:
        """Return what G minimizes, and the values to report."""
        self._D.begin_update(real, fake, sharing=bool(due), observing=False)
        return self._sum(self._generator_terms, "g_loss", real, fake, due)

    def _sum(
        self, terms: list[Term], title: str, real: Batch, fake: Batch, due: Due
    ) -> tuple[Tensor, Report]:
        """Return the sum of the terms that are due. The reported loss does not contain regularizers."""
        values: dict[str, Tensor] = {}
        reports: dict[str, Report] = {}
        for term in terms:
            if term.name == LOSS or term.name in due:
                D = self._D.for_component(term.number)
                values[term.name], reports[term.name] = _checked(term, term(D, real, fake))
        self._D.end_update()
        total, report = values[LOSS], {title: values[LOSS].detach()}
        for term in sorted(terms, key=lambda term: term.number):
            if term.name in values:
                if term.name != LOSS:
                    total = total + term.component.every * values[term.name]
                _check_names(term, reports[term.name], report, title)
                report.update({name: value.detach() for name, value in reports[term.name].items()})
        if not total.requires_grad:
            loss = next(term for term in terms if term.name == LOSS)
            raise GanctlError(
                f"The loss {type(loss.component).__name__} returned a value without a gradient from {loss.method}.",
                "Compute it from the outputs of D, without detach(), .data, .item() and torch.no_grad().",
            )
        return total, report


def _terms(components: Mapping[str, Any], network: str, G: GeneratorCall) -> list[Term]:
    """Return the terms of ``network`` in the order in which they are evaluated.

    Terms that take D's gradient at a batch come first, so that the others can share the output of D they compute.
    """
    terms = []
    for number, (name, component) in enumerate(components.items()):
        method = f"{network}_loss" if name == LOSS else f"{network}_term"
        if hasattr(component, method):
            terms.append(Term(name, number, component, method, requested(getattr(component, method), G=G)))
    return sorted(terms, key=lambda term: not term.component.penalizes_gradient)


def _check_names(term: Term, own: Report, others: Report, title: str) -> None:
    if repeated := (own.keys() & others.keys()) - {title}:
        raise GanctlError(
            f"The regularizer '{term.name}' reports '{min(repeated)}', which another component reports, too.",
            "Report the value under another name.",
        )


def _checked(term: Term, result: Any) -> tuple[Tensor, Report]:
    """Return ``result`` of a method of a component if it is a scalar and a dict of scalars."""
    kind, name = ("loss", type(term.component).__name__) if term.name == LOSS else ("regularizer", term.name)
    scalar, report = result if isinstance(result, tuple) and len(result) == 2 else (result, None)
    if not (isinstance(scalar, Tensor) and scalar.ndim == 0 and isinstance(report, dict)):
        raise GanctlError(
            f"The {kind} {name} returned {_describe(scalar)}, not a scalar to minimize and a dict of reported values.",
            "Return both, for example: return loss.mean(), {}",
        )
    for title, value in report.items():
        if not isinstance(value, Tensor) or value.numel() != 1:
            raise GanctlError(
                f"The {kind} {name} reports '{title}' as {_describe(value)}, not as a scalar tensor.",
                f"Report a mean, for example: {{'{title}': values.mean()}}",
            )
    return scalar, {title: value.reshape(()) for title, value in report.items()}


def _describe(value: Any) -> str:
    return (
        f"a tensor of shape {tuple(value.shape)}"
        if isinstance(value, Tensor)
        else f"a {type(value).__name__}"
    )
