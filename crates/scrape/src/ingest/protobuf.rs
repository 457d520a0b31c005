//! Pages in protobuf: metrics become series as a text page would have them, and native histograms.
//!
//! A series text is written for each series, so that slots know it as they know lines; what is known costs a copy, a hash
//! and no look at storage.
//!
//! # Source
//! `spec/prometheus-core.md` §2, "Series emitted per histogram" and "Native/classic matrix".

use wf_exposition::SeriesText;
use wf_exposition::protobuf::{
    FamilyHead, ProtoEntry, ProtoExemplar, ProtoHistogram, ProtoMetric, ProtoValue, ProtobufParser,
    format_bound, push_series_text,
};
use wf_model::MetricType;
use wf_series::{HistogramValue, SeriesRef};

use super::histograms::ClassicHistogram;
use super::{Declaration, Ingest, NewSeriesError, Origin};
use crate::config::DEFAULT_BODY_BYTES_MAX;
use crate::error::ScrapeError;

/// Series texts of one page. They repeat the labels of a histogram for each bucket, so they may exceed the page.
const TEXTS_BYTES_MAX: u64 = DEFAULT_BODY_BYTES_MAX;

/// What the series of one metric share.
struct Shared<'m, 'p> {
    family: FamilyHead<'p>,
    metric: &'m ProtoMetric<'p>,
    start_time_ms: Option<i64>,
}

/// One series of a metric.
struct Part<'m> {
    suffix: &'static str,
    label: Option<(&'static str, String)>,
    value: f64,
    exemplar: Option<&'m ProtoExemplar<'m>>,
}

impl Part<'_> {
    fn plain(suffix: &'static str, value: f64) -> Self {
        Self { suffix, label: None, value, exemplar: None }
    }
}

