"""The integrity value shown to the parties and signed, and the explanation of a defect signed by the judge.

Rules (COURT.md 7, RecP 4 and 9)
* A party or counsel sees the sheet and its own answer, staff and the desk see all of them; everybody else: 404.
* A signature is typed and drawn: the typed name must be the name of the seat, is compared here and kept nowhere; the
  drawing goes into the ledger as bounded path data. The head of the ledger is signed in the same request.
* Only the clerk answers for somebody else, and only that it refused or could not be reached.
"""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any, Final, Literal

import msgspec
from aiohttp import web

from courtroom.control.api import Courtroom, Docket
from courtroom.errors import BadMessage, Refused
from courtroom.hearing import explanations, roles, signing, values
from courtroom.hearing.commands import Command, NoteSignature, RefuseSignature, SignExplanation, SignRecording
from courtroom.hearing.model import Role
from courtroom.server.api import find
from courtroom.server.auth import STAFF, Doors, Seated
from courtroom.server.limits import Limits
from courtroom.server.middleware import body_of
from courtroom.server.problems import not_found
from courtroom.server.schemas import MAX_NAME, Body, decode

Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Stroke = Annotated[str, msgspec.Meta(max_length=values.MAX_STROKE)]
Reason = Annotated[str, msgspec.Meta(max_length=values.MAX_REASON)]

MAX_BODY: Final = 16 * 1024
EXPLAINS: Final = ("recording_started", "archive_noted", "capture_noted")
"""What the explanation of a defect is made of."""


class SignatureBody(Body, frozen=True):
    """One of three: ``sheet name stroke`` signs, ``sheet refuse`` refuses, ``seat outcome refuse`` is the clerk's."""

    sheet: Digest = ""
    name: Annotated[str, msgspec.Meta(max_length=MAX_NAME)] = ""
    stroke: Stroke = ""
    refuse: Reason = ""
    seat: Annotated[str, msgspec.Meta(max_length=64)] = ""
    outcome: Literal["", "refused", "absent"] = ""


class ExplanationBody(Body, frozen=True):
    """``digest`` of the draft that was read, the judge's own remark, the typed name and the drawing."""

    digest: Digest
    name: Annotated[str, msgspec.Meta(max_length=MAX_NAME)]
    stroke: Stroke
    remark: Annotated[str, msgspec.Meta(max_length=values.MAX_FINDING)] = ""


