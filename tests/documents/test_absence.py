"""The two pages and their JSON, read back from the finished files."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from itertools import pairwise

import pypdfium2
import pytest

from courtroom.catalogue import LANGUAGES, Language, known
from courtroom.control.signals import STANDS_US
from courtroom.documents import sheet
from courtroom.documents.absence import Absence, absence_json, absence_of, absence_pdf
from courtroom.documents.law import rule_table
from courtroom.documents.lines import Limits
from courtroom.documents.wording import Words
from courtroom.hearing import commands as c
from courtroom.hearing import drafts, preconditions, presence, statements
from courtroom.hearing.ledger import SignedHead
from courtroom.hearing.model import Answerer, Cause, Channel, DeliveryState, Policy, Reason, Role, ServiceFact, Step
from tests.hearing.house import CLERK, DEFENDANT, JUDGE, PLANS, House

NAME = "张三（虚构）"
ON_FILE = (ServiceFact.SUMMONS_SERVED, ServiceFact.OFFLINE_OPTION_OFFERED, ServiceFact.SELF_TEST_PASSED)


def case(*facts: str, served: bool = True) -> House:
    """A defendant who was in court, is cut off, prompted and warned."""
    plans = tuple(replace(plan, service=ON_FILE) if served and plan.id == DEFENDANT else plan for plan in PLANS)
    house = House(Policy("none", "enforce"), plans).in_session()
    house.do(c.Consent(actor=DEFENDANT, agreed=True))
    house.wait(900)
    house.lose(DEFENDANT, *(facts or ("page_hide", "socket_closed_clean")))
    house.wait(60)
    house.do(c.Prompt(actor=CLERK, seat=DEFENDANT, note="告知本人返回"))
    house.wait(181)
    house.do(c.Warn(actor=JUDGE, seat=DEFENDANT, note="再次告知本人"))
    return house


@cache
def overfull() -> House:
    """More of everything than two pages hold, with what people write to break a page."""
    house = case()
    for _ in range(60):
        house.arrive(DEFENDANT)
        house.wait(5)
        house.lose(DEFENDANT, "page_hide", "socket_closed_clean", "dtls_close", "battery_low", "network_changed")
        house.wait(5)
    for number in range(statements.MAX_STATEMENTS):
        said = '#pagebreak() #read("/etc/passwd") $x$ \\ *粗* _斜_ <end-one> @ref 「{name}」 %s 🙂 ' + "停电。" * 130
        file = {"attachment": "ab" * 32, "name": "证" * 120, "size": number + 1}
        house.do(c.Reply(actor=DEFENDANT, reason="power_cut", text=said[:500], **file))
    for _ in range(30):
        house.do(c.Prompt(actor=CLERK, seat=DEFENDANT, note="字" * 500))
    house.wait(181)
    house.do(c.Warn(actor=JUDGE, seat=DEFENDANT, note="电话" * 200))
    house.do(c.Rule(actor=JUDGE, seat=DEFENDANT, finding="认" * 4000, draft="cd" * 32, draft_seq=12))
    return house


def absence(house: House) -> Absence:
    last = house.entries[-1]
    head = SignedHead("h-test", last.seq, last.hash, last.at, "ab" * 64, "cd" * 32)
    return absence_of(house.entries, DEFENDANT, {DEFENDANT: NAME}, head)


def raw_pages(content: bytes) -> list[str]:
    document = pypdfium2.PdfDocument(content)
    try:
        return [page.get_textpage().get_text_bounded() for page in document]
    finally:
        document.close()


def pages(content: bytes) -> list[str]:
    """The text of each page, without white space (lines break where they will)."""
    return [squeezed(one) for one in raw_pages(content)]


def squeezed(said: str) -> str:
    return "".join(said.split())


@pytest.mark.parametrize("lang", LANGUAGES)
def test_two_pages_that_say_what_the_draft_says(lang: Language) -> None:
    made = absence(case())
    first, second = pages(absence_pdf(made, lang))
    words = Words(made.draft, rule_table(), made.subject, lang, Limits())
    assert squeezed(words.first_line()) in first
    assert squeezed(NAME) in first
    for one in words.preconditions()["rows"]:
        assert squeezed(one["text"]) in second
    assert squeezed(words.proposals()["rows"][0]["text"]) in second
    assert made.subject.digest in second
    assert squeezed(words.finding()["sign"]) in second
    cited = {int(number) for one in raw_pages(absence_pdf(made, lang)) for number in re.findall(r"#(\d+)", one)}
    assert cited <= set(range(1, made.draft.seq + 1))
    for one in made.draft.notices:
        assert one["notice"] in cited
        assert all(each["seq"] in cited for each in one["deliveries"])


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_draft_that_lacks_something_says_so_first_and_names_no_law(lang: Language) -> None:
    made = absence(case(served=False))
    first, second = pages(absence_pdf(made, lang))
    words = Words(made.draft, rule_table(), made.subject, lang, Limits())
    missing = squeezed(words.first_line())
    assert made.draft.first_line.code == "missing"
    heading = first.index(missing)
    assert heading < first.index(squeezed(words.identity()[0][1]))
    for provision in rule_table().provisions:
        said, cite = (provision.text.zh, provision.cite.zh) if lang == "zh" else (provision.text.en, provision.cite.en)
        assert squeezed(said) not in first + second
        assert squeezed(cite) not in first + second
    assert squeezed(words.proposals()["rows"][0]["text"]) in second


@pytest.mark.parametrize("lang", LANGUAGES)
def test_too_much_to_say_still_makes_two_pages_and_says_what_is_left_out(lang: Language) -> None:
    made = absence(overfull())
    both = pages(absence_pdf(made, lang))
    assert len(both) == 2
    left_out = r"另有\d+行未列出" if lang == "zh" else r"\d+morelinesarenotshown"
    assert len(re.findall(left_out, both[0])) == 2
    assert len(re.findall(left_out, both[1])) == 2
    assert "#pagebreak()" in both[1], "what a person wrote is shown and not carried out"
    assert f"#{made.draft.notices[-1]['notice']}" in both[1], "the warning is never what is left out"


def test_the_same_draft_gives_the_same_bytes_and_is_for_the_archive() -> None:
    made = absence(case())
    content = absence_pdf(made, "zh")
    assert content == absence_pdf(made, "zh")
    assert b"pdfaid:part" in content
    assert len(content) < 400_000, "fonts are subset"


def test_the_json_is_whole_and_its_digest_is_that_of_its_draft() -> None:
    house = overfull()
    made = absence(house)
    told = json.loads(json.dumps(absence_json(made)))
    assert (
        told["digest"]
        == drafts.digest(made.draft)
        == drafts.digest(drafts.draft(house.entries, DEFENDANT, rule_table()))
    )
    assert told["draft"] == drafts.plain(made.draft)
    assert len(told["draft"]["statements"]) == statements.MAX_STATEMENTS
    assert told["rulings"][0]["body"]["finding"] == "认" * 4000
    assert [row["ok"] for row in told["texts"]["en"]["preconditions"]] == [one.ok for one in made.draft.preconditions]
    assert told["head"]["signature"] == "ab" * 64


def test_a_ruling_stands_in_the_document_with_the_draft_it_names() -> None:
    house = case()
    before = drafts.draft(house.entries, DEFENDANT, rule_table())
    digest = drafts.digest(before)
    house.do(c.Rule(actor=JUDGE, seat=DEFENDANT, finding="经审查认定", draft=digest, draft_seq=before.seq))
    _, second = pages(absence_pdf(absence(house), "zh"))
    assert "经审查认定" in second
    assert digest in second


def test_the_timeline_covers_the_whole_time_without_overlap() -> None:
    made = absence(case())
    drawn = Words(made.draft, rule_table(), made.subject, "zh", Limits()).timeline()
    ends = [(one["from"], one["to"]) for one in drawn["segments"]]
    assert (ends[0][0], ends[-1][1]) == (0.0, 1.0)
    assert all(abs(to - following) < 1e-9 for (_, to), (following, _) in pairwise(ends))
    assert [one["kind"] for one in drawn["marks"]] == ["prompt", "warning", "opened"]


JOURNAL = ("client_online", "page_shown", "page_frozen", "client_socket_down", "client_media_down")
"""Facts of a browser's journal that weigh nothing and are shown all the same."""


