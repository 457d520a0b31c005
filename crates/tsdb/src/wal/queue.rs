//! Between appenders and the writer thread: two buffers, one being filled, one being written.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::{CommitPolicy, CommitSeq, WalError, WalStats};

/// Records that are written together, each after its length (u32, native).
#[derive(Debug, Default)]
pub(super) struct Group {
    bytes: Vec<u8>,
    /// Sequence of the newest call inside.
    pub(super) last_seq: CommitSeq,
}

impl Group {
    /// Returns the record that starts at `at` and where the next one starts.
    pub(super) fn record_at(&self, at: usize) -> Option<(&[u8], usize)> {
        let (len, rest) = self.bytes.get(at..)?.split_first_chunk::<4>()?;
        let len = u32::from_ne_bytes(*len) as usize;
        Some((rest.get(..len)?, at + 4 + len))
    }

    fn push(&mut self, record: &[u8]) {
        // Records are shorter than a segment, of which no size beyond 4 GiB is accepted.
        let len = u32::try_from(record.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&len.to_ne_bytes());
        self.bytes.extend_from_slice(record);
    }
}

/// What the writer shall do next.
#[derive(Debug)]
pub(super) struct Work {
    /// Cut the segment after the group.
    pub(super) cut: bool,
    /// Stop after the group.
    pub(super) close: bool,
}

#[derive(Debug, Default)]
struct State {
    pending: Group,
    next_seq: CommitSeq,
    /// When the oldest pending record was queued.
    pending_since: Option<Instant>,
    /// Someone waits for what is pending.
    is_urgent: bool,
    /// The writer looks again by itself, soon enough for what is queued meanwhile.
    is_lingering: bool,
    cuts_wanted: u64,
    cuts_done: u64,
    is_closing: bool,
    is_closed: bool,
    stats: WalStats,
}

pub(super) struct Queue {
    state: Mutex<State>,
    /// Signals the writer: something to do.
    work: Condvar,
    /// Signals appenders: room, written, failed or closed.
    progress: Condvar,
    written: AtomicU64,
    notify: OnceLock<Box<dyn Fn(CommitSeq) + Send + Sync>>,
    bytes_max: usize,
    commit: CommitPolicy,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue")
            .field("state", &self.state)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

/// The side of those who log.
impl Queue {
    pub(super) fn new(bytes_max: usize, commit: CommitPolicy) -> Self {
        Self {
            state: Mutex::default(),
            work: Condvar::new(),
            progress: Condvar::new(),
            written: AtomicU64::new(0),
            notify: OnceLock::new(),
            bytes_max,
            commit,
        }
    }

    /// Queues the records of one call; waits while the queue is full.
    pub(super) fn push(&self, records: &[&[u8]], is_urgent: bool) -> Result<CommitSeq, WalError> {
        let n_bytes: usize = records.iter().map(|record| record.len() + 4).sum();
        let mut state = self.state.lock();
        loop {
            if state.is_closing {
                return Err(WalError::Closed);
            }
            if let Some(message) = &state.stats.error {
                return Err(WalError::Refused { message: message.clone() });
            }
            // A call larger than the whole queue goes through alone.
            let filled = state.pending.bytes.len();
            if filled == 0 || filled + n_bytes <= self.bytes_max {
                break;
            }
            state.is_urgent = true;
            self.work.notify_one();
            self.progress.wait(&mut state);
        }
        for record in records {
            state.pending.push(record);
        }
        state.next_seq += 1;
        state.pending.last_seq = state.next_seq;
        let is_first = state.pending_since.is_none();
        state.pending_since.get_or_insert_with(Instant::now);
        state.is_urgent |= is_urgent || state.pending.bytes.len() >= self.bytes_max;
        if (is_first && !state.is_lingering) || state.is_urgent {
            self.work.notify_one();
        }
        Ok(state.next_seq)
    }

    pub(super) fn written_up_to(&self) -> CommitSeq {
        self.written.load(Ordering::Acquire)
    }

    pub(super) fn wait_written(&self, seq: CommitSeq) -> Result<(), WalError> {
        // What others queue meanwhile is not waited for.
        let seq = seq.min(self.state.lock().next_seq);
        self.wait(|_| self.written_up_to() >= seq, seq, |state| state.is_urgent = true)
    }

    pub(super) fn cut_segment(&self) -> Result<u64, WalError> {
        let ticket = {
            let mut state = self.state.lock();
            state.cuts_wanted += 1;
            state.cuts_wanted
        };
        self.wait(|state| state.cuts_done >= ticket, 0, |_| ())?;
        Ok(self.stats().segment)
    }