class Signatures:
    def __init__(self, docket: Docket, doors: Doors, limits: Limits) -> None:
        self._docket = docket
        self._doors = doors
        self._limits = limits

    def add_to(self, app: web.Application) -> None:
        base = "/api/v1/hearings/{id}"
        app.add_routes(
            [
                web.get(base + "/signatures", self.show),
                web.post(base + "/signatures", self.answer),
                web.get(base + "/explanation", self.explanation),
                web.post(base + "/explanation", self.explain),
            ]
        )

    # --- the integrity value ----------------------------------------------------------------------

    async def show(self, request: web.Request) -> web.Response:
        if await self._doors.is_staff(request):
            return _json(facts(await find(self._docket, request.match_info["id"]), STAFF))
        seated = await self._doors.seat(request)
        if not may_look(seated):
            raise not_found()
        return _json(facts(seated.courtroom, seated.seat))

    async def answer(self, request: web.Request) -> web.Response:
        seated = await self._doors.seat(request)
        if not may_look(seated):
            raise not_found()
        body = decode(await self._body(request), SignatureBody)
        return await self._done(seated, self._command(seated, body))

    def _command(self, seated: Seated, body: SignatureBody) -> Command:
        if body.seat:
            return NoteSignature(actor=seated.seat, seat=body.seat, outcome=body.outcome, reason=body.refuse)
        if body.refuse:
            return RefuseSignature(actor=seated.seat, sheet=body.sheet, reason=body.refuse)
        same_name(seated, body.name)
        return SignRecording(actor=seated.seat, sheet=body.sheet, stroke=body.stroke)

    # --- the explanation --------------------------------------------------------------------------

    async def explanation(self, request: web.Request) -> web.Response:
        if await self._doors.is_staff(request):
            courtroom = await find(self._docket, request.match_info["id"])
        else:
            seated = await self._doors.seat(request)
            if Role(seated.role) not in roles.STAFF:
                raise not_found()
            courtroom = seated.courtroom
        return _json(await explained(courtroom))

    async def explain(self, request: web.Request) -> web.Response:
        seated = await self._doors.seat(request)
        if Role(seated.role) not in roles.STAFF:
            raise not_found()
        body = decode(await self._body(request), ExplanationBody)
        now = await explained(seated.courtroom)
        if now["draft"] is None:
            raise Refused("nothing_to_explain")
        if body.digest != now["digest"]:
            raise Refused("not_what_was_sealed")
        same_name(seated, body.name)
        command = SignExplanation(actor=seated.seat, digest=body.digest, stroke=body.stroke, remark=body.remark)
        return await self._done(seated, command)

    # --- both -------------------------------------------------------------------------------------

    async def _body(self, request: web.Request) -> bytes:
        if request.content_type != "application/json":
            raise BadMessage("unsupported_media_type")
        return await body_of(request, MAX_BODY, self._limits.body_s)

    async def _done(self, seated: Seated, command: Command) -> web.Response:
        seq = await seated.courtroom.submit(command)
        head = await seated.courtroom.head()  # what was just said cannot be cut off unnoticed
        return _json({"seq": seq, "head": {"seq": head.seq, "hash": head.hash}}, status=201)


def may_look(seated: Seated) -> bool:
    """Whether this seat has anything to do with the integrity value: it is asked to sign, or it is the desk."""
    hearing = seated.courtroom.hearing
    seat = hearing.seats[seated.seat]
    return signing.signs(hearing, seat) or seat.role in roles.STAFF


def same_name(seated: Seated, typed: str) -> None:
    """The name typed under a signature is the name of the seat, however it was spaced or spelled in width."""

    def plain(name: str) -> str:
        return "".join(unicodedata.normalize("NFKC", name).split()).casefold()

    if plain(typed) != plain(seated.courtroom.names.get(seated.seat, "")) or not plain(typed):
        raise Refused("name_differs")


def facts(courtroom: Courtroom, reader: str) -> dict[str, Any]:
    """``GET …/signatures``: the sheet, its digest, and the answers: all of them, or for a party its own alone."""
    hearing, seal = courtroom.hearing, courtroom.archive.seal
    sealed = courtroom.archive.state == "sealed" and hearing.seal is not None and bool(hearing.seal.sheet)
    sheet = signing.sheet_of(hearing.id, seal) if sealed else None
    all_of_them = reader == STAFF or hearing.seats[reader].role in roles.STAFF
    return {
        "state": courtroom.archive.state,
        "sheet": sheet,
        "digest": None if sheet is None else signing.digest_of(sheet),
        "sealed_seq": hearing.seal.seq if hearing.seal is not None else 0,
        "signatures": [
            row for row in signing.register(hearing, courtroom.names) if all_of_them or row["seat"] == reader
        ],
    }


async def explained(courtroom: Courtroom) -> dict[str, Any]:
    """``GET …/explanation``: the draft (``None`` where nothing is to be explained), its digest, if it is signed."""
    hearing = courtroom.hearing
    made = None
    if courtroom.archive.state == "sealed" and signing.needs_explanation(hearing):
        made = explanations.draft(hearing.id, courtroom.archive.seal, await courtroom.entries_of(*EXPLAINS))
    return {
        "draft": made,
        "digest": None if made is None else explanations.digest(made),
        "signed": bool(hearing.explanation),
        "signed_digest": hearing.explanation or None,
    }


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")
