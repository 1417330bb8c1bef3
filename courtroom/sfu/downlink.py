"""What one receiver's line carries: judged from how our packets arrive, tried out upwards with padding.

Rules
* ``sent`` notes each packet by its transport-wide number; the receiver's feedback says when it came. What a queue is
  and what a longer way is stands in ``delay``; which loss may be ours, in ``losses``; what follows from them, here.
* What was sent into a hole (everything lost for ``OUTAGE_US``) tells of an outage, not of a narrow line. Sound that is
  then sent again keeps its numbers: of these, and of what was told before, nothing is believed.
* Without a complaint there is no budget (``UNLIMITED``): a court on a good line is never throttled by a guess.
* A queue that stands or grows cuts the budget to most of what really arrived, and pictures wait until it has drained,
  so that sound comes through; if it has not drained by then, they stop. If it was the way that had become longer, what
  was cut is given back.
* Loss without a queue cuts the budget for a trial; if the loss stays as it was, it is not ours, and from then on only
  more than that counts. So is what is lost while less is sent than the line has carried: tries are judged by it.
* Up again by trying: after ``hold`` the budget grows twofold every ``DOUBLE_US``, the difference to the media being
  filled with padding, until the line complains or everything wanted fits. A failed try doubles the hold, and what it
  has queued drains first.
* While bound, a small burst now and then shows how far apart the line spreads it: a line that has become wider is tried
  at once, whatever the hold.
* Receivers that never give such feedback are judged by their reports and REMB; an estimate counts only against a
  stream that is large enough to prove something (of a still picture at 50 kbit/s Chromium says 13 on an idle loopback,
  measured). Of others they say nothing: the first report on a new path speaks of the outage before it.

draft-ietf-rmcat-gcc-02 (the shape of the control), draft-alvestrand-rmcat-remb-03. Rates are bit/s with headers, times
µs of the court clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final

from courtroom.sfu import rtcp
from courtroom.sfu.delay import RECENT_US, STANDING_US, WINDOW_US, Delay
from courtroom.sfu.losses import Losses
from courtroom.sfu.sent import MASK, SLOTS, Sent
from courtroom.sfu.sequence import unwrap

UNLIMITED: Final = 1 << 40
LEAST: Final = 100_000

GROWN_US: Final = 130_000  # two or three messages of a browser
TRYING_US: Final = 30_000  # of queue end a try
DRAIN_US: Final = 1_000_000
HARD_US: Final = 100_000  # a queue so long although pictures have waited already: now they stop until it has drained
CUT: Final = 93  # percent of what arrived
SETTLE_US: Final = 500_000  # between two cuts
HOLD_US: Final = 2_000_000
HOLD_MAX_US: Final = 32_000_000
TRY_US: Final = 6_000_000
LEAD: Final = 160  # percent: how far a try may be ahead of what has arrived
DOUBLE_US: Final = 500_000
PROVEN_US: Final = 10_000_000  # a try that was good for so long leaves no doubt
STALE_US: Final = 400_000  # feedback older than this stops the growing
BURST_US: Final = 600_000
BURST: Final = 3  # packets of padding
BURSTS: Final = 2  # in a row have to say that the line is wider
WIDER: Final = 150  # percent of the budget

OUTAGE_US: Final = 200_000
MOST_USUAL: Final = 500  # permille of loss that the rate of what arrives is corrected by
HEAVY: Final = 250  # permille that may cost pictures
TRIAL_US: Final = 2_000_000
AFTER_US: Final = 600_000  # what was sent before a cut is told of for so long
UNJUDGED_US: Final = 6_000_000
WEIGH_US: Final = 200_000
TELLING: Final = 400_000
COMPLAIN_US: Final = 2_000_000


class State(Enum):
    FREE = "free"
    BOUND = "bound"
    TRYING = "trying"
    TRIAL = "trial"  # a smaller budget on suspicion


class Downlink:
    """One receiver's line. ``budget`` is what may be sent to it in all; ``hard`` asks for pictures to stop at once."""

    __slots__ = (
        "_aftermath", "_burst_at", "_came_at", "_complaint_since", "_cut_at", "_drain_at", "_drained_by",
        "_feedback_at", "_first", "_free_since", "_grown_at", "_hold", "_hold_until", "_judged", "_run", "_stopped",
        "_suspect", "_tells", "_trial_until", "_tried_at", "_tried_from", "_tried_standing", "_was_free",
        "_weighed_at", "_wider", "budget", "delay", "hard", "least", "losses", "sent", "state", "wanted",
    )  # fmt: skip

    def __init__(self) -> None:
        self.sent = Sent()
        self.state = State.FREE
        self.budget = UNLIMITED
        self.hard = False
        self.wanted = 0  # what everything routed would cost, and the smallest that still shows everything
        self.least = 0
        self.delay = Delay()
        self.losses = Losses()
        self._came_at = -(1 << 62)  # when the newest that it told of came, by its clock
        self._was_free = False  # before the last cut
        self._aftermath = False  # what was sent before the last cut is still being told of
        self._judged = 0  # the first number that it has not told of
        self._run = (0, 0)  # packets lost in a row up to now, and when the first of them was sent
        self._weighed_at = 0
        self._feedback_at = -(1 << 62)
        self._tells = False  # whether it ever gave transport-wide feedback
        self._cut_at = -(1 << 62)
        self._hold = HOLD_US
        self._hold_until = 0
        self._grown_at = 0
        self._free_since = -(1 << 62)
        self._suspect = 0
        self._trial_until = 0
        self._complaint_since = -1
        self._burst_at = 0
        self._wider = 0
        self._drain_at = self._drained_by = 0  # since when, and until when at most, only sound is sent
        self._stopped = False  # pictures do not wait for that, they have ended
        self._tried_at = self._tried_from = self._tried_standing = 0
        self._first = 0  # number of the first packet on this path

    # --- what the receiver says -----------------------------------------------------------------------

    def arrived(self, report: rtcp.Arrivals, now: int) -> None:
        """Transport-wide feedback. What it says of numbers that were never sent, or long ago, is not heard."""
        sent = self.sent
        number = unwrap(report.first, sent.next)
        if not max(sent.next - SLOTS, self._first - 1) < number < sent.next:
            return
        entries, octets, came, lost, last = sent.entries, 0, 0, 0, -1
        delay, trip = 1 << 62, 0
        run, run_at = self._run  # what is lost is judged when it is over: a hole may take several messages
        # What comes late makes a browser tell of everything since once more; each number is judged when first told of
        known = max(0, self._judged - number)
        times = report.times[known : sent.next - number]
        number += known
        self._judged = max(self._judged, number + len(times))
        for at in times:
            entry = entries[number & MASK]
            number += 1
            if not entry:
                continue
            if at >= 0:
                if run:
                    # Of a hole a browser tells the last half second at most: what came tells how long it was
                    outage = (entry >> 12) - run_at >= OUTAGE_US or (not came and at - self._came_at >= OUTAGE_US)
                    lost += 0 if outage else run
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
        self._came_at = last
        self._feedback_at, self._tells = now, True
        self.losses.count(came, lost, now)
        if self.state is State.BOUND:
            self._spread(number - len(times), times, now)
        self.delay.arrived(last, octets, delay, now)
        self._queue(delay, last - trip, now)
        if now - self._weighed_at >= WEIGH_US:
            self._weighed_at = now
            if self.losses.weigh(now):
                self._suspicion(self.losses.permille, self._rate(WINDOW_US), now)

    def _queue(self, delay: int, sent_at: int, now: int) -> None:
        """``delay`` is the smallest of this message; ``sent_at``, when the last packet in it left."""
        standing = self.delay.standing
        if self.state is State.TRYING and self.delay.excess >= self._tried_standing + TRYING_US:
            self._cut(self._rate(), now)
            self._drain(now)
        elif self._drained_by:
            # A queue of ours would come out as fast as before; what is too little to have a rate does not
            in_vain = self.delay.in_vain(self.delay.rate(0, RECENT_US), now)
            drained = self.delay.excess < STANDING_US and sent_at >= self._drain_at
            if in_vain or drained or now >= self._drained_by:
                self._drained_by = 0
                self.losses.forget()
            if in_vain:
                self._further(now)
        elif (
            (standing >= STANDING_US or self.delay.growing)
            and now - self._cut_at >= SETTLE_US
            and not (self.state is State.BOUND and self.delay.shrinking(delay))  # the last cut is still at work
        ):
            # of a queue that has only begun the older half may not have been held up by it
            rate = max(self._rate(), self._rate(GROWN_US))
            if self.delay.in_vain(rate, now):
                self._further(now)
                return
            self.delay.cut(rate)
            stopped = self.state is State.BOUND and standing >= HARD_US
            self._cut(rate, now)
            self.hard = True
            self._drain(now, stopped=stopped)

    def _drain(self, now: int, *, stopped: bool = False) -> None:
        self._drain_at, self._drained_by, self._stopped = now, now + DRAIN_US, stopped

    def _further(self, now: int) -> None:
        """The way has become longer: what was cut for it is given back, or tried at once where more was wrong."""
        self.delay.further(now)
        self._hold_until = now
        if self._was_free and self.state is State.BOUND:
            self.state, self.budget, self._free_since = State.FREE, UNLIMITED, now

    def _rate(self, within: int = RECENT_US) -> int:
        return self.delay.rate(self.least, within)

    def _spread(self, start: int, times: Sequence[int], now: int) -> None:
        """How fast the line passed on what was sent in one go; two bursts in a row that say "wider" end the hold."""
        sent = self.sent
        begun, first, octets, count = -1, 0, 0, 0
        for number, at in enumerate(times, start):
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

    def reported(self, fraction: int, sending: int, now: int) -> None:
        """The worst loss of a receiver report (of 256); counts for those who send nothing better."""
        if not self._tells:
            self.losses.permille = fraction * 1000 // 256
            self._suspicion(self.losses.permille, sending * (256 - fraction) // 256, now)

    def remb(self, bitrate: int, sending: int, now: int) -> None:
        """An estimate of the line; ``sending`` is what we sent it in the last second, both bit/s."""
        if self._tells:
            return
        if sending < TELLING or bitrate >= sending // 2:
            self._complaint_since = -1
        elif self._complaint_since < 0:
            self._complaint_since = now
        elif now - self._complaint_since >= COMPLAIN_US and now - self._cut_at >= COMPLAIN_US:
            self._cut(bitrate, now)

    # --- what follows ----------------------------------------------------------------------------------

    def _suspicion(self, loss: int, rate: int, now: int) -> None:
        if not self.losses.may_be_ours(loss - self.losses.spread, now):
            return
        if self.state is State.TRYING:
            self._cut(rate, now)
            self._suspect = loss
        elif self.state is State.BOUND and rate < self.budget * 6 // 10:
            return  # so little is sent that it is not for want of room
        elif self.state is not State.TRIAL and now - self._cut_at >= COMPLAIN_US:
            self._was_free = False
            room = self.least if loss - 2 * self.losses.spread < HEAVY else 0
            self.state, self._suspect = State.TRIAL, loss
            self._trial_until, self._cut_at = now + TRIAL_US, now
            self.budget = min(self.budget, max(LEAST, rate * 7 // 10, room))
            self._aftermath = True
            self.losses.forget()

    def _cut(self, rate: int, now: int) -> None:
        """The line is full. A try that ends so makes the next one wait twice as long."""
        trying, self._was_free = self.state is State.TRYING, self.state is State.FREE
        failed = trying or (self.state is State.FREE and now - self._free_since < PROVEN_US)
        self._hold = min(self._hold * 2, HOLD_MAX_US) if failed else HOLD_US
        self.state, self._cut_at, self._hold_until, self._suspect = State.BOUND, now, now + self._hold, 0
        if trying:
            self.hard, self.budget = True, max(self._tried_from, min(rate, self.budget) * CUT // 100)
            self._cut_at += SETTLE_US  # what the try has queued is still to come
        else:
            self.budget = max(LEAST, min(rate, self.budget) * CUT // 100)
        self._aftermath = True
        self.losses.forget()

    def moved(self) -> None:
        """Another path, another line: what was known of the old one is forgotten."""
        sent, tells = self.sent, self._tells
        self.__init__()  # type: ignore[misc]
        self.sent, self._first, self._tells = sent, sent.next, tells

    def tick(self, now: int) -> None:
        if self._drained_by and now >= self._drained_by + STALE_US:
            self._drained_by = 0  # who is sent nothing tells us nothing: that must not last
        self._learn(now)
        match self.state:
            case State.TRIAL if now >= self._trial_until:
                loss = self.losses.proven
                if loss < 0 and now < self._trial_until + TRIAL_US // 2:
                    return
                loss = max(loss, self.losses.permille)
                if loss >= self._suspect * 4 // 10:
                    self.losses.not_ours(max(loss, self._suspect), now)
                    self.state, self.budget, self._free_since = State.FREE, UNLIMITED, now - PROVEN_US
                else:
                    self.state, self._hold_until, self._suspect = State.BOUND, now + self._hold, 0
            case State.BOUND if now >= self._hold_until and self._enough > self.budget:
                standing = self.delay.standing
                judged = not self._suspect or self.losses.proven >= 0 or now - self._cut_at >= UNJUDGED_US
                if standing < STANDING_US // 2 and judged:
                    self.state, self._grown_at, self._tried_at = State.TRYING, now, now
                    self._tried_from, self._tried_standing = self.budget, standing
                    self.losses.forget()
            case State.BOUND if now >= self._hold_until and now - self._cut_at >= PROVEN_US:
                self._hold = HOLD_US
            case State.TRYING:
                self._grow(now)
            case _:
                pass

    def _learn(self, now: int) -> None:
        """What is lost while the line has room is what it loses anyway; a try ended by as much begins again."""
        if self._aftermath and now - self._cut_at >= AFTER_US:
            self._aftermath = False
            self.losses.forget()
        loss = self.losses.proven
        if self.state is State.BOUND and not self._aftermath and loss >= 0:
            self.losses.not_ours(loss, now)
            if self._suspect and loss >= self._suspect * 4 // 10:
                self._hold, self._hold_until, self._suspect = HOLD_US, now, 0

    def _grow(self, now: int) -> None:
        passed, self._grown_at = now - self._grown_at, now
        unheard = now - self._feedback_at
        if unheard <= STALE_US or not self._tells:  # with feedback: only while it comes
            self.budget += self.budget * passed * 7 // (10 * DOUBLE_US)
        carried = max(self._rate(), self._rate(WINDOW_US)) * 1000 // (1000 - min(self.losses.usual(now), MOST_USUAL))
        if self._tells and now - self._tried_at >= SETTLE_US:
            self.budget = max(LEAST, min(self.budget, carried * LEAD // 100))
        enough = self._enough
        if self.budget >= enough and (not self._tells or carried >= self.wanted):
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
            return max(self._tried_from, self._rate() * 95 // 100)
        return 0 if self._drained_by and self._stopped else self.budget

    @property
    def pace(self) -> int:
        """How fast pictures that wait are sent on."""
        return self.budget if self.budget < UNLIMITED else max(LEAST, self._enough)

    def draining(self, now: int) -> bool:
        """Whether pictures wait so that the queue in front of the sound becomes shorter."""
        return now < self._drained_by

    @property
    def full(self) -> bool:
        """Whether we keep a queue on the line, so that what is lost is lost to ourselves."""
        return self.delay.standing >= STANDING_US

    @property
    def trying(self) -> bool:
        """Whether the difference between media and budget is to be filled with padding."""
        return self.state is State.TRYING
