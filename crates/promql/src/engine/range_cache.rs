//! Results of range queries by what was asked: a dashboard that refreshes computes only the steps that are new.
//!
//! ```text
//! asked     |--------------------------|
//! kept  |-----------------------|            steps that can no longer change
//! answer    |<-- from here ---->|<-new->|
//! ```
//! Only what is settled is kept: the caller says until when. Whoever changes the past (deletes, late samples, imported
//! blocks) says which times, and results that looked at them are forgotten.
//!
//! # Invariants
//! - A kept result is one that the same query would give again: no remarks, nothing pinned to the span of the query.
//! - Bytes are bounded, in all and per entry; what was not used longest goes first.
//! # Source: `spec/performance-design.md` §9.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use wf_model::{Labels, TimeRange};

use super::result::RangeSeries;
use super::{PreparedQuery, RangeSpan};
use crate::ast::{AggregateOp, DurationSpec, Expr, ExprKind, VectorSelector};
use crate::functions::FunctionId;

/// An entry may take this part of all bytes.
const ENTRY_SHARE: usize = 4;
/// Time and value.
const SAMPLE_BYTES: usize = 16;

/// What makes two range queries ask for the same steps.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    query: String,
    step_ms: i64,
    /// Start of the steps modulo their distance.
    phase_ms: i64,
    lookback_ms: i64,
}

/// Results of range queries, shared between threads.
#[derive(Debug)]
pub struct RangeCache {
    inner: Mutex<Inner>,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<Key, Entry, RandomState>,
    stats: CacheStats,
    now: u64,
    /// Counts invalidations: what was computed across one is not kept.
    generation: u64,
}

#[derive(Debug)]
struct Entry {
    /// First and last step.
    start_ms: i64,
    end_ms: i64,
    /// How far before a step samples are looked at; `None` when that is not bounded.
    reach_ms: i64,
    series: Vec<RangeSeries>,
    bytes: usize,
    used: u64,
}

/// What a cache holds and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Queries answered in part from the cache.
    pub hits: u64,
    /// Cacheable queries of which nothing was there.
    pub misses: u64,
    /// Entries forgotten because they were too large or not used.
    pub evictions: u64,
    /// Bytes held.
    pub bytes: usize,
}

/// Steps that were found, and what is needed to keep the rest.
pub(crate) struct Found {
    pub(crate) series: Vec<RangeSeries>,
    /// Last step found; `None` when nothing was.
    pub(crate) until_ms: Option<i64>,
    generation: u64,
}

impl RangeCache {
    /// Builds a cache of at most `bytes_max` bytes; an entry may take a quarter of that.
    pub fn new(bytes_max: usize) -> Self {
        Self { inner: Mutex::default(), bytes_max }
    }

    /// Returns a number of samples that no entry can hold.
    pub(crate) fn entry_samples_max(&self) -> u64 {
        (self.bytes_max / ENTRY_SHARE / SAMPLE_BYTES) as u64
    }

    /// Forgets results that looked at samples inside `range`: they were deleted, or came late.
    pub fn invalidate(&self, range: TimeRange) {
        let mut inner = self.inner();
        inner.generation += 1;
        inner.entries.retain(|_, entry| {
            entry.end_ms < range.start_ms || entry.start_ms.saturating_sub(entry.reach_ms) > range.end_ms
        });
        inner.count_bytes();
    }

    /// Forgets everything: the configuration or the set of blocks changed.
    pub fn clear(&self) {
        self.invalidate(TimeRange { start_ms: i64::MIN, end_ms: i64::MAX });
    }

    /// Returns what the cache holds and did.
    pub fn stats(&self) -> CacheStats {
        self.inner().stats
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the first steps of `span`, as many as are known.
    pub(crate) fn find(&self, key: &Key, span: RangeSpan) -> Found {
        let mut inner = self.inner();
        inner.now += 1;
        let (now, generation) = (inner.now, inner.generation);
        let known = inner
            .entries
            .get_mut(key)
            .filter(|entry| (entry.start_ms..=entry.end_ms).contains(&span.start_ms));
        let Some(entry) = known else {
            inner.stats.misses += 1;
            return Found { series: Vec::new(), until_ms: None, generation };
        };
        entry.used = now;
        let until_ms = entry.end_ms.min(last_step(span));
        let cut = entry.series.iter().map(|series| cut(series, span.start_ms, until_ms));
        let series = cut.filter(|series| !is_empty(series)).collect();
        inner.stats.hits += 1;
        Found { series, until_ms: Some(until_ms), generation }
    }

    /// Keeps the steps of a result up to `settled_ms`.
    pub(crate) fn keep(
        &self,
        key: Key,
        span: RangeSpan,
        settled_ms: i64,
        found: &Found,
        series: &[RangeSeries],
        reach_ms: i64,
    ) {
        let end_ms = last_step(RangeSpan { end_ms: span.end_ms.min(settled_ms), ..span });
        if end_ms < span.start_ms {
            return;
        }
        let cut = series.iter().map(|series| cut(series, span.start_ms, end_ms));
        let series: Vec<RangeSeries> = cut.filter(|series| !is_empty(series)).collect();
        let bytes = key.query.len() + series.iter().map(bytes_of).sum::<usize>();
        let mut inner = self.inner();
        let is_known = |entry: &Entry| entry.start_ms <= span.start_ms && end_ms <= entry.end_ms;
        let is_too_large = bytes > self.bytes_max / ENTRY_SHARE;
        if inner.generation != found.generation
            || is_too_large
            || inner.entries.get(&key).is_some_and(is_known)
        {
            return;
        }
        let used = inner.now;
        inner.entries.insert(key, Entry { start_ms: span.start_ms, end_ms, reach_ms, series, bytes, used });
        inner.count_bytes();
        while inner.stats.bytes > self.bytes_max {
            let oldest = inner.entries.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| key.clone());
            let Some(oldest) = oldest else { break };
            inner.entries.remove(&oldest);
            inner.stats.evictions += 1;
            inner.count_bytes();
        }
    }
}

