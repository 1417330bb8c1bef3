"""The notifiers that the settings name; none is no fault: then the clerk telephones."""

from __future__ import annotations

from urllib.parse import urlsplit

from courtroom.control.notify.letter import Notifier
from courtroom.control.notify.smtp import MailServer, SmtpNotifier
from courtroom.control.notify.webhook import WebhookNotifier
from courtroom.post import Post

_SECURITY = {"starttls": "starttls", "smtps": "tls", "smtp": "none"}


def notifiers(post: Post) -> list[Notifier]:
    found: list[Notifier] = []
    if post.smtp:
        parts = urlsplit(post.smtp)
        server = MailServer(
            parts.hostname or "", parts.port or 25, _SECURITY[parts.scheme], post.sender, post.user, post.password
        )
        found.append(SmtpNotifier(server))
    if post.webhook:
        found.append(WebhookNotifier(post.webhook, post.secret))
    return found
