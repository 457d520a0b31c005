//! Records of native histograms, exemplars and metadata.

use std::sync::atomic::Ordering;

use wf_model::{Labels, Metadata};
use wf_series::Exemplar;

use super::Replay;
use super::workers::{RichItem, RichValue};
use crate::chunk::Encoding;
use crate::head::append::others::storable;
use crate::head::series::SampleKind;
use crate::record::{Exemplars, Histograms, MetadataEntries, RecordError};

/// Exemplars of a log come as they were stored: none of them is too old.
const ANY_AGE_MS: i64 = i64::MAX;

impl Replay<'_, '_> {
    pub(super) fn histograms(&mut self, entries: Histograms<'_>) -> Result<(), RecordError> {
        let commit = self.head.commit.lock();
        let mut finder = commit.refs.finder();
        let min_valid = self.head.min_valid.load(Ordering::Relaxed);
        for entry in entries {
            let sample = entry?;
            if sample.time_ms < min_valid {
                continue;
            }
            let Some(id) = finder.find(sample.series) else {
                self.n_unknown += 1;
                continue;
            };
            let Ok(value) = storable(&sample.value) else {
                self.n_bad_histograms += 1;
                continue;
            };
            let (times, value) = ((sample.time_ms, sample.start_time_ms), RichValue::Histogram(value));
            self.workers.push_rich(RichItem { id, times, value });
        }
        Ok(())
    }

    pub(super) fn exemplars(&mut self, entries: Exemplars<'_>) -> Result<(), RecordError> {
        let head = self.head;
        if !head.exemplars.is_enabled() {
            return Ok(());
        }
        let commit = head.commit.lock();
        let index = head.index.read();
        for entry in entries {
            let entry = entry?;
            let labels = || commit.refs.find(entry.series).map(|id| index.labels(id));
            let exemplar = Exemplar {
                labels: Labels::from_pairs(entry.labels.clone()),
                time_ms: entry.time_ms,
                value: entry.value,
            };
            // Those of unknown series, or too long ones of another program, are not worth more than a shrug.
            let _ = head.exemplars.add(entry.series, labels, &exemplar, ANY_AGE_MS);
        }
        Ok(())
    }

    pub(super) fn metadata(&mut self, entries: MetadataEntries<'_>) -> Result<(), RecordError> {
        let commit = self.head.commit.lock();
        for entry in entries {
            let entry = entry?;
            if commit.refs.find(entry.series).is_some() {
                let (help, unit) = (entry.help.to_owned(), entry.unit.to_owned());
                self.head.metadata.set(entry.series, &Metadata { kind: entry.kind, help, unit });
            }
        }
        Ok(())
    }
}

/// Returns the kind of samples in chunks of this encoding.
pub(super) fn kind_of(encoding: Encoding) -> SampleKind {
    match encoding {
        Encoding::Xor | Encoding::Xor2 => SampleKind::Float,
        Encoding::Histogram | Encoding::HistogramSt => SampleKind::Histogram,
        Encoding::FloatHistogram | Encoding::FloatHistogramSt => SampleKind::FloatHistogram,
    }
}
