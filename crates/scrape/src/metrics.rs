//! Numbers about scraping, under the names that stock alerts and dashboards know.
//!
//! # Source
//! `spec/prometheus-core.md` §10, "Scrape".

use std::time::Duration;

use wf_httpkit::Registry;
use wf_httpkit::metrics::{Counter, CounterVec, GaugeVec, Histogram, HistogramVec, Objective, SummaryVec};
use wf_model::duration;

use crate::commit::ScrapeOutcome;
use crate::error::ScrapeError;

const JOB: [&str; 1] = ["scrape_job"];

/// Counters and gauges of scraping.
#[derive(Clone, Debug)]
pub(crate) struct ScrapeMetrics {
    pub(crate) interval_length: SummaryVec<1>,
    interval_length_histogram: HistogramVec<1>,
    pub(crate) sync_length: SummaryVec<1>,
    pub(crate) sync_failed: CounterVec<1>,
    pub(crate) pools: Counter,
    pub(crate) pools_failed: Counter,
    pub(crate) pool_reloads: Counter,
    pub(crate) pool_reloads_failed: Counter,
    pub(crate) pool_syncs: CounterVec<1>,
    pub(crate) pool_targets: GaugeVec<1>,
    pub(crate) pool_target_limit: GaugeVec<1>,
    /// Always 0: caches hold no strings. Dashboards ask for it.
    pub(crate) pool_symboltable_items: GaugeVec<1>,
    pub(crate) pool_exceeded_target_limit: Counter,
    exceeded_label_limits: Counter,
    exceeded_sample_limit: Counter,
    exceeded_body_size_limit: Counter,
    exceeded_bucket_limit: Counter,
    duplicate_timestamp: Counter,
    out_of_order: Counter,
    out_of_bounds: Counter,
    exemplar_out_of_order: Counter,
    cache_flush_forced: Counter,
    refused_samples: Counter,
    duration: Histogram,
}

