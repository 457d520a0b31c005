//! Many series on several threads: computed in morsels, consumed in order.
//!
//! ```text
//! workers:  morsel 0 | morsel 1 | morsel 2 …   each its own scratch space, at most a window ahead
//! caller:   series 0, 1, 2, …                  exactly as if it had computed them itself
//! ```
//! # Invariants
//! - Whoever consumes sees the same columns, remarks and errors in the same order, however many threads there are.
//! - Threads are borrowed from what the engine may use; without any the caller computes by itself.
//! - A morsel is bounded in bytes, and so is the number of morsels that wait to be consumed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::column::Column;
use super::context::{Cx, Tally};
use super::error::QueryError;
use super::operator::VectorOp;
use super::remarks::Remarks;

/// Most series of a morsel.
const MORSEL_SERIES: usize = 512;

/// Most values of a morsel: 256 KiB of floats. Two threads compute some five of them ahead of a consumer, which is all that
/// a long answer holds besides what it writes.
const MORSEL_VALUES: usize = 32 * 1024;

/// Series that are computed first, by the caller, to see what the rest will cost.
const PROBED: usize = 16;

/// Values and samples below which starting threads costs more than it saves: a few milliseconds of work.
const WORTH_THREADS: u64 = 400_000;

/// Threads that all queries of an engine share.
#[derive(Debug)]
pub(crate) struct Permits {
    free: AtomicUsize,
}

impl Permits {
    pub(crate) fn new(n_threads: usize) -> Self {
        Self { free: AtomicUsize::new(n_threads) }
    }

    /// Takes up to `wanted` threads, perhaps none.
    fn take(&self, wanted: usize) -> Taken<'_> {
        let mut n = 0;
        let _ = self.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| {
            n = free.min(wanted);
            Some(free - n)
        });
        Taken { permits: self, n }
    }
}

struct Taken<'a> {
    permits: &'a Permits,
    n: usize,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.permits.free.fetch_add(self.n, Ordering::Relaxed);
    }
}

/// Computes every series of `op` and hands each to `consume`, in order.
/// # Errors
/// The first error of computing or consuming, in the order of the series.
pub(crate) fn for_each_series(
    op: &dyn VectorOp,
    cx: &mut Cx<'_>,
    mut consume: impl FnMut(usize, &mut Column, &mut Cx<'_>) -> Result<(), QueryError>,
) -> Result<(), QueryError> {
    let mut column = cx.take_column();
    let n_probed = op.len().min(PROBED);
    let before = cx.work.samples_decoded;
    for idx in 0..n_probed {
        cx.check()?;
        op.read(idx, &mut column, cx)?;
        consume(idx, &mut column, cx)?;
    }
    let n_rest = op.len() - n_probed;
    let n_values = column.n_steps().max(1);
    let per_series = (cx.work.samples_decoded - before) / n_probed.max(1) as u64 + n_values as u64;
    let permits = Arc::clone(&cx.env.permits);
    let is_worth = n_rest as u64 * per_series >= WORTH_THREADS;
    let threads = if is_worth && cx.may_fork() { permits.take(n_rest / 2) } else { permits.take(0) };
    if threads.n >= 2 {
        let size = (MORSEL_VALUES / n_values).clamp(1, MORSEL_SERIES).min(n_rest.div_ceil(2 * threads.n));
        let plan = Morsels { first: n_probed, n_series: op.len(), size, n_ahead: 2 * threads.n + 1 };
        plan.run(op, threads.n, cx, &mut consume)?;
    } else {
        for idx in n_probed..op.len() {
            cx.check()?;
            op.read(idx, &mut column, cx)?;
            consume(idx, &mut column, cx)?;
        }
    }
    cx.give_column(column);
    Ok(())
}

/// How the series are cut up.
#[derive(Clone, Copy, Debug)]
struct Morsels {
    first: usize,
    n_series: usize,
    size: usize,
    /// How many morsels may be under way or wait to be consumed.
    n_ahead: usize,
}

/// Some series, computed.
#[derive(Default)]
struct Morsel {
    columns: Vec<Column>,
    /// How many of `columns` are filled.
    n_filled: usize,
    /// What was remarked on a series, by its place in the morsel.
    remarks: Vec<(usize, Remarks)>,
    /// Why the series after the filled ones are missing.
    error: Option<QueryError>,
}

#[derive(Default)]
struct Board {
    next: usize,
    n_consumed: usize,
    done: BTreeMap<usize, Morsel>,
    /// Consumed morsels, for their buffers.
    spare: Vec<Morsel>,
    is_over: bool,
}

#[derive(Default)]
struct Exchange {
    board: Mutex<Board>,
    is_done: Condvar,
    has_room: Condvar,
}

impl Exchange {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the work of all threads.
    fn end(&self) {
        self.board().is_over = true;
        self.has_room.notify_all();
        self.is_done.notify_all();
    }
}

/// Ends the work of all when one of them ends early, by a panic too: nobody waits for what never comes.
struct EndOnDrop<'a>(&'a Exchange);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Morsels {
    fn n_morsels(&self) -> usize {
        (self.n_series - self.first).div_ceil(self.size)
    }

