//! `/federate`: the newest samples of chosen series, for another server to scrape.
//!
//! # Reading order: this file, `write`.
//! # Source
//! `spec/prometheus-core.md` §8.5; the form is negotiated as for `/metrics`, §2.

mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use wf_model::{FloatHistogram, Labels, Matcher, TimeRange, is_stale_nan};
use wf_series::{SampleColumns, SelectRequest, SeriesSource};

use crate::api_v1::error::ApiError;
use crate::api_v1::params::Params;
use crate::api_v1::parse::selector;
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

/// Series sorted by name, each once however many selectors match it.
type Found = Vec<(Labels, Newest)>;

pub(crate) async fn federate(
    State(state): State<Arc<ServerState>>,
    headers: HeaderMap,
    params: Params,
) -> Response {
    let form = Form::choose(headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or(""));
    let page = block(move || {
        let selectors = params.all("match[]").map(selector).collect::<Result<Vec<_>, _>>()?;
        let now_ms = state.now_ms();
        let lookback_ms = state.engine().options().lookback_delta_ms;
        let range = TimeRange { start_ms: now_ms.saturating_sub(lookback_ms), end_ms: now_ms };
        let found = newest_samples(state.source()?, &selectors, range)?;
        let external = state.loaded_config().config.global.external_labels.clone();
        Ok(write::page(form, found, attached(&external)))
    });
    match page.await {
        Ok(page) => ([(CONTENT_TYPE, form.content_type())], pulled::body(page)).into_response(),
        // Whoever scrapes reads the status and, if a person looks, the text.
        Err(error) => {
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

/// Labels that a series gets unless it has them: external ones, and an empty `instance`, which keeps the reader from
/// putting its own there.
fn attached(external: &Labels) -> Arc<[(String, String)]> {
    let mut attached: BTreeMap<&str, &str> = BTreeMap::from([("instance", "")]);
    attached.extend(external.iter());
    attached.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn newest_samples(
    source: &dyn SeriesSource,
    selectors: &[Vec<Matcher>],
    range: TimeRange,
) -> Result<Found, ApiError> {
    let (mut found, mut samples) = (Found::new(), SampleColumns::default());
    for matchers in selectors {
        let selection = source.select(&SelectRequest { matchers, range })?;
        for idx in 0..selection.len() {
            selection.read_newest(idx, range, &mut samples)?;
            let Some(newest) = newest_of(&samples) else { continue };
            let labels = selection.labels(idx);
            // Nothing without a name can be written.
            if !labels.metric_name().is_empty() {
                found.push((labels, newest));
            }
        }
    }
    found.sort_by(|(a, _), (b, _)| a.metric_name().cmp(b.metric_name()).then_with(|| a.cmp(b)));
    found.dedup_by(|(a, _), (b, _)| a == b);
    Ok(found)
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
