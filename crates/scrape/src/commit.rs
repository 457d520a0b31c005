//! Ends a scrape: samples, stale markers and report series go to storage as one batch.
//!
//! # Source
//! `spec/prometheus-core.md` §6, "Report series" and "Staleness".

use std::collections::HashSet;
use std::time::Duration;

use wf_exposition::Format;
use wf_model::{Labels, LabelsBuilder, METRIC_NAME, STALE_NAN};
use wf_series::{
    Acknowledge, AppendError, AppendOutcome, ExemplarRejection, Rejection, SampleSink, SeriesRef, WriteBatch,
};

use crate::config::JobSettings;
use crate::error::ScrapeError;
use crate::ingest::{Counts, Ingest, PageMemory, Scratch};
use crate::metadata::FamilyMetadata;
use crate::slots::Slots;

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
    /// How long the scrape may take.
    pub(crate) timeout: Duration,
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
        scratch: &mut Scratch,
        page: Result<Page<'_>, ScrapeError>,
    ) -> ScrapeOutcome {
        let memory = &mut self.memory;
        memory.slots.begin();
        memory.metadata.begin();
        scratch.discard_samples();
        let &ScrapeContext { target, settings, sink, time_ms, .. } = ctx;
        let (counts, refusal) = (Counts::default(), None);
        let mut ingest = Ingest { memory, scratch, target, settings, sink, time_ms, counts, refusal };
        let (body, result) = match page {
            Ok(Page { body, format }) => (body, ingest.run(body, format)),
            Err(error) => (&[][..], Err(error)),
        };
        if result.is_err() {
            ingest.scratch.discard_samples();
        }
        let n_samples = ingest.scratch.batch.len();
        push_stale(&ingest.memory.slots, &mut ingest.scratch.batch, time_ms);
        let n_before_report = ingest.scratch.batch.len();
        let duration = (ctx.elapsed)();
        let values = report_values(ctx, &result, &ingest.counts, duration, body.len());
        self.report.push(&mut ingest.scratch.batch, ctx, &values);
        let parts = BatchParts { body, n_samples, n_before_report, values };
        let appended = append(&mut ingest, &mut self.report, ctx, &parts);
        let error = result.err().or_else(|| appended.err().map(ScrapeError::Append));
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
        let mut batch = WriteBatch::default();
        self.memory.slots.begin();
        push_stale(&self.memory.slots, &mut batch, time_ms);
        for series in self.report.known() {
            batch.push(series, time_ms, STALE_NAN);
        }
        sink.append(&batch, Acknowledge::Queued).map(|_| ())
    }
}

/// Adds a stale marker for each series that vanished.
fn push_stale(slots: &Slots, batch: &mut WriteBatch, time_ms: i64) {
    if slots.stale().next().is_none() {
        return;
    }
    // A series may be exposed under two texts, only one of which vanished.
    let present: HashSet<SeriesRef> = batch.refs.iter().copied().collect();
    for series in slots.stale().filter(|series| !present.contains(series)) {
        batch.push(series, time_ms, STALE_NAN);
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

/// What the batch is made of: samples of the page, stale markers, report series.
struct BatchParts<'a> {
    body: &'a [u8],
    /// Where the stale markers begin.
    n_samples: usize,
    /// Where the report series begin.
    n_before_report: usize,
    values: ReportValues,
}

/// Appends the batch; samples whose series storage has forgotten are appended again once it knows them.
fn append(
    ingest: &mut Ingest<'_>,
    report: &mut Report,
    ctx: &ScrapeContext<'_>,
    parts: &BatchParts<'_>,
) -> Result<(), AppendError> {
    let outcome = ctx.sink.append(&ingest.scratch.batch, Acknowledge::Queued)?;
    // Those of series that storage has forgotten are lost: the next scrape brings others.
    let exemplars = outcome.rejected_exemplars.iter();
    ingest.counts.n_exemplars_out_of_order +=
        exemplars.filter(|(_, why)| *why == ExemplarRejection::OutOfOrder).count();
    let mut again = WriteBatch::default();
    for position in count_rejections(&outcome, parts.n_samples, &mut ingest.counts) {
        let batch = &ingest.scratch.batch;
        let sample = batch.times_ms.get(position).copied().zip(batch.values.get(position).copied());
        let origin = ingest.scratch.origins.get(position).copied();
        let (Some((time_ms, value)), Some(origin)) = (sample, origin) else { continue };
        match ingest.resolve_again(parts.body, origin) {
            Some(series) => again.push(series, time_ms, value),
            None => ingest.counts.n_refused += 1,
        }
    }
    let n_samples = again.len();
    let is_forgotten = |(position, rejection): &(usize, Rejection)| {
        *position >= parts.n_before_report && *rejection == Rejection::UnknownSeries
    };
    if outcome.rejected.iter().any(is_forgotten) {
        report.forget();
        report.push(&mut again, ctx, &parts.values);
    }
    if again.is_empty() {
        return Ok(());
    }
    let outcome = ctx.sink.append(&again, Acknowledge::Queued)?;
    ingest.counts.n_refused += count_rejections(&outcome, n_samples, &mut ingest.counts).len();
    Ok(())
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
        ctx.timeout.as_secs_f64(),
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
