//! The exporter's HTTP face.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use wf_exposition::text;
use wf_httpkit::metrics::{Counter, Gauge, Registry};

use crate::collector::TABLE;
use crate::exporter::{NodeExporter, Selection};

/// When the scraper does not say how long it waits.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// What is left of the scraper's timeout for writing and sending the page.
const MARGIN: Duration = Duration::from_millis(500);

/// What all listeners of one exporter share.
#[derive(Debug)]
pub(crate) struct Scrapes {
    in_progress: AtomicUsize,
    /// Length of the last page.
    page_bytes: AtomicUsize,
    /// None with `--web.disable-exporter-metrics`.
    metrics: Option<HandlerMetrics>,
}

impl Scrapes {
    /// Without a registry nothing is counted.
    pub(crate) fn new(registry: Option<&Registry>) -> Self {
        let metrics = registry.map(HandlerMetrics::new);
        Self { in_progress: AtomicUsize::new(0), page_bytes: AtomicUsize::new(0), metrics }
    }

    fn enter(&self, slots_max: usize) -> Option<Slot<'_>> {
        let slot = Slot(&self.in_progress);
        let n_before = self.in_progress.fetch_add(1, Ordering::Relaxed);
        (slots_max == 0 || n_before < slots_max).then_some(slot)
    }
}

/// Numbers of the metrics handler, under the names of the Go client's.
#[derive(Debug)]
struct HandlerMetrics {
    ok: Counter,
    failed: Counter,
    unavailable: Counter,
    in_flight: Gauge,
}

/// Makes the router of `exporter`.
pub(crate) fn router(exporter: NodeExporter) -> Router {
    let path = exporter.config().telemetry_path.clone();
    let router = Router::new().route(&path, get(scrape));
    let router = if path == "/" { router } else { router.route("/", get(landing_page)) };
    router.with_state(exporter)
}

impl HandlerMetrics {
    fn new(registry: &Registry) -> Self {
        let requests = registry.counter_vec(
            "promhttp_metric_handler_requests_total",
            "Scrapes by HTTP status code.",
            ["code"],
        );
        let errors = registry.counter_vec(
            "promhttp_metric_handler_errors_total",
            "Errors while a page was made.",
            ["cause"],
        );
        for cause in ["gathering", "encoding"] {
            errors.with(&[cause]);
        }
        let in_flight = registry.gauge("promhttp_metric_handler_requests_in_flight", "Scrapes being served.");
        let code = |code: &str| requests.with(&[code]);
        Self { ok: code("200"), failed: code("500"), unavailable: code("503"), in_flight }
    }

    fn count(&self, status: StatusCode) {
        match status {
            StatusCode::OK => self.ok.inc(),
            StatusCode::SERVICE_UNAVAILABLE => self.unavailable.inc(),
            status if status.is_server_error() => self.failed.inc(),
            // As upstream: a refused selection is none of the three.
            _ => {}
        }
    }
}

async fn landing_page(State(exporter): State<NodeExporter>) -> Html<String> {
    let path = html_escape(&exporter.config().telemetry_path);
    Html(format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Node Exporter</title></head>\
         <body><h1>Node Exporter</h1><p>Prometheus Node Exporter</p><ul><li><a href=\"{path}\">Metrics</a></li></ul>\
         </body></html>"
    ))
}

fn html_escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

/// One of the slots that `--web.max-requests` allows; given back when dropped.
struct Slot<'a>(&'a AtomicUsize);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn scrape(
    State(exporter): State<NodeExporter>,
    Query(parameters): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    let metrics = exporter.scrapes().metrics.as_ref();
    let _in_flight = metrics.map(|metrics| metrics.in_flight.track());
    let response = answer(&exporter, &parameters, &headers).await;
    if let Some(metrics) = metrics {
        metrics.count(response.status());
    }
    response
}