    fn run(
        &self,
        op: &dyn VectorOp,
        n_threads: usize,
        cx: &mut Cx<'_>,
        consume: &mut impl FnMut(usize, &mut Column, &mut Cx<'_>) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        let exchange = Exchange::default();
        std::thread::scope(|scope| {
            let mut workers = Vec::with_capacity(n_threads);
            for _ in 0..n_threads {
                let mut own = cx.fork();
                let (exchange, plan) = (&exchange, *self);
                workers.push(scope.spawn(move || {
                    own.env.on_thread_start.call();
                    plan.work(op, exchange, &mut own);
                    own.into_tally()
                }));
            }
            let consumed = {
                let _end = EndOnDrop(&exchange);
                self.consume_all(&exchange, cx, consume)
            };
            for worker in workers {
                match worker.join() {
                    Ok(tally) => cx.absorb(&tally),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            consumed
        })
    }

    fn consume_all(
        &self,
        exchange: &Exchange,
        cx: &mut Cx<'_>,
        consume: &mut impl FnMut(usize, &mut Column, &mut Cx<'_>) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        for idx in 0..self.n_morsels() {
            let mut board = exchange.board();
            let mut morsel = loop {
                match board.done.remove(&idx) {
                    Some(morsel) => break morsel,
                    // A worker panicked; joining it passes that on.
                    None if board.is_over => return Ok(()),
                    None => board = exchange.is_done.wait(board).unwrap_or_else(PoisonError::into_inner),
                }
            };
            drop(board);
            let mut remarks = morsel.remarks.drain(..).peekable();
            for (place, column) in morsel.columns.iter_mut().take(morsel.n_filled).enumerate() {
                while let Some((_, remarks)) = remarks.next_if(|(at, _)| *at <= place) {
                    cx.remarks.absorb(remarks);
                }
                consume(self.first + idx * self.size + place, column, cx)?;
            }
            remarks.for_each(|(_, remarks)| cx.remarks.absorb(remarks));
            if let Some(error) = morsel.error.take() {
                return Err(error);
            }
            let mut board = exchange.board();
            board.n_consumed = idx + 1;
            board.spare.push(morsel);
            drop(board);
            exchange.has_room.notify_all();
        }
        Ok(())
    }

    fn work(&self, op: &dyn VectorOp, exchange: &Exchange, cx: &mut Cx<'_>) {
        let end = EndOnDrop(exchange);
        loop {
            let mut board = exchange.board();
            while !board.is_over
                && board.next < self.n_morsels()
                && board.next >= board.n_consumed + self.n_ahead
            {
                board = exchange.has_room.wait(board).unwrap_or_else(PoisonError::into_inner);
            }
            if board.is_over || board.next >= self.n_morsels() {
                break;
            }
            let idx = board.next;
            board.next += 1;
            let mut morsel = board.spare.pop().unwrap_or_default();
            drop(board);
            let first = self.first + idx * self.size;
            morsel.fill(op, first..(first + self.size).min(self.n_series), cx);
            exchange.board().done.insert(idx, morsel);
            exchange.is_done.notify_all();
        }
        // Done in good order: the others go on.
        std::mem::forget(end);
    }
}

impl Morsel {
    fn fill(&mut self, op: &dyn VectorOp, series: std::ops::Range<usize>, cx: &mut Cx<'_>) {
        self.n_filled = 0;
        for (place, idx) in series.enumerate() {
            if self.columns.len() <= place {
                self.columns.push(Column::default());
            }
            let outcome = cx.check().and_then(|()| op.read(idx, &mut self.columns[place], cx));
            if !cx.remarks.is_empty() {
                self.remarks.push((place, std::mem::take(&mut cx.remarks)));
            }
            if let Err(error) = outcome {
                self.error = Some(error);
                return;
            }
            self.n_filled = place + 1;
        }
    }
}

impl<'q> Cx<'q> {
    /// Returns a context for another thread of the same query: same budget, own scratch space and counts.
    fn fork(&self) -> Cx<'q> {
        let mut own = Cx::new(self.env, self.counter.fork());
        own.share_budget(self);
        own.trace = self.trace.fork();
        own
    }

    /// Adds what another thread counted.
    fn absorb(&mut self, tally: &Tally) {
        self.counter.absorb(&tally.counter);
        self.work.absorb(&tally.work);
        self.trace.absorb(&tally.trace);
    }
}

#[cfg(test)]
mod tests {
    use wf_model::Labels;
    use wf_series::SampleColumns;
    use wf_series::memory::MemoryStorage;

    use super::*;
    use crate::engine::{CancelFlag, Engine, EngineOptions, QueryOptions, RangeSpan, ThreadHook};

    /// 1,500 series of a minute's resolution over 100 minutes.
    fn storage() -> MemoryStorage {
        let storage = MemoryStorage::new();
        for series in 0..1500_u32 {
            let mut samples = SampleColumns::default();
            for minute in 0..100 {
                samples.push(minute * 60_000, (f64::from(series) * 0.1 + minute as f64).sin() * 1e3);
            }
            let (pod, node) = (series.to_string(), (series % 7).to_string());
            storage
                .insert(Labels::from_pairs([("__name__", "m"), ("node", &*node), ("pod", &*pod)]), samples);
        }
        storage
    }

    const SPAN: RangeSpan = RangeSpan { start_ms: 0, end_ms: 6_000_000, step_ms: 20_000 };

    #[test]
    fn answers_and_remarks_do_not_depend_on_threads() {
        let storage = storage();
        let started = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&started);
        let on_thread_start = ThreadHook::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let answer = |query: &str, threads: usize| {
            let on_thread_start = on_thread_start.clone();
            let engine = Engine::new(EngineOptions { threads, on_thread_start, ..EngineOptions::default() });
            let result = engine.range(&storage, query, SPAN, &QueryOptions::default()).unwrap();
            let samples = (result.stats.samples.total_queryable, result.stats.samples.read);
            (format!("{:?} {:?}", result.value, result.annotations), samples, result.stats.work)
        };
        for query in [
            "sum by (node) (rate(m[5m]))",
            "avg(m)",
            "topk by (node) (2, m)",
            "quantile by (node) (0.3, m)",
            "m > 999 and on (node) m < -999",
            "max(avg_over_time(m[7m:13s]))",
        ] {
            let alone = answer(query, 1);
            assert_eq!(started.swap(0, Ordering::Relaxed), 0, "{query}: one thread is the caller's");
            assert_eq!(answer(query, 3), alone, "{query}");
            assert!(started.swap(0, Ordering::Relaxed) >= 3, "{query} ran on threads");
        }
    }

    #[test]
    fn a_query_on_threads_can_be_cancelled() {
        let cancel = CancelFlag::default();
        let flag = cancel.clone();
        let on_thread_start = ThreadHook::new(move || flag.cancel());
        let engine = Engine::new(EngineOptions { threads: 2, on_thread_start, ..EngineOptions::default() });
        let options = QueryOptions { cancel, ..QueryOptions::default() };
        let error = engine.range(&storage(), "sum(rate(m[5m]))", SPAN, &options).unwrap_err();
        assert!(matches!(error, QueryError::Canceled(_)), "{error}");
    }

    #[test]
    fn permits_are_never_more_than_there_are_and_come_back() {
        let permits = Permits::new(3);
        let first = permits.take(2);
        let second = permits.take(2);
        assert_eq!((first.n, second.n, permits.take(2).n), (2, 1, 0));
        drop(first);
        assert_eq!(permits.take(9).n, 2);
    }
}
