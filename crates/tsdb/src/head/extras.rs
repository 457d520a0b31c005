//! Exemplars and metadata, as queries see them.

use std::collections::BTreeMap;
use std::sync::Arc;

use wf_model::{METRIC_NAME, Metadata};
use wf_series::{ExemplarQuery, SeriesExemplars, SeriesRef};

use super::Head;
use crate::exemplars::ExemplarStats;

impl Head {
    pub(crate) fn exemplars(&self, query: &ExemplarQuery<'_>) -> Vec<SeriesExemplars> {
        self.exemplars.query(query)
    }

    pub(crate) fn resize_exemplars(&self, max: usize) {
        self.exemplars.resize(max);
    }

    pub(crate) fn exemplar_stats(&self) -> ExemplarStats {
        self.exemplars.stats()
    }

    pub(crate) fn series_metadata(&self, series: SeriesRef) -> Option<Arc<Metadata>> {
        self.metadata.get(series.get())
    }

    /// Returns the distinct metadata of `metric`, or of all metrics.
    pub(crate) fn metadata(&self, metric: Option<&str>) -> BTreeMap<String, Vec<Arc<Metadata>>> {
        let commit = self.commit.lock();
        let index = self.index.read();
        let mut finder = commit.refs.finder();
        self.metadata.by_metric(|series_ref| {
            let labels = index.labels(finder.find(series_ref)?);
            let name = labels.get(METRIC_NAME)?;
            metric.is_none_or(|wanted| wanted == name).then(|| name.to_owned())
        })
    }
}
