//! How bytes travel: writing, segments, reading, and the ends of streams.
//!
//! Always true: what is read is a prefix of what was written, in order, each byte once, whatever happens in between;
//! nobody writes more than there is room for; silence is tried again, each time later, until it has lasted too long; who
//! sends to an end that is gone gets a reset.

use super::connection::{EndKey, Fin, LOCAL, Phase};
use super::link::RETRANSMIT_NS;
use super::waiters::As;
use super::{Errno, Event, Fabric, Key, Turn};

/// Two tries are never further apart.
const RETRANSMIT_NS_MAX: u64 = 120_000_000_000;

/// What a segment has besides its bytes.
const HEADERS: u64 = 40;

/// What an end is ready for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Readiness {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    pub(crate) read_closed: bool,
    pub(crate) write_closed: bool,
    pub(crate) error: bool,
}

/// Which of the two things that a task may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

impl<W: PartialEq, R: Copy> Fabric<W, R> {
    /// Writes bytes, as many as there is room for.
    #[inline]
    pub(crate) fn write<'a>(
        &mut self,
        turn: &mut Turn<'_>,
        key: EndKey,
        pieces: impl Iterator<Item = &'a [u8]>,
    ) -> Result<usize, Errno> {
        let Self { connections, pool, .. } = self;
        let end = match connections.get(key.connection) {
            Some(connection) => {
                if connection.names.is_some() && !connection.ends[1 - key.side as usize].phase.is_held() {
                    // Within a host it is known at once, and whoever writes is not told why.
                    connection.ends[key.side as usize].dead = true;
                    return Err(Errno::BrokenPipe);
                }
                &mut connection.ends[key.side as usize]
            }
            None => return Err(Errno::NotConnected),
        };
        if let Some(errno) = end.error.take() {
            return Err(errno);
        }
        if end.dead || end.out.fin != Fin::None {
            return Err(Errno::BrokenPipe);
        }
        if end.phase != Phase::Open {
            return Err(Errno::NotConnected);
        }
        let mut room = end.out.room() as usize;
        let (mut written, mut wanted) = (0, false);
        for piece in pieces {
            wanted |= !piece.is_empty();
            let count = piece.len().min(room);
            if count > 0 {
                end.out.ring.push(&piece[..count], pool);
                room -= count;
                written += count;
            }
        }
        if written > 0 {
            self.transmit(turn, key);
            return Ok(written);
        }
        if !wanted {
            return Ok(0);
        }
        end.out.wants_room = true;
        self.ask_for_room(turn, key);
        Err(Errno::WouldBlock)
    }

    /// Lets what has not left leave, if it can.
    pub(super) fn transmit(&mut self, turn: &mut Turn<'_>, key: EndKey) {
        let Some(connection) = self.connections.get(key.connection) else { return };
        let [from, to] = pair(&mut connection.ends, key.side);
        let (from_host, to_host) = (from.host, to.host);
        let pipe = &mut from.out;
        let (len, fin) = (pipe.unsent(), pipe.fin == Fin::Wanted);
        if pipe.stuck || !(len > 0 || fin || pipe.greets) {
            return;
        }
        let link = pipe.link;
        if link == LOCAL {
            pipe.greets = false;
            pipe.flying += len;
            self.arrive(turn, key, len, fin);
            return;
        }
        if !(self.hosts.is_up(from_host) && self.hosts.is_up(to_host) && self.links.at(link).passes()) {
            pipe.stuck = true;
            self.begin_silence(turn, key);
            return;
        }
        let at_ns = self.links.at(link).send_segment(turn.now_ns, u64::from(len) + HEADERS, turn.dice);
        let at_ns = at_ns.max(pipe.last_ns);
        pipe.last_ns = at_ns;
        pipe.greets = false;
        let alone = pipe.flying == 0;
        pipe.flying += len;
        if fin {
            pipe.fin = Fin::Flying;
        }
        let epoch = pipe.epoch;
        if at_ns <= turn.now_ns && alone {
            self.segment(turn, key, epoch, len, fin);
        } else {
            self.queue.push(at_ns, Event::Segment { key, epoch, len, fin });
        }
    }

    /// A segment comes.
    pub(super) fn segment(&mut self, turn: &mut Turn<'_>, key: EndKey, epoch: u16, len: u32, fin: bool) {
        let Some(connection) = self.connections.get(key.connection) else { return };
        let [from, to] = pair(&mut connection.ends, key.side);
        if from.out.epoch != epoch {
            return;
        }
        let (from_host, to_host, back) = (from.host, to.host, to.out.link);
        let pipe = &mut from.out;
        if !(self.hosts.is_up(to_host) && self.links.at(pipe.link).passes()) {
            self.lose(turn, key);
            return;
        }
        if !self.passes(back, to_host, from_host) {
            // It has come, and who sent it will not hear of that.
            if let Some(connection) = self.connections.get(key.connection) {
                connection.ends[key.side as usize].out.unacknowledged = true;
            }
            self.begin_silence(turn, key);
        }
        self.arrive(turn, key, len, fin);
    }

    /// What is under way does not arrive, and is sent again.
    fn lose(&mut self, turn: &mut Turn<'_>, key: EndKey) {
        let Some(connection) = self.connections.get(key.connection) else { return };
        let [from, to] = pair(&mut connection.ends, key.side);
        from.out.lose();
        from.out.stuck = true;
        from.out.greets = to.phase == Phase::HalfOpen;
        self.begin_silence(turn, key);
    }

    /// Bytes, or the end of them, are there.
    #[inline]
    fn arrive(&mut self, turn: &mut Turn<'_>, key: EndKey, len: u32, fin: bool) {
        let Some(connection) = self.connections.get(key.connection) else { return };
        let [from, to] = pair(&mut connection.ends, key.side);
        match to.phase {
            Phase::Open | Phase::Queued if !to.dead => {
                let pipe = &mut from.out;
                pipe.flying -= len;
                pipe.arrived += len;
                if fin {
                    pipe.fin = Fin::Arrived;
                }
                // With it comes what the other side has read.
                let told = to.out.unreported - to.out.offered;
                if told > 0 {
                    to.out.unreported -= told;
                    if to.out.wants_room && to.out.has_room() {
                        to.out.wants_room = false;
                        to.writers.wake(&mut self.woken);
                    }
                }
                to.readers.wake(&mut self.woken);
            }
            Phase::HalfOpen => {
                self.establish(key.connection);
                self.arrive(turn, key, len, fin);
            }
            Phase::Closed if len == 0 => {
                let pipe = &mut from.out;
                if fin {
                    pipe.fin = Fin::Arrived;
                }
            }
            phase => {
                let (back, from_host, to_host) = (to.out.link, from.host, to.host);
                if !self.passes(back, to_host, from_host) {
                    // Who sent it does not hear that nobody is there, and sends it again.
                    self.lose(turn, key);
                    self.free(key.connection);
                    return;
                }
                let Some(connection) = self.connections.get(key.connection) else { return };
                let from = &mut connection.ends[key.side as usize];
                if phase.is_held() {
                    // What came before it failed can be read all the same.
                    from.out.discard(&mut self.pool);
                } else {
                    from.out.empty(&mut self.pool);
                }
                self.reset_peer(turn, key.other());
            }
        }
    }

    /// The other side has become silent: it is tried again after a while.
    fn begin_silence(&mut self, turn: &mut Turn<'_>, key: EndKey) {
        let Some(connection) = self.connections.get(key.connection) else { return };
        let pipe = &mut connection.ends[key.side as usize].out;
        if pipe.retries {
            return;
        }
        pipe.retries = true;
        pipe.attempts = 0;
        pipe.silent_since_ns = turn.now_ns;
        self.queue.push(turn.now_ns + RETRANSMIT_NS, Event::Retry { key });
    }

    /// What was not answered is tried again.
    pub(super) fn retry(&mut self, turn: &mut Turn<'_>, key: EndKey) {
        let Some(connection) = self.connections.get(key.connection) else { return };
        let [from, to] = pair(&mut connection.ends, key.side);
        let (link, back, from_host, to_host) = (from.out.link, to.out.link, from.host, to.host);
        if !from.out.retries {
            return;
        }
        // One that has reset the other sends nothing again: an end of the stream would come without what was before it.
        let is_over = from.dead || from.phase == Phase::Nothing;
        if is_over || !(from.out.stuck || from.out.unacknowledged) {
            from.out.retries = false;
            if is_over {
                // Nobody will tell one that has agreed whether the other side knows.
                self.forget_half_open(key.connection);
                self.free(key.connection);
            }
            return;
        }
        let (goes, comes) = (self.passes(link, from_host, to_host), self.passes(back, to_host, from_host));
        let Some(connection) = self.connections.get(key.connection) else { return };
        let [from, to] = pair(&mut connection.ends, key.side);
        let pipe = &mut from.out;
        if goes && pipe.stuck {
            pipe.stuck = false;
        }
        if goes && comes {
            pipe.retries = false;
            pipe.unacknowledged = false;
            if matches!(to.phase, Phase::Nothing) {
                // What was kept is gone with its host, and so is what was there to acknowledge it.
                pipe.empty(&mut self.pool);
                self.reset_peer(turn, key.other());
                return;
            }
            pipe.unreported = 0;
            pipe.offered = 0;
            if pipe.wants_room && pipe.has_room() {
                pipe.wants_room = false;
                from.writers.wake(&mut self.woken);
            }
        } else if turn.now_ns - pipe.silent_since_ns >= self.times.silence_ns {
            self.fail(key, Errno::TimedOut);
            self.forget_half_open(key.connection);
            self.free(key.connection);
            return;
        } else {
            pipe.attempts = pipe.attempts.saturating_add(1);
            let wait_ns = (RETRANSMIT_NS << u32::from(pipe.attempts).min(20)).min(RETRANSMIT_NS_MAX);
            let at_ns =
                (turn.now_ns + wait_ns).min(pipe.silent_since_ns.saturating_add(self.times.silence_ns));
            self.queue.push(at_ns.max(turn.now_ns + 1), Event::Retry { key });
        }
        self.transmit(turn, key);
    }

    /// Reads at most `max` bytes: `take` gets them in one or two pieces. With `peek` they stay.
    #[inline]
    pub(crate) fn read(
        &mut self,
        turn: &mut Turn<'_>,
        key: EndKey,
        max: usize,
        peek: bool,
        mut take: impl FnMut(&[u8]),
    ) -> Result<usize, Errno> {
        let Some(connection) = self.connections.get(key.connection) else { return Err(Errno::NotConnected) };
        let [to, from] = pair(&mut connection.ends, key.side);
        let pipe = &mut from.out;
        if pipe.arrived > 0 {
            let count = pipe.arrived.min(u32::try_from(max).unwrap_or(u32::MAX));
            let (first, second) = pipe.ring.first(count);
            take(first);
            if !second.is_empty() {
                take(second);
            }
            if !peek && count > 0 {
                pipe.ring.consume(count, &mut self.pool);
                pipe.arrived -= count;
                if pipe.link != LOCAL {
                    pipe.unreported += count;
                    if pipe.wants_room {
                        self.offer_room(turn, key.other());
                    }
                } else if pipe.wants_room && pipe.has_room() {
                    pipe.wants_room = false;
                    from.writers.wake(&mut self.woken);
                }
            }
            return Ok(count as usize);
        }
        // Who reads nothing waits for something to read all the same.
        if pipe.fin == Fin::Arrived {
            return Ok(0);
        }
        if let Some(errno) = to.error.take() {
            return Err(errno);
        }
        if to.dead {
            return Ok(0);
        }
        if to.phase != Phase::Open {
            return Err(Errno::NotConnected);
        }
        Err(Errno::WouldBlock)
    }

    /// Whoever writes at this end has found no room.
    fn ask_for_room(&mut self, turn: &mut Turn<'_>, key: EndKey) {
        let Some(connection) = self.connections.get(key.connection) else { return };
        let [end, other] = pair(&mut connection.ends, key.side);
        if end.out.unreported > 0 {
            self.offer_room(turn, key);
        } else if other.phase == Phase::Nothing {
            self.probe(turn, key);
        }
    }

    /// Nobody is there who could tell the writer at this end of room: it asks, and is reset or hears nothing.
    fn probe(&mut self, turn: &mut Turn<'_>, key: EndKey) {
        let Some(end) = self.end(key) else { return };
        if end.out.wants_room && end.out.link != LOCAL && !end.dead && end.phase == Phase::Open {
            end.out.unacknowledged = true;
            self.begin_silence(turn, key);
        }
    }

    /// The writer at this end is told how much has been read.
    fn offer_room(&mut self, turn: &mut Turn<'_>, key: EndKey) {
        let Some(connection) = self.connections.get(key.connection) else { return };
        let [from, to] = pair(&mut connection.ends, key.side);
        let (back, from_host, to_host) = (to.out.link, from.host, to.host);
        let pipe = &mut from.out;
        if pipe.offered > 0 || pipe.unreported == 0 {
            return;
        }
        if !self.passes(back, to_host, from_host) {
            if let Some(connection) = self.connections.get(key.connection) {
                connection.ends[key.side as usize].out.unacknowledged = true;
            }
            self.begin_silence(turn, key);
            return;
        }
        let Some(connection) = self.connections.get(key.connection) else { return };
        let pipe = &mut connection.ends[key.side as usize].out;
        pipe.offered = pipe.unreported;
        let at_ns = self.links.at(back).send_segment(turn.now_ns, HEADERS, turn.dice);
        self.queue.push(at_ns, Event::Room { key });
    }

    /// The writer at this end learns how much has been read.
    pub(super) fn room(&mut self, turn: &mut Turn<'_>, key: EndKey) {
        let Some(connection) = self.connections.get(key.connection) else { return };
        let [from, to] = pair(&mut connection.ends, key.side);
        let (back, from_host, to_host) = (to.out.link, from.host, to.host);
        let passes = self.passes(back, to_host, from_host);
        let Some(connection) = self.connections.get(key.connection) else { return };
        let from = &mut connection.ends[key.side as usize];
        let pipe = &mut from.out;
        if passes {
            pipe.unreported = pipe.unreported.saturating_sub(pipe.offered);
        }
        pipe.offered = 0;
        if pipe.wants_room && pipe.has_room() {
            pipe.wants_room = false;
            from.writers.wake(&mut self.woken);
        } else if pipe.wants_room {
            self.offer_room(turn, key);
        }
    }

    /// Ends the stream from this end.
    pub(crate) fn shutdown_write(&mut self, turn: &mut Turn<'_>, key: EndKey) -> Result<(), Errno> {
        let Some(connection) = self.connections.get(key.connection) else { return Err(Errno::NotConnected) };
        let end = &mut connection.ends[key.side as usize];
        if end.dead || end.phase != Phase::Open {
            return Err(Errno::NotConnected);
        }
        if end.out.fin == Fin::None {
            end.out.fin = Fin::Wanted;
            self.transmit(turn, key);
            self.wake_both(key);
        }
        Ok(())
    }

    /// Nobody holds this end any more.
    pub(crate) fn close(&mut self, turn: &mut Turn<'_>, key: EndKey) {
        let Some(connection) = self.connections.get(key.connection) else { return };
        let [end, other] = pair(&mut connection.ends, key.side);
        end.readers.wake(&mut self.garbage);
        end.writers.wake(&mut self.garbage);
        match end.phase {
            Phase::Open if !end.dead => {
                if other.out.arrived > 0 || end.options.linger_s == Some(0) {
                    self.reset_peer(turn, key);
                } else {
                    end.phase = Phase::Closed;
                    if end.out.fin == Fin::None {
                        end.out.fin = Fin::Wanted;
                        self.transmit(turn, key);
                    }
                }
            }
            _ => end.phase = Phase::Nothing,
        }
        self.free(key.connection);
    }

    /// This end ends it: what it wrote and has not left never will, and the other one is told, unless it can't be reached.
    pub(super) fn reset_peer(&mut self, turn: &mut Turn<'_>, key: EndKey) {
        let Self { connections, pool, .. } = self;
        let Some(connection) = connections.get(key.connection) else { return };
        let [end, other] = pair(&mut connection.ends, key.side);
        // Whose end has failed holds it, or may yet accept it, all the same.
        if !(end.dead && matches!(end.phase, Phase::Open | Phase::Queued)) {
            end.phase = Phase::Nothing;
            end.listener = None;
        }
        let (link, from, to) = (end.out.link, end.host, other.host);
        if end.out.unsent() > 0 {
            let kept = end.out.arrived + end.out.flying;
            end.out.ring.truncate(kept, pool);
        }
        let last_ns = end.out.last_ns;
        let to_key = key.other();
        if link == LOCAL {
            self.reset(to_key);
        } else if self.passes(link, from, to) {
            let at_ns = self.links.at(link).send_segment(turn.now_ns, HEADERS, turn.dice).max(last_ns);
            self.queue.push(at_ns, Event::Reset { key: to_key });
        } else {
            self.probe(turn, to_key);
        }
        self.free(key.connection);
    }

    /// The news that the other end is gone comes over its link.
    pub(super) fn reset_comes(&mut self, turn: &mut Turn<'_>, key: EndKey) {
        let Some(connection) = self.connections.get(key.connection) else { return };
        let [end, other] = pair(&mut connection.ends, key.side);
        let (link, from, to) = (other.out.link, other.host, end.host);
        let (asks, lives) = (end.phase == Phase::Connecting, end.phase != Phase::Nothing && !end.dead);
        if self.passes(link, from, to) {
            self.reset(key);
            self.free(key.connection);
        } else if asks {
            self.ask_again(turn, key.connection, 0);
        } else if lives {
            // It is lost: what it answered has not been acknowledged, and is sent again.
            if let Some(end) = self.end(key) {
                end.out.unacknowledged = true;
            }
            self.begin_silence(turn, key);
        }
    }

    fn reset(&mut self, key: EndKey) {
        let Some(connection) = self.connections.get(key.connection) else { return };
        let [end, other] = pair(&mut connection.ends, key.side);
        match end.phase {
            Phase::Connecting => self.fail(key, Errno::ConnectionRefused),
            Phase::HalfOpen => self.forget_half_open(key.connection),
            Phase::Queued | Phase::Open if !end.dead => {
                let ended = other.out.fin == Fin::Arrived;
                self.fail(key, if ended { Errno::BrokenPipe } else { Errno::ConnectionReset });
            }
            Phase::Closed => end.phase = Phase::Nothing,
            _ => {}
        }
    }

    /// The connection is over for this end. What has arrived can be read all the same.
    pub(super) fn fail(&mut self, key: EndKey, errno: Errno) {
        let Self { connections, pool, woken, .. } = self;
        let Some(connection) = connections.get(key.connection) else { return };
        let [end, other] = pair(&mut connection.ends, key.side);
        end.error = Some(errno);
        end.dead = true;
        if end.phase == Phase::Closed {
            end.phase = Phase::Nothing;
        }
        let kept = end.out.arrived + end.out.flying;
        end.out.ring.truncate(kept, pool);
        if other.phase == Phase::Nothing {
            // Nobody is there to send the rest.
            other.out.discard(pool);
        }
        end.readers.wake(woken);
        end.writers.wake(woken);
    }

    /// Gives the place of a connection back that nobody holds.
    pub(super) fn free(&mut self, connection: Key) {
        let Some(ends) = self.ends(connection) else { return };
        if ends.iter().any(|end| end.phase.is_held()) {
            return;
        }
        let [asked, _] = ends;
        let (host, local, peer) = (asked.host, asked.local, asked.peer);
        let Some(mut gone) = self.connections.remove(connection) else { return };
        if gone.names.is_none() {
            self.hosts.disconnect(host, local, peer);
        }
        for end in &mut gone.ends {
            end.out.empty(&mut self.pool);
            end.readers.wake(&mut self.garbage);
            end.writers.wake(&mut self.garbage);
        }
    }

    /// Everybody who waits at this end looks again.
    pub(super) fn wake_both(&mut self, key: EndKey) {
        let Some(connection) = self.connections.get(key.connection) else { return };
        let end = &mut connection.ends[key.side as usize];
        end.readers.wake(&mut self.woken);
        end.writers.wake(&mut self.woken);
    }

    /// What the end is ready for.
    pub(crate) fn readiness(&mut self, key: EndKey) -> Readiness {
        let Some(connection) = self.connections.get(key.connection) else {
            return Readiness {
                readable: true,
                writable: true,
                read_closed: true,
                write_closed: true,
                error: true,
            };
        };
        let [end, other] = pair(&mut connection.ends, key.side);
        let read_closed = other.out.fin == Fin::Arrived || end.dead;
        let write_closed = end.dead || (end.out.fin != Fin::None && other.out.fin == Fin::Arrived);
        Readiness {
            readable: other.out.arrived > 0 || read_closed,
            writable: end.dead
                || end.out.fin != Fin::None
                || (end.phase == Phase::Open && end.out.has_room()),
            read_closed,
            write_closed,
            error: end.error.is_some(),
        }
    }

    /// Somebody waits until the end is readable or writable.
    #[inline]
    pub(crate) fn wait(&mut self, turn: &mut Turn<'_>, key: EndKey, direction: Direction, who: W, how: As) {
        let Some(connection) = self.connections.get(key.connection) else { return };
        let end = &mut connection.ends[key.side as usize];
        let waiters = match direction {
            Direction::Read => &mut end.readers,
            Direction::Write => &mut end.writers,
        };
        self.garbage.extend(waiters.add(who, how));
        if direction == Direction::Write && !end.out.wants_room && end.phase == Phase::Open {
            end.out.wants_room = true;
            self.ask_for_room(turn, key);
        }
    }

    /// The host of these ends has crashed: they are gone, and nobody is told.
    pub(super) fn crash_connections(&mut self, turn: &mut Turn<'_>, host: u32) {
        for connection in self.connections.keys() {
            let Some(Some(gone)) = Some(self.connections.get(connection)) else { continue };
            let mut concerned = false;
            for side in 0..2 {
                let [end, _] = pair(&mut gone.ends, side);
                // A host knows nothing of what has yet to come about there, and that may go on.
                if end.host != host || end.phase == Phase::Nothing {
                    continue;
                }
                concerned = true;
                end.phase = Phase::Nothing;
                end.dead = true;
                end.listener = None;
                let kept = end.out.arrived + end.out.flying;
                end.out.ring.truncate(kept, &mut self.pool);
                end.readers.wake(&mut self.garbage);
                end.writers.wake(&mut self.garbage);
            }
            if concerned {
                for side in 0..2 {
                    self.probe(turn, EndKey { connection, side });
                }
                self.free(connection);
            }
        }
    }
}

/// The end on this side, and the other one.
#[inline]
pub(super) fn pair<T>(ends: &mut [T; 2], side: u8) -> [&mut T; 2] {
    let [zero, one] = ends;
    if side == 0 { [zero, one] } else { [one, zero] }
}
