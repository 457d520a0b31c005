//! The exporter's HTTP face.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use wf_exposition::text;

use crate::exporter::ContainerExporter;

/// Where the kubelet serves this page.
const KUBELET_PATH: &str = "/metrics/cadvisor";

pub(crate) fn router(exporter: ContainerExporter) -> Router {
    let path = exporter.config().metrics_path.clone();
    let mut router =
        Router::new().route(KUBELET_PATH, get(containers)).route("/healthz", get(|| async { "ok" }));
    if path != KUBELET_PATH {
        router = router.route(&path, get(everything));
    }
    if path != "/" {
        router = router.route("/", get(landing_page));
    }
    router.with_state(exporter)
}

/// Only the kubelet's path, to be merged with another component's routes.
pub(crate) fn kubelet_router(exporter: ContainerExporter) -> Router {
    Router::new().route(KUBELET_PATH, get(containers)).with_state(exporter)
}

async fn landing_page(State(exporter): State<ContainerExporter>) -> Html<String> {
    let path =
        exporter.config().metrics_path.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    Html(format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Container Exporter</title></head>\
         <body><h1>Container Exporter</h1><ul><li><a href=\"{path}\">Metrics</a></li>\
         <li><a href=\"{KUBELET_PATH}\">Metrics as of the kubelet</a></li></ul></body></html>"
    ))
}

/// Containers and machine, as the kubelet serves them.
async fn containers(State(exporter): State<ContainerExporter>) -> Response {
    page(&exporter, false).await
}

/// The same with the exporter's own numbers, as cAdvisor alone serves them.
async fn everything(State(exporter): State<ContainerExporter>) -> Response {
    page(&exporter, true).await
}

async fn page(exporter: &ContainerExporter, has_own: bool) -> Response {
    let families = match exporter.gather().await {
        Ok(families) => families,
        Err(error) => return (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    };
    let mut page = String::with_capacity(256 << 10);
    text::write_page(&mut page, &families);
    if has_own {
        text::write_page(&mut page, &exporter.registry().gather());
    }
    ([(header::CONTENT_TYPE, text::CONTENT_TYPE)], page).into_response()
}