    /// Waits until `is_done`; fails as soon as an attempt to write fails.
    fn wait(
        &self,
        is_done: impl Fn(&State) -> bool,
        seq: CommitSeq,
        prepare: impl FnOnce(&mut State),
    ) -> Result<(), WalError> {
        let mut state = self.state.lock();
        if !is_done(&state) {
            prepare(&mut state);
            self.work.notify_one();
        }
        loop {
            if is_done(&state) {
                return Ok(());
            }
            if let Some(message) = &state.stats.error {
                return Err(WalError::Unwritten { seq, message: message.clone() });
            }
            if state.is_closed {
                return Err(WalError::Closed);
            }
            self.progress.wait(&mut state);
        }
    }

    pub(super) fn on_written(&self, notify: Box<dyn Fn(CommitSeq) + Send + Sync>) {
        let _ = self.notify.set(notify);
    }

    pub(super) fn stats(&self) -> WalStats {
        self.state.lock().stats.clone()
    }

    pub(super) fn update_stats(&self, update: impl FnOnce(&mut WalStats)) {
        update(&mut self.state.lock().stats);
    }

    pub(super) fn begin_close(&self) {
        self.state.lock().is_closing = true;
        self.work.notify_one();
        self.progress.notify_all();
    }

    pub(super) fn close_result(&self) -> Result<(), WalError> {
        let state = self.state.lock();
        match &state.stats.error {
            Some(message) => Err(WalError::Unwritten { seq: state.next_seq, message: message.clone() }),
            None => Ok(()),
        }
    }
}

/// The side of the writer thread.
impl Queue {
    /// Waits for something to do, at most until `wake_at`, and swaps the pending records into `group`, which must have
    /// been written completely.
    ///
    /// Where batch follows batch the writer is not woken by the first of each group: it looks again by itself.
    pub(super) fn take(&self, group: &mut Group, wake_at: Option<Instant>) -> Work {
        let mut linger_until = match self.commit {
            CommitPolicy::Group(delay) if !group.bytes.is_empty() => Some(Instant::now() + delay),
            _ => None,
        };
        let mut state = self.state.lock();
        loop {
            let is_wanted = state.is_urgent || state.is_closing || state.cuts_wanted > state.cuts_done;
            let due = match (self.commit, state.pending_since) {
                (CommitPolicy::Group(delay), Some(since)) => Some(linger_until.unwrap_or(since + delay)),
                (CommitPolicy::Each, Some(since)) => Some(since),
                (_, None) => None,
            };
            let now = Instant::now();
            if is_wanted || due.into_iter().chain(wake_at).any(|at| at <= now) {
                return self.swap(&mut state, group);
            }
            linger_until = linger_until.filter(|at| *at > now);
            state.is_lingering = linger_until.is_some();
            match due.into_iter().chain(wake_at).chain(linger_until).min() {
                Some(at) => {
                    self.work.wait_until(&mut state, at);
                }
                None => self.work.wait(&mut state),
            }
        }
    }

    fn swap(&self, state: &mut MutexGuard<'_, State>, group: &mut Group) -> Work {
        group.bytes.clear();
        // One huge call must not pin its memory for good.
        group.bytes.shrink_to(2 * self.bytes_max);
        group.last_seq = state.pending.last_seq;
        std::mem::swap(&mut state.pending, group);
        state.pending_since = None;
        state.is_urgent = false;
        // While it writes, what is queued waits for its next look.
        state.is_lingering = true;
        // Appenders may fill the other buffer meanwhile.
        self.progress.notify_all();
        Work { cut: state.cuts_wanted > state.cuts_done, close: state.is_closing }
    }

    /// Publishes that everything up to `seq` was written.
    pub(super) fn publish(&self, seq: CommitSeq, did_cut: bool, update: impl FnOnce(&mut WalStats)) {
        let mut state = self.state.lock();
        update(&mut state.stats);
        state.stats.error = None;
        if did_cut {
            state.cuts_done = state.cuts_wanted;
        }
        let before = self.written.fetch_max(seq, Ordering::AcqRel);
        self.progress.notify_all();
        drop(state);
        // A sync or a cut that nothing was queued before is no news.
        if let Some(notify) = self.notify.get().filter(|_| before < seq) {
            notify(seq);
        }
    }

    /// Publishes that an attempt failed, then waits `delay` or until closing. Returns whether the log is closing.
    pub(super) fn fail(&self, message: String, delay: Duration, update: impl FnOnce(&mut WalStats)) -> bool {
        let mut state = self.state.lock();
        update(&mut state.stats);
        state.stats.error = Some(message);
        self.progress.notify_all();
        let until = Instant::now() + delay;
        while !state.is_closing {
            if self.work.wait_until(&mut state, until).timed_out() {
                return false;
            }
        }
        true
    }

    /// Publishes that the thread is gone; `error` replaces what is known.
    pub(super) fn closed(&self, error: Option<String>) {
        let mut state = self.state.lock();
        state.is_closed = true;
        state.is_closing = true;
        if error.is_some() {
            state.stats.error = error;
        }
        self.progress.notify_all();
    }
}