impl Inner {
    fn count_bytes(&mut self) {
        self.stats.bytes = self.entries.values().map(|entry| entry.bytes).sum();
    }
}

/// Returns the last step of a span.
fn last_step(span: RangeSpan) -> i64 {
    span.end_ms.saturating_sub(span.end_ms.saturating_sub(span.start_ms).rem_euclid(span.step_ms.max(1)))
}

fn is_empty(series: &RangeSeries) -> bool {
    series.times_ms.is_empty() && series.histograms.is_empty()
}

/// Returns the part of a series between two times, both included.
fn cut(series: &RangeSeries, start_ms: i64, end_ms: i64) -> RangeSeries {
    let from = series.times_ms.partition_point(|time| *time < start_ms);
    let to = series.times_ms.partition_point(|time| *time <= end_ms).max(from);
    let histograms = series.histograms.iter().filter(|(time, _)| (start_ms..=end_ms).contains(time));
    RangeSeries {
        labels: series.labels.clone(),
        times_ms: series.times_ms[from..to].to_vec(),
        values: series.values[from..to].to_vec(),
        histograms: histograms.cloned().collect(),
    }
}

fn bytes_of(series: &RangeSeries) -> usize {
    let labels: usize = series.labels.iter().map(|(name, value)| name.len() + value.len() + 16).sum();
    labels + SAMPLE_BYTES * series.times_ms.len() + 512 * series.histograms.len() + 96
}

/// Joins the steps that were known and those that were computed, ordered by labels.
pub(crate) fn join(known: Vec<RangeSeries>, computed: Vec<RangeSeries>) -> Vec<RangeSeries> {
    let mut joined: BTreeMap<Labels, RangeSeries> =
        known.into_iter().map(|series| (series.labels.clone(), series)).collect();
    for later in computed {
        match joined.get_mut(&later.labels) {
            Some(series) => {
                series.times_ms.extend(later.times_ms);
                series.values.extend(later.values);
                series.histograms.extend(later.histograms);
            }
            None => {
                joined.insert(later.labels.clone(), later);
            }
        }
    }
    joined.into_values().collect()
}

/// Returns the key of a query and how far it looks back; `None` if its steps are not its own: something in it depends
/// on the span as a whole, looks ahead, or picks series as they come.
pub(crate) fn key(query: &PreparedQuery, span: RangeSpan, lookback_ms: i64) -> Option<(Key, i64)> {
    let reach_ms = reach(&query.expr, lookback_ms)?;
    let key = Key {
        query: query.expr.to_string(),
        step_ms: span.step_ms,
        phase_ms: span.start_ms.rem_euclid(span.step_ms.max(1)),
        lookback_ms,
    };
    Some((key, reach_ms))
}

/// Returns how far before a step the expression looks.
fn reach(expr: &Expr, lookback_ms: i64) -> Option<i64> {
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) => Some(0),
        ExprKind::Selector(selector) => Some(lookback_ms.saturating_add(offset(selector)?)),
        ExprKind::Range(range) => {
            let window = range.range.fixed_ms()?.saturating_add(lookback_ms);
            Some(window.saturating_add(offset(&range.selector)?))
        }
        ExprKind::Subquery(subquery) if subquery.at.is_none() => {
            if subquery.step.as_ref().is_some_and(|step| step.fixed_ms().is_none()) {
                return None;
            }
            let window = subquery.range.fixed_ms()?.saturating_add(past(&subquery.offset)?);
            Some(window.saturating_add(reach(&subquery.expr, lookback_ms)?))
        }
        ExprKind::Subquery(_) => None,
        ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => reach(inner, lookback_ms),
        ExprKind::Binary(binary) => reach_of_all([&binary.lhs, &binary.rhs], lookback_ms),
        ExprKind::Aggregate(aggregate) => match aggregate.op {
            AggregateOp::Limitk | AggregateOp::LimitRatio => None,
            _ => reach_of_all(std::iter::once(&aggregate.expr).chain(&aggregate.param), lookback_ms),
        },
        ExprKind::Call(call) => match call.function.id {
            FunctionId::Start | FunctionId::End | FunctionId::Step | FunctionId::Range | FunctionId::Info => {
                None
            }
            _ => reach_of_all(&call.args, lookback_ms),
        },
    }
}

fn reach_of_all<'a>(parts: impl IntoIterator<Item = &'a Expr>, lookback_ms: i64) -> Option<i64> {
    parts.into_iter().try_fold(0, |most, part| Some(reach(part, lookback_ms)?.max(most)))
}

/// Returns how far back an unpinned selector is shifted.
fn offset(selector: &VectorSelector) -> Option<i64> {
    let looks_ahead = selector.mode == crate::ast::RangeMode::Smoothed;
    if selector.at.is_some() || looks_ahead { None } else { past(&selector.offset) }
}

fn past(offset: &DurationSpec) -> Option<i64> {
    offset.fixed_ms().filter(|ms| *ms >= 0)
}

#[cfg(test)]
mod tests;
