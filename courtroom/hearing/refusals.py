"""Every code with which the court core refuses, and the one way to make a refusal.

``CODES`` is the registry; each code has a sentence ``refused.<code>`` in ``courtroom/texts/refusals.json``. Codes
are part of the public contract (web/PROTOCOL.md): they are added, never renamed.
"""

from __future__ import annotations

from typing import Final

from courtroom.errors import Refused

CODES: Final[frozenset[str]] = frozenset({
    # who asks
    "unknown_command", "not_a_seat", "not_allowed", "removed_by_court", "not_here", "not_in_court",
    # about whom
    "unknown_seat", "not_connected", "not_isolated", "linked_moves_with_principal", "other_witness_in_court",
    "gallery_not_open", "cannot_remove_presiding", "cannot_mute_presiding", "identity_not_verified", "consent_missing",
    # when
    "hearing_closed", "not_in_session", "already_open", "checklist_not_met", "phase_not_reachable", "resume_first",
    "nothing_to_resume", "already_there", "already_so",
    # absence
    "not_absent", "prompt_required", "prompt_not_delivered", "too_early", "warning_required", "warning_not_delivered",
    "offline_seat", "unknown_notice", "too_many_notices", "too_many_replies", "bad_channel", "bad_reason", "bad_fact",
    "bad_attachment", "attachment_too_large", "too_many_attachments", "draft_unknown",
    # requests and the stage
    "too_many_requests", "unknown_request", "already_answered", "floor_required", "exhibit_required", "stage_taken",
    # interrupting the recording
    "recording_not_on", "proposal_open", "no_lawful_ground", "no_proposal", "second_person_required",
    # signing what was sealed
    "not_sealed", "not_what_was_sealed", "nothing_to_explain", "bad_stroke",
    # values
    "bad_value", "bad_text", "text_too_long", "text_missing", "bad_kind", "bad_device", "bad_hash", "bad_time",
    "unknown_item",
    # drawing up a hearing
    "bad_case", "bad_policy", "bad_seats", "too_many_seats", "two_presiding_judges", "bad_link",
})  # fmt: skip


def refusal(code: str, **detail: str | int) -> Refused:
    """The refusal to raise; an unregistered code is a bug and raises ``KeyError``."""
    if code not in CODES:
        raise KeyError(code)
    return Refused(code, detail)
