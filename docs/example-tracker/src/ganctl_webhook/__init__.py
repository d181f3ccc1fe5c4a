"""A webhook for ganctl."""

import ganctl


@ganctl.hookimpl
def register_trackers(register: ganctl.Register) -> None:
    register(
        "webhook", "ganctl_webhook.tracker:Webhook", summary="Sends the numbers of a run to a web address"
    )
