//! Who holds a connection, and who has to give it up when all are taken and another client knocks.
//!
//! A listener serves a limited number of connections. Clients that make us wait (a head that does not come, a body that
//! trickles, an answer that nobody reads, a kept connection without a request) are the first to go, the one that has been
//! silent longest before the others: a thousand of them cannot keep out one that has a question.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// How long a client that is in the middle of something may make us wait while another has no place.
const SILENCE_MAX: Duration = Duration::from_secs(1);

/// The places of a listener.
#[derive(Debug)]
pub(super) struct Seats {
    free: Arc<Semaphore>,
    taken: Mutex<Vec<Arc<Seat>>>,
    started: Instant,
}

/// One connection: what it waits for, and since when.
#[derive(Debug)]
pub(super) struct Seat {
    /// Requests whose answers are not written yet.
    n_answering: AtomicU32,
    /// Requests whose bodies are not here yet.
    n_receiving: AtomicU32,
    /// The client takes nothing.
    is_write_stalled: AtomicBool,
    /// When it last did something, ms since the listener began.
    last_ms: AtomicU64,
    started: Instant,
    /// Ends the connection.
    pub(super) leave: CancellationToken,
}

/// A seat with the right to it; gives both back when dropped.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) seat: Arc<Seat>,
    seats: Arc<Seats>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.seats.taken.lock().retain(|seat| !Arc::ptr_eq(seat, &self.seat));
    }
}

impl Seats {
    pub(super) fn new(n_seats: usize) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(n_seats.clamp(1, Semaphore::MAX_PERMITS)));
        Arc::new(Self { free, taken: Mutex::default(), started: Instant::now() })
    }

    /// Waits for a place, and makes one if somebody keeps it for nothing.
    /// # Cancel safety
    /// Whoever was sent away stays away; no place is lost.
    pub(super) async fn take(self: &Arc<Self>) -> Option<Taken> {
        loop {
            let free = Arc::clone(&self.free);
            if let Ok(permit) = free.try_acquire_owned() {
                return Some(self.occupied(permit));
            }
            self.send_one_away();
            // Whoever becomes silent meanwhile is looked at again.
            let place = tokio::time::timeout(SILENCE_MAX, Arc::clone(&self.free).acquire_owned());
            if let Ok(permit) = place.await {
                return permit.ok().map(|permit| self.occupied(permit));
            }
        }
    }

    fn occupied(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Taken {
        let seat = Arc::new(Seat {
            n_answering: AtomicU32::new(0),
            n_receiving: AtomicU32::new(0),
            is_write_stalled: AtomicBool::new(false),
            last_ms: AtomicU64::new(0),
            started: self.started,
            leave: CancellationToken::new(),
        });
        seat.touch();
        self.taken.lock().push(Arc::clone(&seat));
        Taken { seat, seats: Arc::clone(self), _permit: permit }
    }

    fn send_one_away(&self) {
        let now_ms = elapsed_ms(self.started);
        let taken = self.taken.lock();
        let silent = taken.iter().filter(|seat| !seat.leave.is_cancelled() && seat.is_silent(now_ms));
        if let Some(seat) = silent.min_by_key(|seat| seat.last_ms.load(Ordering::Relaxed)) {
            tracing::debug!("all connections are taken: the one that was silent longest is closed");
            seat.leave.cancel();
        }
    }
}

fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

impl Seat {
    fn touch(&self) {
        self.last_ms.store(elapsed_ms(self.started), Ordering::Relaxed);
    }

    /// Notes whether the client takes what we write.
    pub(super) fn note_write(&self, is_stalled: bool) {
        // Only changes are noted: writing is the hot path.
        if self.is_write_stalled.load(Ordering::Relaxed) != is_stalled {
            self.is_write_stalled.store(is_stalled, Ordering::Relaxed);
            self.touch();
        }
    }

