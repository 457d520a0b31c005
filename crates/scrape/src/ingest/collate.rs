//! Gathers the series of a classic histogram on a text page into one native histogram with custom buckets.
//!
//! The series of one histogram stand together, so the one that is being gathered ends where other labels, another
//! family or the page's end begin.

use wf_exposition::protobuf::push_series_text;
use wf_exposition::{Sample, parse};
use wf_model::float::parse_go;
use wf_model::{Labels, METRIC_NAME, MetricType};
use wf_series::Exemplar;

use super::histograms::ClassicHistogram;
use super::{Ingest, NewSeriesError};
use crate::error::ScrapeError;

/// The family that is read, and its histogram that is being gathered.
#[derive(Debug, Default)]
pub(super) struct Collator {
    family: String,
    kind: MetricType,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    /// Without name and `le`, in the order exposed.
    labels: Vec<(String, String)>,
    timestamp_ms: Option<i64>,
    start_time_ms: Option<i64>,
    classic: ClassicHistogram,
    /// Those that have a time.
    exemplars: Vec<Exemplar>,
}

enum Part {
    Bucket(f64),
    Sum,
    Count,
}

impl Collator {
    pub(super) fn begin_family(&mut self, name: &str, kind: MetricType) {
        name.clone_into(&mut self.family);
        self.kind = kind;
    }

    /// Returns what part of a histogram of the current family the sample is, and the labels it shares with others.
    fn part_of(&self, sample: &Sample<'_>) -> Option<(Part, Vec<(String, String)>)> {
        if !matches!(self.kind, MetricType::Histogram | MetricType::GaugeHistogram) {
            return None;
        }
        let (mut suffix, mut le, mut labels) = (None, None, Vec::new());
        for (name, value) in sample.series.labels() {
            match &*name {
                METRIC_NAME => suffix = value.strip_prefix(self.family.as_str()).map(str::to_owned),
                "le" => le = Some(value.into_owned()),
                _ => labels.push((name.into_owned(), value.into_owned())),
            }
        }
        let part = match (suffix?.as_str(), le) {
            ("_bucket", Some(le)) => Part::Bucket(parse_go(le.as_bytes()).ok()?),
            ("_sum" | "_gsum", None) => Part::Sum,
            ("_count" | "_gcount", None) => Part::Count,
            _ => return None,
        };
        Some((part, labels))
    }
}

impl Ingest<'_> {
    /// Takes a sample into the histogram being gathered; returns whether that is all that becomes of it.
    pub(super) fn collate(
        &mut self,
        collator: &mut Collator,
        sample: &Sample<'_>,
        start_time_ms: Option<i64>,
    ) -> Result<bool, ScrapeError> {
        let Some((part, labels)) = collator.part_of(sample) else {
            self.finish_collated(collator)?;
            return Ok(false);
        };
        let continues = |open: &Open| open.labels == labels && open.timestamp_ms == sample.timestamp_ms;
        if !collator.open.as_ref().is_some_and(continues) {
            self.finish_collated(collator)?;
        }
        let is_gauge = collator.kind == MetricType::GaugeHistogram;
        let open = collator.open.get_or_insert_with(|| Open {
            labels,
            timestamp_ms: sample.timestamp_ms,
            start_time_ms,
            classic: ClassicHistogram { is_gauge, ..ClassicHistogram::default() },
            exemplars: Vec::new(),
        });
        match part {
            Part::Bucket(bound) => open.classic.buckets.push((bound, sample.value)),
            Part::Sum => open.classic.sum = sample.value,
            Part::Count => open.classic.count = Some(sample.value),
        }
        if self.settings.keeps_exemplars
            && let Some(parse::Exemplar { labels, value, timestamp_ms: Some(time_ms) }) = &sample.exemplar
        {
            let labels = Labels::from_pairs(labels.labels());
            open.exemplars.push(Exemplar { labels, time_ms: *time_ms, value: *value });
        }
        Ok(!self.settings.histograms.keeps_classic)
    }

    /// Ends the histogram being gathered, if there is one. One whose counts contradict each other is left out.
    pub(super) fn finish_collated(&mut self, collator: &mut Collator) -> Result<(), ScrapeError> {
        let Some(mut open) = collator.open.take() else { return Ok(()) };
        open.classic.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let Some(value) = open.classic.to_custom() else { return Ok(()) };
        let problem = |problem: String| ScrapeError::Series {
            place: format!("histogram {}", collator.family),
            problem,
        };
        let value = self.reducer.reduce(value).map_err(|error| problem(error.to_string()))?;
        let labels: Vec<_> =
            open.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let start = self.push_text(|text| push_series_text(text, &collator.family, "", &labels, None))?;
        let id = match self.slot_of_text(start) {
            Ok(Some(id)) => id,
            Ok(None) => {
                self.count_unstored();
                return Ok(());
            }
            Err(NewSeriesError::Append(error)) => return Err(error.into()),
            Err(NewSeriesError::Label(label)) => return Err(problem(label.to_string())),
        };
        let Some((series, _)) =
            self.record_histogram(id, start, open.timestamp_ms, open.start_time_ms, value)?
        else {
            return Ok(());
        };
        open.exemplars.sort_by_key(|exemplar| exemplar.time_ms);
        let exemplars = open.exemplars.into_iter().map(|exemplar| (series, exemplar));
        self.scratch.batch.exemplars.extend(exemplars);
        Ok(())
    }
}
