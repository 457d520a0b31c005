//! `/federate`: the newest samples of chosen series, for another server to scrape.
//!
//! # Reading order: this file, `write`.
//! # Source
//! `spec/prometheus-core.md` §8.5; the form is negotiated as for `/metrics`, §2.

mod write;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use wf_model::{FloatHistogram, Labels, METRIC_NAME, Matcher, TimeRange, is_stale_nan};
use wf_promql::parser::parse_selector;
use wf_series::{LabelColumn, SampleColumns, SelectRequest, Selection, SeriesSource};

use crate::api_v1::error::ApiError;
use crate::api_v1::params::Params;
use crate::api_v1::select::satisfies;
use crate::pulled;
use crate::query_pool::block;
use crate::state::ServerState;
use write::Form;

/// The newest sample of a series.
#[derive(Clone, Debug)]
struct Newest {
    time_ms: i64,
    value: f64,
    histogram: Option<Arc<FloatHistogram>>,
}

pub(crate) async fn federate(
    State(state): State<Arc<ServerState>>,
    headers: HeaderMap,
    params: Params,
) -> Response {
    let form = Form::choose(headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or(""));
    let metrics = state.metrics().clone();
    let page = block(move || {
        let selectors = params.all("match[]").map(selector).collect::<Result<Vec<_>, _>>()?;
        let now_ms = state.now_ms();
        let lookback_ms = state.engine().options().lookback_delta_ms;
        let range = TimeRange { start_ms: now_ms.saturating_sub(lookback_ms), end_ms: now_ms };
        let found = Found::new(state.source()?, selectors, range)?;
        let external = state.loaded_config().config.global.external_labels.clone();
        let mut page = write::Page::new(form, found, attached(&external));
        // What fails at once is an error, not an answer that breaks off.
        let first = page.next()?;
        Ok((page, first))
    });
    match page.await {
        Ok((page, first)) => {
            let body = pulled::blocking((first, page), |(first, page)| match std::mem::take(first) {
                first if first.is_empty() => page.next(),
                first => Ok(first),
            });
            ([(CONTENT_TYPE, form.content_type())], body).into_response()
        }
        // Whoever scrapes reads the status and, if a person looks, the text.
        Err(error) => {
            metrics.on_federation_error();
            let status = error.kind.status();
            let status = if status == StatusCode::UNPROCESSABLE_ENTITY {
                StatusCode::INTERNAL_SERVER_ERROR
            } else {
                status
            };
            (status, format!("{}\n", error.message)).into_response()
        }
    }
}

/// Reads one selector. Errors stand by themselves: there is no other parameter.
fn selector(text: &str) -> Result<Vec<Matcher>, ApiError> {
    parse_selector(text).map_err(|error| ApiError::bad_data(error.to_string()))
}

/// Labels that a series gets unless it has them: external ones, and an empty `instance`, which keeps the reader from
/// putting its own there.
fn attached(external: &Labels) -> Arc<[(String, String)]> {
    let mut attached: BTreeMap<&str, &str> = BTreeMap::from([("instance", "")]);
    attached.extend(external.iter());
    attached.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Series sorted by name, each once however many selectors match it, read one by one.
struct Found {
    sets: Vec<(Vec<Matcher>, Arc<dyn Selection>)>,
    range: TimeRange,
    /// Rank of the name, then set and series in it.
    order: std::vec::IntoIter<(u32, u32, u32)>,
    samples: SampleColumns,
}

impl Found {
    fn new(
        source: &dyn SeriesSource,
        selectors: Vec<Vec<Matcher>>,
        range: TimeRange,
    ) -> Result<Self, ApiError> {
        let mut sets = Vec::with_capacity(selectors.len());
        for matchers in selectors {
            let selection = source.select(&SelectRequest { matchers: &matchers, range })?;
            sets.push((matchers, selection));
        }
        let columns: Vec<LabelColumn> =
            sets.iter().map(|(_, selection)| selection.label_column(METRIC_NAME)).collect();
        let names: BTreeSet<&str> =
            columns.iter().flat_map(|column| &column.values).map(|name| &**name).collect();
        let rank_of: HashMap<&str, u32> = names.into_iter().zip(0..).collect();
        let mut order = Vec::with_capacity(columns.iter().map(|column| column.codes.len()).sum());
        for (set, column) in (0..).zip(&columns) {
            let ranks: Vec<u32> = column.values.iter().map(|name| rank_of[&**name]).collect();
            let series = (0..).zip(&column.codes);
            order.extend(series.map(|(idx, code)| (ranks[*code as usize], set, idx)));
        }
        order.sort_unstable();
        Ok(Self { sets, range, order: order.into_iter(), samples: SampleColumns::default() })
    }

    /// Returns the next series that has a sample and is not stale.
    fn next(&mut self) -> Result<Option<(Labels, Newest)>, ApiError> {
        for (_, set, idx) in self.order.by_ref() {
            let (set, idx) = (set as usize, idx as usize);
            let selection = &self.sets[set].1;
            selection.read_newest(idx, self.range, &mut self.samples)?;
            let Some(newest) = newest_of(&self.samples) else { continue };
            let labels = selection.labels(idx);
            let is_known = self.sets.iter().take(set).any(|(matchers, _)| satisfies(&labels, matchers));
            // Nothing without a name can be written.
            if !is_known && !labels.metric_name().is_empty() {
                return Ok(Some((labels, newest)));
            }
        }
        Ok(None)
    }
}

/// Returns the last sample unless the series is stale.
fn newest_of(samples: &SampleColumns) -> Option<Newest> {
    let (time_ms, value) = (*samples.times_ms.last()?, *samples.values.last()?);
    if is_stale_nan(value) {
        return None;
    }
    let last = samples.len() - 1;
    let histogram = samples.histograms.last().filter(|(idx, _)| *idx == last);
    Some(Newest { time_ms, value, histogram: histogram.map(|(_, histogram)| Arc::clone(histogram)) })
}
