"""What one receiver's line carries: judged from how our packets arrive, tried out upwards with padding.

Rules
* ``Sent`` notes each packet by its transport-wide number; the receiver's feedback says when it came. Delay beyond the
  smallest of the last half minute that stays is a queue that we fill; loss alone may as well be a bad radio.
* A queue that stands as it stood although far less is sent than the line then carried is none: the way has become
  longer (another cell, another route), and the delay is measured from there.
* What was sent into a hole (everything lost for ``OUTAGE_US``) tells of an outage, not of a narrow line.
* Without a complaint there is no budget (``UNLIMITED``): a court on a good line is never throttled by a guess.
* A standing queue cuts the budget to most of what really arrived. Loss without a queue cuts it for a trial; if the loss
  stays as it was, it is not ours, and from then on only more than that counts.
* Up again by trying: after ``hold`` the budget grows twofold every ``DOUBLE_US``, the difference to the media being
  filled with padding, until the line complains or everything wanted fits. A failed try doubles the hold.
* While bound, a small burst now and then shows how far apart the line spreads it: a line that has become wider is tried
  at once, whatever the hold.
* Receivers without such feedback are judged by their reports and REMB; an estimate counts only against a stream that
  is large enough to prove something (of a still picture at 50 kbit/s Chromium says 13 on an idle loopback, measured).

draft-ietf-rmcat-gcc-02 (the shape of the control), RFC 6817 2 (base delay), RFC 8289 3 (standing queue),
draft-alvestrand-rmcat-remb-03. Rates are bit/s with headers, times µs of the court clock.
"""

from __future__ import annotations

from array import array
from collections import deque
from enum import Enum
from typing import Final

from courtroom.sfu import rtcp
from courtroom.sfu.sequence import unwrap

UNLIMITED: Final = 1 << 40
LEAST: Final = 100_000
HEADERS: Final = 44  # UDP, IP and the SRTP tag on top of an RTP packet
SLOTS: Final = 4096
MASK: Final = SLOTS - 1

STANDING_US: Final = 60_000
STANDING_FOR_US: Final = 220_000  # a queue that is empty once in this time is a burst, or a computer that was busy
TRYING_US: Final = 30_000  # of queue end a try
DRAIN_US: Final = 2_000_000
HARD_US: Final = 100_000  # so long a queue that pictures stop until it has drained
AS_IT_STOOD: Final = (70, 115)  # percent of the standing delay at the first cut
FAR_LESS: Final = 60  # percent of what arrived then
FURTHER_US: Final = 20_000_000  # once in this time a way may become longer
WINDOW_US: Final = 500_000
RECENT_US: Final = 220_000
BASE_US: Final = 5_000_000
BASES: Final = 6
CUT: Final = 93  # percent of what arrived
SETTLE_US: Final = 500_000  # between two cuts
HOLD_US: Final = 2_000_000
HOLD_MAX_US: Final = 32_000_000
TRY_US: Final = 6_000_000
LEAD: Final = 160  # percent: how far a try may be ahead of what has arrived
DOUBLE_US: Final = 500_000
PROVEN_US: Final = 10_000_000  # a try that was good for so long leaves no doubt
STALE_US: Final = 400_000  # feedback older than this stops the growing
FRESH_US: Final = 2_000_000
BURST_US: Final = 600_000
BURST: Final = 3  # packets of padding
BURSTS: Final = 2  # in a row have to say that the line is wider
WIDER: Final = 150  # percent of the budget

OUTAGE_US: Final = 200_000
LOSSY: Final = 80  # permille that is looked into
HEAVY: Final = 250  # permille that may cost pictures
TRIAL_US: Final = 2_000_000
LOSS_US: Final = 2_000_000
MAX_COUNTS: Final = 512
WEIGH_US: Final = 200_000
REMEMBER_US: Final = 60_000_000
TELLING: Final = 400_000
COMPLAIN_US: Final = 2_000_000


class Sent:
    """The last packets to one receiver by transport-wide number: entry = time << 12 | size."""

    __slots__ = (
        "entries", "next",
    )  # fmt: skip

    def __init__(self) -> None:
        self.next = 0
        self.entries = array("Q", bytes(8 * SLOTS))

    def note(self, size: int, now: int) -> int:
        """The number for a packet of ``size`` octets sent now. The hot loop of ``producer`` does the same in place."""
        number = self.next
        self.next = number + 1
        self.entries[number & MASK] = now << 12 | (size + HEADERS)
        return number

    def octets(self, first: int) -> int:
        """What was sent from number ``first`` on, as far as it is still known."""
        return sum(self.entries[number & MASK] & 0xFFF for number in range(max(first, self.next - SLOTS), self.next))


