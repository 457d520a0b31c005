//! Ends a scrape: samples, stale markers and report series go to storage as one batch.
//!
//! # Source
//! `spec/prometheus-core.md` §6, "Report series" and "Staleness".

use std::collections::HashSet;
use std::time::Duration;

use wf_model::{Labels, LabelsBuilder, METRIC_NAME, STALE_NAN};
use wf_series::{
    Acknowledge, AppendError, AppendOutcome, ExemplarRejection, HistogramRejection, HistogramSample,
    Rejection, SampleSink, SeriesRef, WriteBatch,
};

use crate::config::JobSettings;
use crate::error::ScrapeError;
use crate::ingest::{Counts, Ingest, Origin, PageMemory, Scratch};
use crate::metadata::FamilyMetadata;
use crate::protocol::PageFormat;
use crate::slots::Slots;

/// A page as fetched, uncompressed.
#[derive(Debug)]
pub(crate) struct Page<'a> {
    pub(crate) body: &'a [u8],
    pub(crate) format: PageFormat,
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
        memory.begin();
        scratch.discard_samples();
        let &ScrapeContext { target, settings, sink, time_ms, .. } = ctx;
        let mut ingest = Ingest::new(memory, scratch, target, settings, sink, time_ms);
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
        pad_start_times(&mut ingest.scratch.batch);
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
            self.memory.settle();
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
    let histograms = batch.histograms.iter().map(|sample| sample.series);
    let present: HashSet<SeriesRef> = batch.refs.iter().copied().chain(histograms).collect();
    for series in slots.stale().filter(|series| !present.contains(series)) {
        batch.push(series, time_ms, STALE_NAN);
    }
}

/// A batch has start timestamps for all samples or for none.
fn pad_start_times(batch: &mut WriteBatch) {
    if !batch.start_times_ms.is_empty() {
        batch.start_times_ms.resize(batch.refs.len(), 0);
    }
}

/// Counts what storage did not take; returns whether it has forgotten the series.
fn count_rejection(rejection: Rejection, counts: &mut Counts) -> bool {
    match rejection {
        Rejection::OutOfOrder => counts.n_out_of_order += 1,
        Rejection::Duplicate => counts.n_duplicate += 1,
        Rejection::OutOfBounds | Rejection::TooOld => counts.n_out_of_bounds += 1,
        Rejection::UnknownSeries => return true,
    }
    false
}

/// Counts what storage did not take of the page; what it took of series that it has forgotten is put into `again`, with
/// references that it knows.
fn count_rejections(
    ingest: &mut Ingest<'_>,
    outcome: &AppendOutcome,
    parts: &BatchParts<'_>,
    again: &mut WriteBatch,
) {
    let of_page = |position: &usize| *position < parts.n_samples;
    let exposed = |origins: &[Origin], position: usize| {
        origins.get(position).copied().filter(|origin| origin.is_exposed())
    };
    for (position, rejection) in outcome.rejected.iter().filter(|(position, _)| of_page(position)) {
        let Some(origin) = exposed(&ingest.scratch.origins, *position) else { continue };
        if !count_rejection(*rejection, &mut ingest.counts) {
            continue;
        }
        let batch = &ingest.scratch.batch;
        let sample = batch.times_ms.get(*position).copied().zip(batch.values.get(*position).copied());
        let start_time_ms = batch.start_times_ms.get(*position).copied().unwrap_or(0);
        match (ingest.resolve_again(parts.body, origin), sample) {
            (Some(series), Some((time_ms, value))) if start_time_ms != 0 => {
                again.push_started(series, time_ms, start_time_ms, value);
            }
            (Some(series), Some((time_ms, value))) => again.push(series, time_ms, value),
            _ => ingest.counts.n_refused += 1,
        }
    }
    for (position, rejection) in &outcome.rejected_histograms {
        let Some(origin) = exposed(&ingest.scratch.histogram_origins, *position) else { continue };
        let is_forgotten = match rejection {
            HistogramRejection::Sample(rejection) => count_rejection(*rejection, &mut ingest.counts),
            // It was checked before: storage is stricter than it says.
            HistogramRejection::Invalid(_) => {
                ingest.counts.n_refused += 1;
                false
            }
        };
        if !is_forgotten {
            continue;
        }
        let sample = ingest.scratch.batch.histograms.get(*position).cloned();
        match (ingest.resolve_text_again(origin), sample) {
            (Some(series), Some(sample)) => again.histograms.push(HistogramSample { series, ..sample }),
            _ => ingest.counts.n_refused += 1,
        }
    }
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
    count_rejections(ingest, &outcome, parts, &mut again);
    let is_forgotten = |(position, rejection): &(usize, Rejection)| {
        *position >= parts.n_before_report && *rejection == Rejection::UnknownSeries
    };
    let n_samples = again.len();
    if outcome.rejected.iter().any(is_forgotten) {
        report.forget();
        report.push(&mut again, ctx, &parts.values);
    }
    if again.is_empty() {
        return Ok(());
    }
    pad_start_times(&mut again);
    let outcome = ctx.sink.append(&again, Acknowledge::Queued)?;
    let rejected = outcome.rejected.iter().filter(|(position, _)| *position < n_samples);
    let histograms = outcome.rejected_histograms.iter().map(|(_, rejection)| match rejection {
        HistogramRejection::Sample(rejection) => *rejection,
        HistogramRejection::Invalid(_) => Rejection::UnknownSeries,
    });
    for rejection in rejected.map(|(_, rejection)| *rejection).chain(histograms) {
        ingest.counts.n_refused += usize::from(count_rejection(rejection, &mut ingest.counts));
    }
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
