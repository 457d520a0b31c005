//! Ends a scrape: samples, stale markers and report series go to storage as one batch.
//!
//! # Source
//! `spec/prometheus-core.md` §6, "Report series" and "Staleness".

use std::collections::HashSet;
use std::time::Duration;

use wf_exposition::Format;
use wf_model::{Labels, LabelsBuilder, METRIC_NAME, STALE_NAN};
use wf_series::{Acknowledge, AppendError, AppendOutcome, Rejection, SampleSink, SeriesRef, WriteBatch};

use crate::config::JobSettings;
use crate::error::ScrapeError;
use crate::ingest::{Counts, Ingest, PageMemory};
use crate::metadata::FamilyMetadata;

/// A page as fetched, uncompressed.
#[derive(Debug)]
pub(crate) struct Page<'a> {
    pub(crate) body: &'a [u8],
    pub(crate) format: Format,
}

/// What to know about one scrape besides its page.
pub(crate) struct ScrapeContext<'a> {
    pub(crate) target: &'a Labels,
    pub(crate) settings: &'a JobSettings,
    pub(crate) sink: &'a dyn SampleSink,
    /// Time of the scrape, ms.
    pub(crate) time_ms: i64,
    /// Tells how long the scrape has taken so far.
    pub(crate) elapsed: &'a dyn Fn() -> Duration,
}

/// What became of one scrape.
#[derive(Debug, Default)]
pub(crate) struct ScrapeOutcome {
    /// Why it failed, if it did.
    pub(crate) error: Option<ScrapeError>,
    /// Why new series were refused although the scrape succeeded.
    pub(crate) refusal: Option<AppendError>,
    pub(crate) counts: Counts,
    pub(crate) duration: Duration,
    /// All metadata, if it changed.
    pub(crate) metadata: Option<Vec<FamilyMetadata>>,
    /// Whether failures piled up so that the cache was flushed.
    pub(crate) is_cache_flushed: bool,
}

/// What a target's scrapes leave for the next one.
#[derive(Debug, Default)]
pub(crate) struct TargetMemory {
    memory: PageMemory,
    report: Report,
}

impl TargetMemory {
    /// Stores the result of one scrape: a page, or why there is none.
    pub(crate) fn commit(
        &mut self,
        ctx: &ScrapeContext<'_>,
        page: Result<Page<'_>, ScrapeError>,
    ) -> ScrapeOutcome {
        let memory = &mut self.memory;
        memory.slots.begin();
        memory.metadata.begin();
        memory.batch.clear();
        memory.origins.clear();
        let &ScrapeContext { target, settings, sink, time_ms, .. } = ctx;
        let mut ingest =
            Ingest { memory, target, settings, sink, time_ms, counts: Counts::default(), refusal: None };
        let (body, result) = match page {
            Ok(Page { body, format }) => (body, ingest.run(body, format)),
            Err(error) => (&[][..], Err(error)),
        };
        let n_samples = if result.is_ok() { ingest.memory.batch.len() } else { 0 };
        if result.is_err() {
            ingest.memory.batch.clear();
            ingest.memory.origins.clear();
        }
        push_stale(ingest.memory, time_ms);
        let n_before_report = ingest.memory.batch.len();
        let duration = (ctx.elapsed)();
        let values = report_values(ctx, &result, &ingest.counts, duration, body.len());
        self.report.push(&mut ingest.memory.batch, ctx, &values);
        let appended = sink.append(&ingest.memory.batch, Acknowledge::Queued);
        let error = match appended {
            Ok(outcome) => {
                let unknown = count_rejections(&outcome, n_samples, &mut ingest.counts);
                let forgotten_report = outcome.rejected.iter().any(|(position, rejection)| {
                    *position >= n_before_report && *rejection == Rejection::UnknownSeries
                });
                if forgotten_report {
                    self.report.forget();
                }
                if forgotten_report || !unknown.is_empty() {
                    append_again(
                        &mut ingest,
                        body,
                        &unknown,
                        &mut self.report,
                        ctx,
                        forgotten_report.then_some(&values),
                    )
                } else {
                    result.err()
                }
            }
            Err(error) => Some(result.err().unwrap_or(ScrapeError::Append(error))),
        };
        let (counts, refusal) = (ingest.counts, ingest.refusal);
        self.settle(ScrapeOutcome { error, refusal, counts, duration, ..ScrapeOutcome::default() })
    }

    fn settle(&mut self, mut outcome: ScrapeOutcome) -> ScrapeOutcome {
        if outcome.error.is_some() {
            outcome.is_cache_flushed = self.memory.slots.keep();
        } else {
            self.memory.slots.settle();
            self.memory.metadata.settle();
        }
        outcome.metadata = self.memory.metadata.take_changed();
        outcome
    }