class State(Enum):
    FREE = "free"
    BOUND = "bound"
    TRYING = "trying"
    TRIAL = "trial"  # a smaller budget on suspicion


class Downlink:
    """One receiver's line. ``budget`` is what may be sent to it in all; ``hard`` asks for pictures to stop at once."""

    __slots__ = (
        "_base", "_bases", "_bases_at", "_burst_at", "_came", "_complaint_since", "_counts", "_cut_at",
        "_drained_by", "_feedback_at", "_first", "_free_since", "_further_at", "_grown_at", "_hold", "_hold_until",
        "_loss_at", "_lost", "_random_loss", "_run", "_stood", "_suspect", "_trial_until", "_tried_at", "_tried_from",
        "_tried_standing", "_weighed_at", "_wider", "_window", "budget", "hard", "least", "loss", "sent",
        "standing", "state", "wanted",
    )  # fmt: skip

    def __init__(self) -> None:
        self.sent = Sent()
        self.state = State.FREE
        self.budget = UNLIMITED
        self.hard = False
        self.wanted = 0  # what everything routed would cost, and the smallest that still shows everything
        self.least = 0
        self.standing = 0  # µs of queue that we keep filled
        self.loss = 0  # permille of the last second or so
        self._window: deque[tuple[int, int, int]] = deque(maxlen=64)  # arrival, octets, delay
        self._counts: deque[tuple[int, int, int]] = deque()  # when, came, lost
        self._bases: deque[int] = deque(maxlen=BASES)
        self._bases_at = 0
        self._base = 1 << 62
        self._run = (0, 0)  # packets lost in a row up to now, and when the first of them was sent
        self._came = self._lost = 0  # the sums of ``_counts``
        self._weighed_at = 0
        self._feedback_at = -FRESH_US
        self._cut_at = -(1 << 62)
        self._hold = HOLD_US
        self._hold_until = 0
        self._grown_at = 0
        self._free_since = -(1 << 62)
        self._random_loss = 0
        self._loss_at = -(1 << 62)
        self._suspect = 0
        self._trial_until = 0
        self._complaint_since = -1
        self._burst_at = 0
        self._wider = 0
        self._drained_by = 0  # until then only sound
        self._tried_at = self._tried_from = self._tried_standing = 0
        self._stood = (0, 0)  # the delay that stood when it was first cut, and what arrived then
        self._further_at = -FURTHER_US
        self._first = 0  # number of the first packet on this path

    # --- what the receiver says -----------------------------------------------------------------------

    def arrived(self, report: rtcp.Arrivals, now: int) -> None:
        """Transport-wide feedback. What it says of numbers that were never sent, or long ago, is not heard."""
        sent = self.sent
        number = unwrap(report.first, sent.next)
        if not max(sent.next - SLOTS, self._first - 1) < number < sent.next:
            return
        entries, octets, came, lost, last = sent.entries, 0, 0, 0, -1
        delay = 1 << 62
        run, run_at = self._run  # what is lost is judged when it is over: a hole may take several messages
        times = report.times
        if len(times) > sent.next - number:
            times = times[: sent.next - number]
        for at in times:
            entry = entries[number & MASK]
            number += 1
            if at >= 0:
                if run:
                    lost += run if (entry >> 12) - run_at < OUTAGE_US else 0
                    run = 0
                octets += entry & 0xFFF
                came += 1
                last = at
                trip = at - (entry >> 12)
                delay = trip if trip < delay else delay  # min() would be a call a packet
            else:
                run_at = run_at if run else entry >> 12
                run += 1
        self._run = (run, run_at)
        if not came:
            return
        self._feedback_at = now
        self._window.append((last, octets, delay))
        if len(self._counts) == MAX_COUNTS:
            self._forget_losses()  # nobody honest reports so often
        self._counts.append((now, came, lost))
        self._came += came
        self._lost += lost
        if self.state is State.BOUND:
            self._spread(report, now)
        self._queue(last, delay, now)
        if now - self._weighed_at >= WEIGH_US:
            self._weighed_at = now
            self._losses(now)

    def _queue(self, last: int, delay: int, now: int) -> None:
        window = self._window
        if len(window) > 1 and not 0 <= last - window[-2][0] < 10_000_000:  # their clock jumped: begin anew
            newest = window[-1]
            window.clear()
            window.append(newest)
            self._bases.clear()
            self._base = 1 << 62
        while last - window[0][0] > WINDOW_US:
            window.popleft()
        if not self._bases or now - self._bases_at >= BASE_US:
            self._bases_at = now
            self._bases.append(delay)
            self._base = min(self._bases)
        if delay < self._base:
            self._base = self._bases[-1] = delay
        elif delay < self._bases[-1]:
            self._bases[-1] = delay
        base = lowest = self._base
        if delay != base:
            lowest = delay
            for at, _, one in reversed(window):
                if last - at > STANDING_FOR_US:
                    break
                lowest = min(lowest, one)
        self.standing = lowest - base
        if self.standing < STANDING_US:
            self._stood = (0, 0)
        if self.state is State.TRYING and delay - base >= self._tried_standing + TRYING_US:
            self._cut(self._rate(RECENT_US), now)
        elif self._drained_by and (self.standing < STANDING_US or now >= self._drained_by):
            self._drained_by = 0
            self._forget_losses()
            if self._in_vain(now):
                self._further(lowest, now)
        elif (
            self.standing >= STANDING_US
            and not self._drained_by
            and now - self._cut_at >= SETTLE_US
            and not self._draining(delay)
        ):
            if self._in_vain(now):
                self._further(lowest, now)
                return
            self._stood = self._stood if self._stood[0] else (self.standing, self._rate(RECENT_US))
            self._cut(self._rate(RECENT_US), now)
            if self.standing >= HARD_US:
                self.hard = True
                self._drained_by = now + DRAIN_US

    def _in_vain(self, now: int) -> bool:
        """Whether the delay stands as it did at the first cut, although far less is sent than the line carried then."""
        stood, rate = self._stood
        low, high = AS_IT_STOOD
        as_it_stood = stood * low <= self.standing * 100 <= stood * high
        far_less = self._rate(RECENT_US) * 100 <= rate * FAR_LESS
        return stood > 0 and as_it_stood and far_less and now - self._further_at >= FURTHER_US

    def _further(self, delay: int, now: int) -> None:
        """The way itself takes ``delay`` now; what the pictures lost by it is tried at once."""
        self._bases.clear()
        self._bases.append(delay)
        self._base, self._bases_at, self._further_at = delay, now, now
        self.standing, self._stood, self._hold_until = 0, (0, 0), now

    def _draining(self, delay: int) -> bool:
        """Whether the queue of the last cut is on its way out: shorter than it was a moment ago."""
        earlier = [one[2] for one in self._window if 200_000 <= self._window[-1][0] - one[0] <= 400_000]
        return self.state is State.BOUND and bool(earlier) and delay < max(earlier)

    def _spread(self, report: rtcp.Arrivals, now: int) -> None:
        """How fast the line passed on what was sent in one go; two bursts in a row that say "wider" end the hold."""
        sent = self.sent
        start = unwrap(report.first, sent.next)
        begun, first, octets, count = -1, 0, 0, 0
        for number, at in enumerate(report.times[: sent.next - start], start):
            entry = sent.entries[number & MASK]
            if at < 0 or entry >> 12 != begun:
                begun, first, octets, count = (-1, 0, 0, 0) if at < 0 else (entry >> 12, at, 0, 1)
                continue
            octets += entry & 0xFFF
            count += 1
            if count == BURST:
                rate = octets * 8_000_000 // max(at - first, 250)
                self._wider = self._wider + 1 if rate > self.budget * WIDER // 100 else 0
                if self._wider >= BURSTS and now - self._cut_at >= HOLD_US:
                    self._wider, self._hold_until = 0, now

    def burst_due(self, now: int) -> bool:
        """Whether to send ``BURST`` packets of padding in one go; True counts as done."""
        if self.state is not State.BOUND or self.wanted <= self.budget or now - self._burst_at < BURST_US:
            return False
        self._burst_at = now
        return True

    def _rate(self, within: int = WINDOW_US) -> int:
        """What arrived lately, bit/s."""
        window = self._window
        recent = [one for one in window if window[-1][0] - one[0] <= within]
        span = recent[-1][0] - recent[0][0]
        if span < 50_000:
            return self.least
        return sum(one[1] for one in list(recent)[1:]) * 8 * 1_000_000 // span

    def _losses(self, now: int) -> None:
        counts = self._counts
        while counts and now - counts[0][0] > LOSS_US:
            _, came, lost = counts.popleft()
            self._came -= came
            self._lost -= lost
        heard = self._came + self._lost
        if heard >= 40:
            self.loss = self._lost * 1000 // heard
            if self.loss >= LOSSY and now - counts[0][0] >= LOSS_US // 2:
                self._suspicion(self.loss, self._rate(), now)

    def reported(self, fraction: int, sending: int, now: int) -> None:
        """The worst loss of a receiver report (of 256); counts for those who send nothing better."""
        if now - self._feedback_at > FRESH_US:
            self.loss = fraction * 1000 // 256
            self._suspicion(self.loss, sending * (256 - fraction) // 256, now)

    def remb(self, bitrate: int, sending: int, now: int) -> None:
        """An estimate of the line; ``sending`` is what we sent it in the last second, both bit/s."""
        if now - self._feedback_at <= FRESH_US:
            return
        if sending < TELLING or bitrate >= sending // 2:
            self._complaint_since = -1
        elif self._complaint_since < 0:
            self._complaint_since = now
        elif now - self._complaint_since >= COMPLAIN_US and now - self._cut_at >= COMPLAIN_US:
            self._cut(bitrate, now)

    # --- what follows ----------------------------------------------------------------------------------

    def _suspicion(self, loss: int, rate: int, now: int) -> None:
        if now - self._loss_at > REMEMBER_US:
            self._random_loss = 0
        if loss < max(LOSSY, self._random_loss * 3 // 2 + 50 if self._random_loss else 0):
            return
        if self.state is State.TRYING:
            self._cut(rate, now)
        elif self.state is not State.TRIAL and now - self._cut_at >= COMPLAIN_US:
            room = self.least if loss < HEAVY else 0
            self.state, self._suspect = State.TRIAL, loss
            self._trial_until, self._cut_at = now + TRIAL_US, now
            self.budget = min(self.budget, max(LEAST, rate * 7 // 10, room))
            self._forget_losses()

    def _cut(self, rate: int, now: int) -> None:
        """The line is full. A try that ends so makes the next one wait twice as long."""
        trying = self.state is State.TRYING
        failed = trying or (self.state is State.FREE and now - self._free_since < PROVEN_US)
        self._hold = min(self._hold * 2, HOLD_MAX_US) if failed else HOLD_US
        self.state, self._cut_at, self._hold_until = State.BOUND, now, now + self._hold
        if trying:
            self.hard, self.budget = True, max(self._tried_from, min(rate, self.budget) * CUT // 100)
            self._cut_at += SETTLE_US  # what the try has queued is still to come
        else:
            self.budget = max(LEAST, min(rate, self.budget) * CUT // 100)
        self._forget_losses()

    def _forget_losses(self) -> None:
        """What was lost before a change of budget says nothing about the new one."""
        self._counts.clear()
        self._came = self._lost = 0

    def moved(self) -> None:
        """Another path, another line: what was known of the old one is forgotten."""
        sent = self.sent
        self.__init__()  # type: ignore[misc]
        self.sent, self._first = sent, sent.next

    def tick(self, now: int) -> None:
        match self.state:
            case State.TRIAL if now >= self._trial_until:
                if self.loss >= self._suspect * 4 // 10:
                    self._random_loss, self._loss_at = max(self.loss, self._suspect), now
                    self.state, self.budget, self._free_since = State.FREE, UNLIMITED, now - PROVEN_US
                else:
                    self.state, self._hold_until = State.BOUND, now + self._hold
            case State.BOUND if now >= self._hold_until and self._enough > self.budget:
                if self.standing < STANDING_US // 2:
                    self.state, self._grown_at, self._tried_at = State.TRYING, now, now
                    self._tried_from, self._tried_standing = self.budget, self.standing
                    self._forget_losses()
            case State.BOUND if now >= self._hold_until and now - self._cut_at >= PROVEN_US:
                self._hold = HOLD_US
            case State.TRYING:
                self._grow(now)
            case _:
                pass

    def _grow(self, now: int) -> None:
        passed, self._grown_at = now - self._grown_at, now
        unheard = now - self._feedback_at
        if unheard <= STALE_US or unheard > FRESH_US:  # with feedback: only while it comes
            self.budget += self.budget * passed * 7 // (10 * DOUBLE_US)
        if unheard <= FRESH_US and now - self._tried_at >= SETTLE_US:
            self.budget = max(LEAST, min(self.budget, self._rate(RECENT_US) * LEAD // 100))
        enough = self._enough
        if self.budget >= enough and (unheard > FRESH_US or self._rate(RECENT_US) >= self.wanted):
            self.state, self.budget, self._free_since = State.FREE, UNLIMITED, now
        elif now - self._tried_at >= TRY_US:
            self._cut(self.budget, now)
        else:
            self.budget = min(self.budget, max(enough, self._tried_from))

    @property
    def _enough(self) -> int:
        """With less room than this a larger layer is not gone over to."""
        return self.wanted * 6 // 5

    @property
    def spendable(self) -> int:
        """The budget for media: while trying, only what has been seen to arrive."""
        if self.state is State.TRYING:
            return max(self._tried_from, self._rate(RECENT_US) * 95 // 100)
        return 0 if self._drained_by else self.budget

    @property
    def full(self) -> bool:
        """Whether we keep a queue on the line, so that what is lost is lost to ourselves."""
        return self.standing >= STANDING_US

    @property
    def trying(self) -> bool:
        """Whether the difference between media and budget is to be filled with padding."""
        return self.state is State.TRYING
