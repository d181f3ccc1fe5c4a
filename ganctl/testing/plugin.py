"""Check a complete plugin: its registration and every component that it registers."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ganctl.errors import USAGE, GanctlError, did_you_mean
from ganctl.plugin import discovery
from ganctl.plugin.registry import Component, Registry
from ganctl.testing import dataset, registration
from ganctl.testing.augmentation import check_augmentation
from ganctl.testing.discriminator import check_discriminator
from ganctl.testing.failures import Failure, Findings, Unavailable
from ganctl.testing.generator import check_generator
from ganctl.testing.latent import check_latent
from ganctl.testing.loss import check_loss
from ganctl.testing.metric import check_metric
from ganctl.testing.model import check_model
from ganctl.testing.optimizer import check_optimizer
from ganctl.testing.regularizer import check_regularizer
from ganctl.testing.tracker import check_tracker

CHECKS: dict[str, Callable[..., list[Failure]]] = {
    "loss": check_loss,
    "regularizer": check_regularizer,
    "latent": check_latent,
    "metric": check_metric,
    "tracker": check_tracker,
    "generator": check_generator,
    "discriminator": check_discriminator,
    "dataset": dataset.check_if_available,
    "optimizer": check_optimizer,
    "augmentation": check_augmentation,
    "model": check_model,
}


class CheckResult(NamedTuple):
    """The failures of a component or registration. ``skipped`` is the reason if there was no check."""

    subject: str
    failures: list[Failure]
    skipped: str = ""


def check_plugin(name: str, /) -> list[Failure]:
    """Check the registration and all components of an installed plugin.

    Args:
        name: Name of a component, or of a plugin or distribution listed by ``ganctl plugins``.

    Raises:
        GanctlError: There is no plugin, distribution or component with this name.
    """
    return [failure for result in run_checks(name) for failure in result.failures]


def run_checks(
    name: str,
    /,
    *,
    found: discovery.Plugins | None = None,
    single_file: bool = False,
    progress: Callable[[CheckResult], None] | None = None,
) -> list[CheckResult]:
    """Run the checks of :func:`check_plugin`, and return a result for each registration and component.

    Args:
        name: Name of a plugin, distribution or component.
        found: Plugins to search. By default, the installed plugins.
        single_file: True for a single-file plugin, which may import torch when it registers.
        progress: Called with each result as soon as it is available.
    """
    found = found or discovery.discover()
    plugins = [p for p in found.all if name in (p.name, p.distribution, f"{p.distribution}:{p.name}")]
    components = [component for plugin in plugins or found.all for component in plugin.components]
    if not plugins:
        components = [c for c in components if name in (c.name, f"{c.distribution}:{c.name}")]
    if not plugins and not components:
        names = {other for p in found.all for other in (p.name, p.distribution)}
        raise GanctlError(
            f"There is no plugin, distribution or component '{name}'.",
            f"{did_you_mean(name, names)} Give a source tree as a path: ./{name}  See: ganctl plugins",
            status=USAGE,
        )
    results: list[CheckResult] = []
    registered = [*components, *(command for plugin in plugins for command in plugin.commands)]

    def add(result: CheckResult) -> None:
        results.append(result)
        if progress:
            progress(result)

    for plugin in plugins:
        add(_check_registration(plugin, single_file))
    for component in components:
        add(_check_component(component, found.registry))
    if not registered and not any(result.failures or result.skipped for result in results):
        add(CheckResult(f"components of '{name}'", [_registers_nothing(name)]))
    return results


def _registers_nothing(name: str) -> Failure:
    return Failure(
        f"plugin '{name}'",
        "registers nothing, so nothing was checked.",
        "Register a component in a hook such as register_losses.",
    )


def _check_registration(plugin: discovery.Plugin, single_file: bool) -> CheckResult:
    subject = f"registration of the plugin '{plugin.name}' ({plugin.module})"
    if plugin.skipped:
        return CheckResult(subject, [], plugin.skipped)
    if not single_file:
        return CheckResult(subject, registration.check_registration(plugin.module, plugin.name))
    findings = Findings(f"plugin '{plugin.name}'")
    registration.check_error(plugin.error, plugin.module, findings)
    registration.check_hooks(plugin.idle, plugin.unmarked, findings)
    return CheckResult(subject, findings.failures)


def _check_component(component: Component, registry: Registry) -> CheckResult:
    subject = f"{component.kind} '{component.name}'"
    try:
        failures = CHECKS[component.kind](f"{component.distribution}:{component.name}", registry=registry)
    except Unavailable as error:
        return CheckResult(subject, [], str(error))
    return CheckResult(subject, failures)