    /// Whether we wait for the client, and not it for us.
    fn is_silent(&self, now_ms: u64) -> bool {
        let makes_us_wait =
            self.n_receiving.load(Ordering::Relaxed) > 0 || self.is_write_stalled.load(Ordering::Relaxed);
        let silence_ms = now_ms.saturating_sub(self.last_ms.load(Ordering::Relaxed));
        let is_late = u128::from(silence_ms) >= SILENCE_MAX.as_millis();
        self.n_answering.load(Ordering::Relaxed) == 0 || (makes_us_wait && is_late)
    }

    /// Notes a request until its answer is written or given up.
    pub(super) fn begin(self: &Arc<Self>) -> Answering {
        self.touch();
        self.n_answering.fetch_add(1, Ordering::Relaxed);
        Answering(Arc::clone(self))
    }

    /// Watches the body of a request come in.
    pub(super) fn receive<B: HttpBody>(self: &Arc<Self>, body: B) -> Received<B> {
        let is_pending = !body.is_end_stream();
        if is_pending {
            self.n_receiving.fetch_add(1, Ordering::Relaxed);
        }
        Received { body, seat: is_pending.then(|| Arc::clone(self)) }
    }
}

/// A request being answered.
#[derive(Debug)]
pub(super) struct Answering(Arc<Seat>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.n_answering.fetch_sub(1, Ordering::Relaxed);
        self.0.touch();
    }
}

/// A request body; the seat is there until it has ended.
#[derive(Debug)]
pub(super) struct Received<B> {
    body: B,
    seat: Option<Arc<Seat>>,
}

impl<B> Received<B> {
    fn end(&mut self) {
        if let Some(seat) = self.seat.take() {
            seat.n_receiving.fetch_sub(1, Ordering::Relaxed);
            seat.touch();
        }
    }
}

impl<B> Drop for Received<B> {
    fn drop(&mut self) {
        self.end();
    }
}

impl<B: HttpBody + Unpin> HttpBody for Received<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) || (polled.is_ready() && self.body.is_end_stream()) {
            self.end();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body; the request counts as being answered until it is dropped.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) body: Body,
    pub(super) _answering: Answering,
}

impl HttpBody for Answered {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_was_silent_longest_makes_room() {
        let seats = Seats::new(2);
        let first = seats.take().await.unwrap();
        let second = seats.take().await.unwrap();
        first.seat.last_ms.store(5, Ordering::Relaxed);
        second.seat.last_ms.store(3, Ordering::Relaxed);
        let leave = second.seat.leave.clone();
        tokio::spawn(async move {
            leave.cancelled().await;
            drop(second);
        });
        let third = seats.take().await.unwrap();
        assert!(!first.seat.leave.is_cancelled() && !third.seat.leave.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_us_stays() {
        let seats = Seats::new(1);
        let only = seats.take().await.unwrap();
        let answering = only.seat.begin();
        let next = tokio::time::timeout(Duration::from_secs(60), seats.take()).await;
        assert!(next.is_err() && !only.seat.leave.is_cancelled());
        drop(answering);
        drop(only);
        assert!(seats.take().await.is_some());
    }

    #[test]
    fn a_trickling_body_and_an_unread_answer_are_silence_after_a_while() {
        let seats = Seats::new(1);
        let permit = Arc::clone(&seats.free).try_acquire_owned().unwrap();
        let taken = seats.occupied(permit);
        let seat = &taken.seat;
        assert!(seat.is_silent(0), "no request has come");
        let _answering = seat.begin();
        assert!(!seat.is_silent(u64::MAX));
        let body = seat.receive(Body::from("x"));
        assert!(seat.is_silent(u64::MAX) && !seat.is_silent(seat.last_ms.load(Ordering::Relaxed)));
        drop(body);
        assert!(!seat.is_silent(u64::MAX));
        seat.note_write(true);
        assert!(seat.is_silent(u64::MAX));
        seat.note_write(false);
        assert!(!seat.is_silent(u64::MAX));
        assert!(!seat.receive(Body::empty()).is_end_stream() || !seat.is_silent(u64::MAX));
    }
}
