"""The application: pages, API and signalling over one docket. The only module that knows all the others of this folder.

Shapes: ``make_app(docket, registry, settings, staff_token)`` gives an aiohttp application that holds no hearing of
its own; whoever made the docket closes it.
"""

from __future__ import annotations

from aiohttp import web

from courtroom.config import Settings
from courtroom.control.api import Docket
from courtroom.server.api import Api
from courtroom.server.archive import Archives
from courtroom.server.attachments import Attachments
from courtroom.server.auth import Doors
from courtroom.server.called import Called
from courtroom.server.copies import RecipientCopies
from courtroom.server.health import Meters, add_health
from courtroom.server.holds import Holds
from courtroom.server.journal import Journals
from courtroom.server.limits import Limits
from courtroom.server.middleware import passed, secured
from courtroom.server.pages import Pages
from courtroom.server.papers import Papers
from courtroom.server.signalling import Signalling
from courtroom.server.signatures import Signatures
from courtroom.store.ports import Registry


def make_app(
    docket: Docket, registry: Registry, settings: Settings, staff_token: str, limits: Limits | None = None
) -> web.Application:
    """A fresh application; ``staff_token`` is the token itself, kept here as a hash."""
    limits = limits or Limits()
    meters = Meters()
    doors = Doors(docket, registry, staff_token, limits)
    pages = Pages(docket, doors, settings, limits)
    app = web.Application(
        client_max_size=max(limits.json, limits.sdp) + 1,
        middlewares=[passed(limits, meters, settings.origins, settings.proxies, pages.error)],
    )
    app.on_response_prepare.append(secured(settings.secure))
    Api(docket, registry, settings, doors, limits).add_to(app)
    Archives(docket, doors).add_to(app)
    RecipientCopies(docket, doors, limits).add_to(app)
    Holds(docket, doors, limits).add_to(app)
    Journals(docket, doors, registry, limits).add_to(app)
    Signatures(docket, doors, limits).add_to(app)
    Papers(docket, doors, settings).add_to(app)
    Attachments(docket, doors, registry, settings.data, limits).add_to(app)
    pages.add_to(app)
    Called(docket, registry, pages, settings.post.secret, limits).add_to(app)
    add_health(app, docket, registry, settings.data, meters)
    Signalling(doors, limits, meters).add_to(app)
    return app