impl ScrapeMetrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        let quantiles = [0.01, 0.05, 0.5, 0.9, 0.99].map(Objective);
        Self {
            exemplar_out_of_order: registry.counter(
                "prometheus_target_scrapes_exemplar_out_of_order_total",
                "Exemplars rejected because they were out of order.",
            ),
            interval_length: registry.summary_vec(
                "prometheus_target_interval_length_seconds",
                "Actual intervals between scrapes.",
                ["interval"],
                &quantiles,
            ),
            interval_length_histogram: registry.histogram_vec(
                "prometheus_target_interval_length_seconds_histogram",
                "Actual intervals between scrapes.",
                ["interval"],
                &[0.01, 0.1, 1.0, 10.0, 15.0, 30.0, 60.0, 120.0],
            ),
            sync_length: registry.summary_vec(
                "prometheus_target_sync_length_seconds",
                "Time it took to sync the targets of a job.",
                JOB,
                &quantiles,
            ),
            sync_failed: registry.counter_vec(
                "prometheus_target_sync_failed_total",
                "Targets that could not be built from their labels.",
                JOB,
            ),
            pools: registry.counter("prometheus_target_scrape_pools_total", "Jobs that were set up."),
            pools_failed: registry
                .counter("prometheus_target_scrape_pools_failed_total", "Jobs that could not be set up."),
            pool_reloads: registry
                .counter("prometheus_target_scrape_pool_reloads_total", "Jobs whose settings were changed."),
            pool_reloads_failed: registry.counter(
                "prometheus_target_scrape_pool_reloads_failed_total",
                "Jobs whose settings could not be changed.",
            ),
            pool_syncs: registry.counter_vec(
                "prometheus_target_scrape_pool_sync_total",
                "Syncs of a job's targets.",
                JOB,
            ),
            pool_targets: registry.gauge_vec(
                "prometheus_target_scrape_pool_targets",
                "Targets of a job.",
                JOB,
            ),
            pool_target_limit: registry.gauge_vec(
                "prometheus_target_scrape_pool_target_limit",
                "Largest number of targets a job may have; 0 is no limit.",
                JOB,
            ),
            pool_symboltable_items: registry.gauge_vec(
                "prometheus_target_scrape_pool_symboltable_items",
                "Strings in the symbol table of a job; 0, as there is none.",
                JOB,
            ),
            pool_exceeded_target_limit: registry.counter(
                "prometheus_target_scrape_pool_exceeded_target_limit_total",
                "Syncs in which a job had more targets than it may have.",
            ),
            exceeded_label_limits: registry.counter(
                "prometheus_target_scrape_pool_exceeded_label_limits_total",
                "Scrapes that hit a limit on labels and were rejected.",
            ),
            exceeded_sample_limit: registry.counter(
                "prometheus_target_scrapes_exceeded_sample_limit_total",
                "Scrapes that hit the sample limit and were rejected.",
            ),
            exceeded_bucket_limit: registry.counter(
                "prometheus_target_scrapes_exceeded_native_histogram_bucket_limit_total",
                "Scrapes that hit the native histogram bucket limit and were rejected.",
            ),
            exceeded_body_size_limit: registry.counter(
                "prometheus_target_scrapes_exceeded_body_size_limit_total",
                "Scrapes that hit the body size limit and were rejected.",
            ),
            duplicate_timestamp: registry.counter(
                "prometheus_target_scrapes_sample_duplicate_timestamp_total",
                "Samples rejected because their series has another value at that time.",
            ),
            out_of_order: registry.counter(
                "prometheus_target_scrapes_sample_out_of_order_total",
                "Samples rejected because they were out of order.",
            ),
            out_of_bounds: registry.counter(
                "prometheus_target_scrapes_sample_out_of_bounds_total",
                "Samples rejected because their time was out of bounds.",
            ),
            cache_flush_forced: registry.counter(
                "prometheus_target_scrapes_cache_flush_forced_total",
                "How often a target's cache was flushed because failing scrapes made it grow.",
            ),
            refused_samples: registry.counter(
                "watchfire_target_scrapes_sample_refused_total",
                "Samples of new series that storage refused because its memory is at its bound.",
            ),
            duration: registry.histogram(
                "watchfire_target_scrape_duration_seconds",
                "Time from the start of a scrape until its samples are with storage.",
                &wf_httpkit::metrics::DEFAULT_BUCKETS,
            ),
        }
    }

    /// Counts what became of a scrape.
    pub(crate) fn on_scrape(&self, outcome: &ScrapeOutcome) {
        let counts = &outcome.counts;
        self.duration.observe(outcome.duration.as_secs_f64());
        for (counter, n) in [
            (&self.duplicate_timestamp, counts.n_duplicate),
            (&self.out_of_order, counts.n_out_of_order),
            (&self.out_of_bounds, counts.n_out_of_bounds),
            (&self.exemplar_out_of_order, counts.n_exemplars_out_of_order),
            (&self.refused_samples, counts.n_refused),
            (&self.exceeded_label_limits, usize::from(counts.is_label_limit_hit)),
            (&self.cache_flush_forced, usize::from(outcome.is_cache_flushed)),
        ] {
            counter.add(n as u64);
        }
        match &outcome.error {
            Some(ScrapeError::SampleLimit { .. }) => self.exceeded_sample_limit.inc(),
            Some(ScrapeError::BodyTooLarge { .. }) => self.exceeded_body_size_limit.inc(),
            Some(ScrapeError::BucketLimit { .. }) => self.exceeded_bucket_limit.inc(),
            _ => {}
        }
    }

    /// Notes the time between the starts of two scrapes of one target.
    pub(crate) fn on_interval(&self, interval: Duration, actual: Duration) {
        let interval = duration::format(interval);
        self.interval_length.with(&[&interval]).observe(actual.as_secs_f64());
        self.interval_length_histogram.with(&[&interval]).observe(actual.as_secs_f64());
    }

    /// Forgets what was counted per job.
    pub(crate) fn remove_job(&self, job: &str) {
        self.sync_length.remove(&[job]);
        self.sync_failed.remove(&[job]);
        self.pool_syncs.remove(&[job]);
        self.pool_targets.remove(&[job]);
        self.pool_target_limit.remove(&[job]);
        self.pool_symboltable_items.remove(&[job]);
    }
}