    /// Marks everything stale, the report series too: the target is gone. Storage refuses markers for series that
    /// another target continues; that is as it should be.
    pub(crate) fn commit_removal(&mut self, sink: &dyn SampleSink, time_ms: i64) -> Result<(), AppendError> {
        let memory = &mut self.memory;
        memory.slots.begin();
        memory.batch.clear();
        push_stale(memory, time_ms);
        for series in self.report.known() {
            memory.batch.push(series, time_ms, STALE_NAN);
        }
        sink.append(&memory.batch, Acknowledge::Queued).map(|_| ())
    }
}

/// Adds a stale marker for each series that vanished.
fn push_stale(memory: &mut PageMemory, time_ms: i64) {
    if memory.slots.stale().next().is_none() {
        return;
    }
    // A series may be exposed under two texts, only one of which vanished.
    let present: HashSet<SeriesRef> = memory.batch.refs.iter().copied().collect();
    for series in memory.slots.stale().filter(|series| !present.contains(series)) {
        memory.batch.push(series, time_ms, STALE_NAN);
    }
}

/// Counts what storage did not take of the page's samples; returns the positions whose series it has forgotten.
fn count_rejections(outcome: &AppendOutcome, n_samples: usize, counts: &mut Counts) -> Vec<usize> {
    let mut unknown = Vec::new();
    for (position, rejection) in outcome.rejected.iter().filter(|(position, _)| *position < n_samples) {
        match rejection {
            Rejection::OutOfOrder => counts.n_out_of_order += 1,
            Rejection::Duplicate => counts.n_duplicate += 1,
            Rejection::OutOfBounds | Rejection::TooOld => counts.n_out_of_bounds += 1,
            Rejection::UnknownSeries => unknown.push(*position),
        }
    }
    unknown
}

/// Resolves series that storage has forgotten and appends their samples again.
fn append_again(
    ingest: &mut Ingest<'_>,
    body: &[u8],
    unknown: &[usize],
    report: &mut Report,
    ctx: &ScrapeContext<'_>,
    values: Option<&ReportValues>,
) -> Option<ScrapeError> {
    let mut again = WriteBatch::default();
    for position in unknown {
        let batch = &ingest.memory.batch;
        let sample = batch.times_ms.get(*position).copied().zip(batch.values.get(*position).copied());
        let (Some((time_ms, value)), Some(origin)) = (sample, ingest.memory.origins.get(*position).copied())
        else {
            continue;
        };
        match ingest.resolve_again(body, origin) {
            Some(series) => again.push(series, time_ms, value),
            None => ingest.counts.n_refused += 1,
        }
    }
    let n_samples = again.len();
    if let Some(values) = values {
        report.push(&mut again, ctx, values);
    }
    match ctx.sink.append(&again, Acknowledge::Queued) {
        Ok(outcome) => {
            let still_unknown = count_rejections(&outcome, n_samples, &mut ingest.counts);
            ingest.counts.n_refused += still_unknown.len();
            None
        }
        Err(error) => Some(ScrapeError::Append(error)),
    }
}

/// Names of the report series: those always written, then the extra ones.
const REPORT_NAMES: [&str; 8] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
    "scrape_timeout_seconds",
    "scrape_sample_limit",
    "scrape_body_size_bytes",
];
const N_ALWAYS: usize = 5;

type ReportValues = [f64; REPORT_NAMES.len()];

fn report_values(
    ctx: &ScrapeContext<'_>,
    result: &Result<(), ScrapeError>,
    counts: &Counts,
    duration: Duration,
    body_bytes: usize,
) -> ReportValues {
    let body_bytes = match result {
        Ok(()) => body_bytes as f64,
        Err(ScrapeError::BodyTooLarge { .. }) => -1.0,
        Err(_) => 0.0,
    };
    [
        f64::from(u8::from(result.is_ok())),
        duration.as_secs_f64(),
        counts.n_scraped as f64,
        counts.n_kept as f64,
        counts.n_added as f64,
        ctx.settings.timeout.as_secs_f64(),
        ctx.settings.limits.n_samples_max as f64,
        body_bytes,
    ]
}

/// The report series of one target.
#[derive(Debug, Default)]
struct Report {
    series: [Option<SeriesRef>; REPORT_NAMES.len()],
}

impl Report {
    fn push(&mut self, batch: &mut WriteBatch, ctx: &ScrapeContext<'_>, values: &ReportValues) {
        let n = if ctx.settings.extra_scrape_metrics { REPORT_NAMES.len() } else { N_ALWAYS };
        for ((series, name), value) in self.series.iter_mut().zip(REPORT_NAMES).zip(values).take(n) {
            if series.is_none() {
                let mut labels = LabelsBuilder::from_labels(ctx.target);
                labels.set(METRIC_NAME, name);
                // Refused while memory is at its bound; the next scrape tries again.
                *series = ctx.sink.resolve(&labels.build()).ok();
            }
            if let Some(series) = series {
                batch.push(*series, ctx.time_ms, *value);
            }
        }
    }

    fn forget(&mut self) {
        self.series = Default::default();
    }

    fn known(&self) -> impl Iterator<Item = SeriesRef> + '_ {
        self.series.iter().flatten().copied()
    }
}

#[cfg(test)]
mod tests;