impl Ingest<'_> {
    pub(super) fn run_protobuf(&mut self, page: &[u8]) -> Result<(), ScrapeError> {
        self.is_protobuf = true;
        let mut parser = ProtobufParser::new(page);
        let mut family = FamilyHead { name: "", help: "", kind: MetricType::Unknown, unit: "" };
        loop {
            match parser.next_entry()? {
                ProtoEntry::Family(head) => {
                    family = head;
                    self.declare(None, head.name, Declaration::Type(head.kind));
                    self.declare(None, head.name, Declaration::Help(head.help));
                    self.declare(None, head.name, Declaration::Unit(head.unit));
                }
                ProtoEntry::Metric(metric) => self.take_metric(family, &metric)?,
                ProtoEntry::Eof => return Ok(()),
            }
        }
    }

    fn take_metric(&mut self, family: FamilyHead<'_>, metric: &ProtoMetric<'_>) -> Result<(), ScrapeError> {
        let shared = |start_time_ms: Option<i64>| {
            let start_time_ms = start_time_ms.filter(|_| self.settings.start_times.are_read());
            Shared { family, metric, start_time_ms }
        };
        match &metric.value {
            ProtoValue::Number { value, exemplar, start_time_ms } => {
                let part = Part { exemplar: exemplar.as_ref(), ..Part::plain("", *value) };
                self.take_part(&shared(*start_time_ms), &part)
            }
            ProtoValue::Summary { count, sum, quantiles, start_time_ms } => {
                let shared = shared(*start_time_ms);
                self.take_part(&shared, &Part::plain("_count", *count as f64))?;
                self.take_part(&shared, &Part::plain("_sum", *sum))?;
                for (quantile, value) in quantiles {
                    let label = Some(("quantile", format_bound(*quantile)));
                    self.take_part(&shared, &Part { label, ..Part::plain("", *value) })?;
                }
                Ok(())
            }
            ProtoValue::Histogram(histogram) => {
                self.take_histogram(&shared(histogram.start_time_ms), histogram)
            }
        }
    }

    /// Decides which forms of a histogram are stored.
    fn take_histogram(
        &mut self,
        shared: &Shared<'_, '_>,
        histogram: &ProtoHistogram<'_>,
    ) -> Result<(), ScrapeError> {
        let settings = self.settings.histograms;
        if histogram.is_native() && settings.takes_native {
            self.take_native(shared, histogram)?;
            if settings.keeps_classic && !histogram.buckets.is_empty() {
                self.take_classic(shared, histogram)?;
            }
            return Ok(());
        }
        if settings.converts_classic && !histogram.buckets.is_empty() {
            self.take_custom(shared, histogram)?;
            if !settings.keeps_classic {
                return Ok(());
            }
        }
        self.take_classic(shared, histogram)
    }

    fn take_classic(
        &mut self,
        shared: &Shared<'_, '_>,
        histogram: &ProtoHistogram<'_>,
    ) -> Result<(), ScrapeError> {
        self.take_part(shared, &Part::plain("_count", histogram.count))?;
        self.take_part(shared, &Part::plain("_sum", histogram.sum))?;
        let mut has_infinite = false;
        for bucket in &histogram.buckets {
            has_infinite |= bucket.upper_bound == f64::INFINITY;
            let part = Part {
                suffix: "_bucket",
                label: Some(("le", format_bound(bucket.upper_bound))),
                value: bucket.cumulative_count,
                exemplar: bucket.exemplar.as_ref(),
            };
            self.take_part(shared, &part)?;
        }
        if has_infinite {
            return Ok(());
        }
        let label = Some(("le", "+Inf".to_owned()));
        self.take_part(shared, &Part { label, ..Part::plain("_bucket", histogram.count) })
    }

    fn take_native(
        &mut self,
        shared: &Shared<'_, '_>,
        histogram: &ProtoHistogram<'_>,
    ) -> Result<(), ScrapeError> {
        let reduced = self.reducer.reduce(histogram.native());
        let value = reduced.map_err(|error| problem(shared, error.to_string()))?;
        self.store_histogram(shared, histogram, value)
    }

    /// One whose counts contradict each other is left out.
    fn take_custom(
        &mut self,
        shared: &Shared<'_, '_>,
        histogram: &ProtoHistogram<'_>,
    ) -> Result<(), ScrapeError> {
        let mut buckets: Vec<_> =
            histogram.buckets.iter().map(|bucket| (bucket.upper_bound, bucket.cumulative_count)).collect();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let classic = ClassicHistogram {
            buckets,
            count: Some(histogram.count),
            sum: histogram.sum,
            is_gauge: shared.family.kind == MetricType::GaugeHistogram,
        };
        let Some(value) = classic.to_custom() else { return Ok(()) };
        let value = self.reducer.reduce(value).map_err(|error| problem(shared, error.to_string()))?;
        self.store_histogram(shared, histogram, value)
    }

    fn store_histogram(
        &mut self,
        shared: &Shared<'_, '_>,
        histogram: &ProtoHistogram<'_>,
        value: HistogramValue,
    ) -> Result<(), ScrapeError> {
        let Shared { family, metric, start_time_ms } = shared;
        let start = self.push_text(|text| push_series_text(text, family.name, "", &metric.labels, None))?;
        let Some(id) = self.slot_of_part(shared, start)? else { return Ok(()) };
        let stored = self.record_histogram(id, start, metric.timestamp_ms, *start_time_ms, value)?;
        let Some((series, time_ms)) = stored else { return Ok(()) };
        self.keep_native_exemplars(series, time_ms, histogram);
        Ok(())
    }

    /// Those without a time are left out: nobody could tell which observation they are.
    fn keep_native_exemplars(&mut self, series: SeriesRef, time_ms: i64, histogram: &ProtoHistogram<'_>) {
        let of_buckets = histogram.buckets.iter().filter_map(|bucket| bucket.exemplar.as_ref());
        let mut timed: Vec<_> = if histogram.exemplars.is_empty() {
            of_buckets.collect()
        } else {
            histogram.exemplars.iter().collect()
        };
        timed.retain(|exemplar| exemplar.timestamp_ms.is_some());
        timed.sort_by_key(|exemplar| exemplar.timestamp_ms);
        for exemplar in timed {
            self.keep_proto_exemplar(series, exemplar, time_ms);
        }
    }

    fn take_part(&mut self, shared: &Shared<'_, '_>, part: &Part<'_>) -> Result<(), ScrapeError> {
        let Shared { family, metric, start_time_ms } = shared;
        let extra = part.label.as_ref().map(|(name, value)| (*name, value.as_str()));
        let start =
            self.push_text(|text| push_series_text(text, family.name, part.suffix, &metric.labels, extra))?;
        let Some(id) = self.slot_of_part(shared, start)? else { return Ok(()) };
        let Some((series, time_ms)) = self.accept(id, metric.timestamp_ms)? else { return Ok(()) };
        let origin = Origin::new(id, start);
        match start_time_ms {
            Some(started) => self.push_started(series, origin, (*started, time_ms), part.value),
            None if self.synthesises_part(part.suffix, family.kind) => {
                if !self.push_synthesised(series, origin, time_ms, part.value) {
                    return Ok(());
                }
            }
            None => {
                self.scratch.batch.push(series, time_ms, part.value);
                self.scratch.origins.push(origin);
            }
        }
        if let Some(exemplar) = part.exemplar {
            self.keep_proto_exemplar(series, exemplar, time_ms);
        }
        Ok(())
    }

    /// Finds the slot of the text written last; `None` when its series cannot be stored although nothing is wrong with it.
    fn slot_of_part(&mut self, shared: &Shared<'_, '_>, start: usize) -> Result<Option<u32>, ScrapeError> {
        match self.slot_of_text(start) {
            Ok(None) => {
                self.count_unstored();
                Ok(None)
            }
            Ok(known) => Ok(known),
            Err(NewSeriesError::Append(error)) => Err(error.into()),
            Err(NewSeriesError::Label(label)) => Err(problem(shared, label.to_string())),
        }
    }

    /// Writes a series text and a space behind it; returns where it begins.
    pub(super) fn push_text(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<usize, ScrapeError> {
        let texts = &mut self.scratch.texts;
        let start = texts.len();
        write(texts);
        texts.push(b' ');
        if texts.len() as u64 > TEXTS_BYTES_MAX {
            return Err(ScrapeError::BodyTooLarge { limit_bytes: TEXTS_BYTES_MAX });
        }
        Ok(start)
    }

    /// Returns the slot of the text that begins at `start` and was written last.
    pub(super) fn slot_of_text(&mut self, start: usize) -> Result<Option<u32>, NewSeriesError> {
        let texts = std::mem::take(&mut self.scratch.texts);
        let rest = texts.get(start..).unwrap_or_default();
        let known = self
            .memory
            .slots
            .predict(rest, MetricType::Unknown)
            .filter(|id| self.memory.slots.meaning(*id) != crate::slots::Meaning::Series(None));
        let found = match (known, rest.split_last()) {
            (Some(id), _) => Ok(Some(id)),
            (None, Some((_, text))) => {
                self.slot_of(&SeriesText::from_known(text, MetricType::Unknown), MetricType::Unknown)
            }
            (None, None) => Ok(None),
        };
        self.scratch.texts = texts;
        found
    }
}

fn problem(shared: &Shared<'_, '_>, problem: String) -> ScrapeError {
    ScrapeError::Series { place: format!("metric family {}", shared.family.name), problem }
}
