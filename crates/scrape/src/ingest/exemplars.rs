//! Exemplars: which of them are news.

use std::collections::HashMap;

use wf_exposition::parse;
use wf_exposition::protobuf::ProtoExemplar;
use wf_model::Labels;
use wf_series::{Exemplar, SeriesRef};
use xxhash_rust::xxh3::Xxh3;

use super::Ingest;

/// The last exemplar of each series that came without a time of its own. Such a one gets the time of its sample, so
/// it would look new in each scrape: only one that differs from the last is.
#[derive(Debug, Default)]
pub(super) struct ExemplarMemory {
    last: HashMap<SeriesRef, Last, foldhash::fast::RandomState>,
    epoch: u32,
}

#[derive(Debug)]
struct Last {
    hash: u64,
    seen: u32,
}

impl ExemplarMemory {
    pub(super) fn begin(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
    }

    /// Forgets series whose exemplars are gone from the page.
    pub(super) fn settle(&mut self) {
        let epoch = self.epoch;
        self.last.retain(|_, last| last.seen == epoch);
    }

    /// Notes an exemplar without a time; returns whether it differs from the one before it.
    fn is_news(&mut self, series: SeriesRef, hash: u64) -> bool {
        let last = Last { hash, seen: self.epoch };
        self.last.insert(series, last).is_none_or(|before| before.hash != hash)
    }
}

impl Ingest<'_> {
    /// Puts an exemplar into the batch; without a time of its own it has that of its sample.
    pub(super) fn keep_exemplar(&mut self, series: SeriesRef, exposed: &parse::Exemplar<'_>, time_ms: i64) {
        let is_news = exposed.timestamp_ms.is_some() || {
            let hash = hash_of(exposed.labels.bytes(), exposed.value);
            self.memory.exemplars.is_news(series, hash)
        };
        if is_news {
            let labels = Labels::from_pairs(exposed.labels.labels());
            self.push_exemplar(series, labels, exposed.timestamp_ms.unwrap_or(time_ms), exposed.value);
        }
    }

    /// As [`Ingest::keep_exemplar`], for a protobuf page.
    pub(super) fn keep_proto_exemplar(
        &mut self,
        series: SeriesRef,
        exposed: &ProtoExemplar<'_>,
        time_ms: i64,
    ) {
        if !self.settings.keeps_exemplars {
            return;
        }
        let is_news = exposed.timestamp_ms.is_some() || {
            let mut text = Vec::new();
            wf_exposition::protobuf::push_series_text(&mut text, "", "", &exposed.labels, None);
            self.memory.exemplars.is_news(series, hash_of(&text, exposed.value))
        };
        if is_news {
            let labels = Labels::from_pairs(exposed.labels.iter().copied());
            self.push_exemplar(series, labels, exposed.timestamp_ms.unwrap_or(time_ms), exposed.value);
        }
    }

    fn push_exemplar(&mut self, series: SeriesRef, labels: Labels, time_ms: i64, value: f64) {
        self.scratch.batch.exemplars.push((series, Exemplar { labels, time_ms, value }));
    }
}

fn hash_of(labels: &[u8], value: f64) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(&value.to_bits().to_le_bytes());
    hasher.update(labels);
    hasher.digest()
}