async fn answer(exporter: &NodeExporter, parameters: &[(String, String)], headers: &HeaderMap) -> Response {
    let limit = exporter.config().max_requests;
    let Some(_slot) = exporter.scrapes().enter(limit) else {
        let text = format!("Limit of concurrent requests reached ({limit}), try again later.\n");
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    };
    let selection = match select(parameters, &exporter.enabled().collect()) {
        Ok(selection) => selection,
        Err(text) => return (StatusCode::BAD_REQUEST, format!("{text}\n")).into_response(),
    };
    let families = exporter.gather_selected(&selection, timeout(headers)).await;
    // The page is as long as the last one, but for some digits: growing step by step would copy it a dozen times.
    let usual_bytes = exporter.scrapes().page_bytes.load(Ordering::Relaxed);
    let mut page = String::with_capacity(usual_bytes + usual_bytes / 16 + (4 << 10));
    text::write_page(&mut page, &families);
    exporter.scrapes().page_bytes.store(page.len(), Ordering::Relaxed);
    ([(header::CONTENT_TYPE, text::CONTENT_TYPE)], page).into_response()
}

/// What Prometheus says it will wait, less a margin.
fn timeout(headers: &HeaderMap) -> Duration {
    let header = headers.get("x-prometheus-scrape-timeout-seconds").and_then(|value| value.to_str().ok());
    let seconds = header.and_then(|text| text.parse::<f64>().ok()).filter(|seconds| *seconds > 0.0);
    let timeout =
        seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or(DEFAULT_TIMEOUT);
    // Of a very short timeout at least half is used for measuring.
    timeout.saturating_sub(MARGIN).max(timeout / 2)
}

/// Reads `collect[]` and `exclude[]`.
fn select(parameters: &[(String, String)], enabled: &BTreeSet<&'static str>) -> Result<Selection, String> {
    let values = |name: &str| -> Vec<&str> {
        parameters.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    };
    let (collect, exclude) = (values("collect[]"), values("exclude[]"));
    if !collect.is_empty() && !exclude.is_empty() {
        return Err("Combined collect and exclude queries are not allowed.".to_owned());
    }
    let mut selected = BTreeSet::new();
    for name in collect {
        match (enabled.get(name), TABLE.iter().any(|entry| entry.name == name)) {
            (Some(name), _) => selected.insert(*name),
            (None, true) => {
                return Err(format!("Couldn't create filtered metrics handler: disabled collector: {name}"));
            }
            (None, false) => {
                return Err(format!("Couldn't create filtered metrics handler: missing collector: {name}"));
            }
        };
    }
    if !exclude.is_empty() {
        selected = enabled.iter().copied().filter(|name| !exclude.contains(name)).collect();
    }
    // Excluding everything leaves no filter, hence everything: as upstream.
    Ok(if selected.is_empty() { Selection::All } else { Selection::Only(selected) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &[(&str, &str)], want: Result<&[&'static str], &str>) {
        let parameters: Vec<_> = query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let got = select(&parameters, &["cpu", "loadavg", "stat"].into());
        match want {
            Ok([]) => assert_eq!(got, Ok(Selection::All)),
            Ok(names) => assert_eq!(got, Ok(Selection::Only(names.iter().copied().collect()))),
            Err(text) => assert!(got.clone().unwrap_err().contains(text), "{got:?}"),
        }
    }

    #[test]
    fn queries_select_collectors() {
        check(&[], Ok(&[]));
        check(&[("collect[]", "cpu"), ("collect[]", "stat")], Ok(&["cpu", "stat"]));
        check(&[("exclude[]", "cpu"), ("exclude[]", "unheard")], Ok(&["loadavg", "stat"]));
        check(&[("exclude[]", "cpu"), ("exclude[]", "loadavg"), ("exclude[]", "stat")], Ok(&[]));
        check(&[("collect[]", "cpu"), ("exclude[]", "stat")], Err("not allowed"));
        check(&[("collect[]", "unheard")], Err("missing collector: unheard"));
        check(&[("collect[]", "meminfo")], Err("disabled collector: meminfo"));
    }

    #[test]
    fn the_scrapers_patience_is_respected() {
        let check = |header: &str, want_ms: u64| {
            let mut headers = HeaderMap::new();
            headers.insert("x-prometheus-scrape-timeout-seconds", header.parse().unwrap());
            assert_eq!(timeout(&headers), Duration::from_millis(want_ms), "{header}");
        };
        check("10", 9_500);
        check("0.4", 200);
        check("-1", 9_500);
        check("nonsense", 9_500);
        assert_eq!(timeout(&HeaderMap::new()), Duration::from_millis(9_500));
    }
}
