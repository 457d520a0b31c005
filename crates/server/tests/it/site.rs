//! A server with known samples, a fixed clock and no listener.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use wf_httpkit::Registry;
use wf_model::Labels;
use wf_promql::engine::EngineOptions;
use wf_series::{Acknowledge, SampleSink, WriteBatch};
use wf_server::{Config, ConfigSource, Facts, Server, ServerError, Ui};
use wf_tsdb::{Tsdb, TsdbOptions};

/// What the clock says, s.
pub(crate) const NOW_S: i64 = 1_700_000_000;

/// Labels of a series, and its samples.
pub(crate) type Series<'a> = (&'a [(&'a str, &'a str)], &'a [f64]);

/// A running server and its folder.
pub(crate) struct Site {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) router: Router,
    /// Where the server is mounted.
    pub(crate) prefix: &'static str,
    stop: CancellationToken,
    running: Option<JoinHandle<Result<(), ServerError>>>,
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

impl Site {
    /// Builds a server over `series` (labels, samples of every 10 s that end now) without running it.
    pub(crate) fn stopped(series: &[Series<'_>]) -> (Self, Server) {
        Self::stopped_under("", series)
    }

    /// As [`Site::stopped`], served under a path.
    pub(crate) fn stopped_under(prefix: &str, series: &[Series<'_>]) -> (Self, Server) {
        Self::built(prefix, series, |facts, _| facts)
    }

    /// A running server over `series` that searches.
    pub(crate) async fn with_search(series: &[Series<'_>]) -> Self {
        let (mut site, server) =
            Self::built("", series, |facts, _| Facts { is_search_enabled: true, ..facts });
        site.run(server).await;
        site
    }

    /// A running server over `series` with consoles and files.
    pub(crate) async fn with_pages(series: &[Series<'_>]) -> Self {
        let (mut site, server) = Self::built("", series, |facts, folder| Facts {
            console_templates: folder.join("consoles"),
            console_libraries: folder.join("libraries"),
            user_assets: folder.join("assets"),
            ..facts
        });
        site.run(server).await;
        site
    }

    /// A running server over `series` whose admin API is on.
    pub(crate) async fn with_admin(series: &[Series<'_>]) -> Self {
        let (mut site, server) =
            Self::built("", series, |facts, _| Facts { is_admin_enabled: true, ..facts });
        site.run(server).await;
        site
    }

    fn built(
        prefix: &str,
        series: &[Series<'_>],
        adapt: impl FnOnce(Facts, &Path) -> Facts,
    ) -> (Self, Server) {
        let folder = tempfile::tempdir().unwrap();
        fill(&folder.path().join("data"), series);
        std::fs::write(folder.path().join("prometheus.yml"), "global: {scrape_interval: 15s}\n").unwrap();
        let config = Config {
            source: ConfigSource::File(
                folder.path().join("prometheus.yml"),
                wf_config::LoadOptions::default(),
            ),
            data: folder.path().join("data"),
            tsdb: TsdbOptions::default(),
            keeps_exemplars: true,
            scrape_features: wf_server::ScrapeFeatures::default(),
            engine: EngineOptions::default(),
            rules: wf_server::RuleOptions::default(),
            range_cache_bytes: 1 << 20,
            n_query_slots: 2,
            memory_pressure: None,
            cors_origin: ".*".to_owned(),
            route_prefix: prefix.to_owned(),
            base_path: format!("{prefix}/"),
            ui: Ui::Absent("a test"),
            facts: adapt(
                Facts { is_lifecycle_enabled: true, search_limit_max: 1_000, ..Facts::default() },
                folder.path(),
            ),
        };
        let server = Server::new(config, Registry::new(), Arc::new(|| NOW_S * 1000)).unwrap();
        let router = server.router();
        (Self { folder, router, prefix: "", stop: CancellationToken::new(), running: None }, server)
    }

    /// Runs `server` and waits until it is ready.
    pub(crate) async fn run(&mut self, server: Server) {
        let stop = self.stop.clone();
        self.running = Some(tokio::spawn(server.run(stop.clone(), stop)));
        while self.get(&format!("{}/-/ready", self.prefix)).await.status != StatusCode::OK {
            assert!(!self.running.as_ref().unwrap().is_finished(), "the server ended before it was ready");
            tokio::task::yield_now().await;
        }
    }

    /// A running server over `series`.
    pub(crate) async fn with(series: &[Series<'_>]) -> Self {
        let (mut site, server) = Self::stopped(series);
        site.run(server).await;
        site
    }

    /// Waits for the server's own end.
    pub(crate) async fn ended(mut self) -> Result<(), ServerError> {
        self.running.take().unwrap().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, form: &str) -> Answer {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.ask(request.body(Body::from(form.to_owned())).unwrap()).await
    }

    pub(crate) async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, body }
    }
}

fn fill(data: &Path, series: &[Series<'_>]) {
    let tsdb = Tsdb::open(data, TsdbOptions::default(), NOW_S * 1000).unwrap();
    for (labels, values) in series {
        let series = tsdb.resolve(&Labels::from_pairs(labels.iter().copied())).unwrap();
        let mut batch = WriteBatch::default();
        for (idx, value) in values.iter().rev().enumerate() {
            batch.push(series, (NOW_S - 10 * idx as i64) * 1000, *value);
        }
        batch.times_ms.reverse();
        batch.values.reverse();
        tsdb.append(&batch, Acknowledge::Written).unwrap();
    }
    tsdb.close().unwrap();
}
