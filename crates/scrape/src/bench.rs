//! A door for benchmarks: the path of a page from bytes to batch, without network and storage.

use std::time::Duration;

use wf_model::Labels;
use wf_series::{Acknowledge, AppendError, AppendOutcome, SampleSink, SeriesRef, WriteBatch};

use crate::commit::{Page, ScrapeContext, TargetMemory};
use crate::config::JobSettings;
use crate::ingest::Scratch;
use crate::protocol::PageFormat;

/// Takes everything and keeps nothing.
#[derive(Debug, Default)]
struct NullSink {
    n_series: std::sync::atomic::AtomicU64,
}

impl SampleSink for NullSink {
    fn resolve(&self, _: &Labels) -> Result<SeriesRef, AppendError> {
        let n_before = self.n_series.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        SeriesRef::new(n_before + 1).ok_or(AppendError::Closed)
    }

    fn append(&self, batch: &WriteBatch, _: Acknowledge) -> Result<AppendOutcome, AppendError> {
        Ok(AppendOutcome { n_appended: batch.len(), ..AppendOutcome::default() })
    }
}

/// One target that is scraped again and again.
#[derive(Debug, Default)]
pub struct RepeatScrape {
    memory: TargetMemory,
    scratch: Scratch,
    settings: JobSettings,
    target: Labels,
    sink: NullSink,
    time_ms: i64,
}

impl RepeatScrape {
    /// Takes one page of text format; returns the number of its samples, 0 if it is broken.
    pub fn scrape(&mut self, body: &[u8]) -> usize {
        self.time_ms += 15_000;
        let ctx = ScrapeContext {
            target: &self.target,
            settings: &self.settings,
            sink: &self.sink,
            time_ms: self.time_ms,
            timeout: self.settings.timeout,
            elapsed: &|| Duration::ZERO,
        };
        let outcome =
            self.memory.commit(&ctx, &mut self.scratch, Ok(Page { body, format: PageFormat::TEXT }));
        if outcome.error.is_none() { outcome.counts.n_scraped } else { 0 }
    }
}