def test_every_code_of_a_draft_has_its_words() -> None:
    keys = [
        *(f"absence.pre.{code}" for code in preconditions.CODES),
        *(f"absence.first.{code}" for code in ("complete", "missing", "not_absent", "offline_seat", "returned")),
        *(f"absence.situation.{code}" for code in ("not_appeared", "left", "out_of_picture", "none")),
        *(f"absence.step.{one.value}" for one in Step),
        *(f"absence.channel.{one.value}" for one in Channel),
        *(f"absence.delivery.{one.value}" for one in DeliveryState),
        *(f"absence.who.{one.value}" for one in Answerer),
        *(f"absence.reason.{one.value}" for one in Reason),
        *(f"cause.{one.value}" for one in Cause),
        *(f"role.{one.value}" for one in Role),
        *(f"fact.{one}" for one in (*presence.FACTS, *STANDS_US, "line_quality", "evidence_unreadable", *JOURNAL)),
        *(
            f"absence.condition.{state}.{one.condition}"
            for one in rule_table().provisions
            for state in ("met", "unknown")
            if one.condition
        ),
    ]  # fmt: skip
    assert [key for key in keys if not known(key)] == []


def test_limits_get_tighter_until_nothing_is_left_to_shorten() -> None:
    limits = Limits()
    for _ in range(sheet.MAX_TRIES):
        limits = limits.tighter(2).tighter(1)
    assert (limits.spells, limits.evidence, limits.notices, limits.quotations) == (1, 1, 1, 1)
    assert limits.finding <= 200


def test_numbers_of_the_evidence_are_in_units_that_people_use() -> None:
    made = absence(case())
    english, chinese = (Words(made.draft, rule_table(), made.subject, lang, Limits()) for lang in ("en", "zh"))
    row = {"fact": "line_quality", "rtt_us": 9_012, "jitter_us": 24_000, "worst_permille": 125, "error_ms": 40}
    said = english._fact(row)
    assert said.endswith("(clock error ± 40 ms, jitter 24 ms, round trip 9.0 ms, worst loss 12.5 %)")
    assert "往返时延 9.0毫秒" in chinese._fact(row)
    assert english._detail("seconds", 30) == "for 30 s"
    assert english._detail("received_at", 0) == "told at —"
    assert english._detail("close_code", "a word of a client's") == "close code a word of a client's"
