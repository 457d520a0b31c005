//! Readiness, reload, quit, and what lies around every answer.

use axum::body::Body;
use http::{Method, Request};

use crate::site::Site;

#[tokio::test]
async fn nothing_that_needs_storage_is_answered_before_it_is_open() {
    let (mut site, server) = Site::stopped(&[]);
    for path in ["/-/ready", "/api/v1/query?query=1", "/api/v1/targets", "/api/v1/status/config"] {
        let answer = site.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (503, "Service Unavailable"), "{path}");
        assert_eq!(answer.headers["x-prometheus-stopping"], "false");
    }
    assert_eq!(site.get("/-/healthy").await.body, "Prometheus Server is Healthy.\n");
    assert_eq!(site.get("/api/v1/status/walreplay").await.status, 200);
    assert_eq!(site.get("/metrics").await.status, 200);
    site.run(server).await;
    assert_eq!(site.get("/-/ready").await.body, "Prometheus Server is Ready.\n");
    assert_eq!(site.get("/api/v1/query?query=1").await.status, 200);
}

#[tokio::test]
async fn a_reload_takes_all_or_nothing() {
    let site = Site::with(&[]).await;
    let file = site.folder.path().join("prometheus.yml");
    let interval = async || {
        let yaml = site.get("/api/v1/status/config").await.json()["data"]["yaml"].clone();
        yaml.as_str().unwrap().lines().nth(1).unwrap().to_owned()
    };
    std::fs::write(&file, "global: {scrape_interval: 20s}\n").unwrap();
    assert_eq!(site.post("/-/reload", "").await.status, 200);
    assert_eq!(interval().await, "  scrape_interval: 20s");
    std::fs::write(&file, "global: {scrape_interval: 25s, scrape_intervall: 1s}\n").unwrap();
    let refused = site.post("/-/reload", "").await;
    assert_eq!(refused.status, 500);
    assert!(
        refused.body.starts_with("failed to reload config: ") && refused.body.contains("prometheus.yml:1:32"),
        "{}",
        refused.body
    );
    assert_eq!(interval().await, "  scrape_interval: 20s", "the old configuration stays in force");
    let runtime = site.get("/api/v1/status/runtimeinfo").await.json();
    assert_eq!(runtime["data"]["reloadConfigSuccess"], false);
    let metrics = site.get("/metrics").await.body;
    assert!(metrics.contains("\nprometheus_config_last_reload_successful 0\n"), "{metrics}");
}

#[tokio::test]
async fn a_reload_that_fails_late_leaves_the_old_targets() {
    let site = Site::with(&[]).await;
    let pools = async || {
        let targets = site.get("/api/v1/targets").await.json()["data"]["activeTargets"].clone();
        let targets = targets.as_array().unwrap().iter();
        targets.map(|target| target["scrapePool"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let before = pools().await;
    let text = "scrape_configs: [{job_name: new, scrape_interval: 1h, static_configs: [{targets: ['127.0.0.1:1']}]}]\n\
        alerting: {alertmanagers: [{tls_config: {ca_file: /no/such/ca.pem}, static_configs: [{targets: ['127.0.0.1:1']}]}]}\n";
    std::fs::write(site.folder.path().join("prometheus.yml"), text).unwrap();
    let refused = site.post("/-/reload", "").await;
    assert_eq!(refused.status, 500, "{}", refused.body);
    assert!(refused.body.contains("ca.pem"), "{}", refused.body);
    assert_eq!(pools().await, before);
}

#[tokio::test]
async fn quit_ends_the_server_and_only_writes_may_ask_for_it() {
    let site = Site::with(&[]).await;
    let refused = site.get("/-/quit").await;
    assert_eq!((refused.status.as_u16(), refused.body.as_str()), (405, "Only POST or PUT requests allowed"));
    assert_eq!(site.post("/-/quit", "").await.status, 200);
    site.ended().await.unwrap();
}

#[tokio::test]
async fn browsers_are_told_what_they_may_read() {
    let site = Site::with(&[]).await;
    let preflight =
        Request::builder().method(Method::OPTIONS).uri("/api/v1/query").header("origin", "http://a");
    let answer = site.ask(preflight.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    assert_eq!(answer.headers["access-control-allow-methods"], "GET, POST, OPTIONS");
    let plain = site.get("/api/v1/query?query=1").await;
    assert_eq!(plain.headers["vary"], "Origin");
    assert!(plain.headers.get("access-control-allow-origin").is_none());
}

#[tokio::test]
async fn old_addresses_and_the_missing_page_lead_somewhere() {
    let site = Site::with(&[]).await;
    let graph = site.get("/graph?g0.expr=up").await;
    assert_eq!(
        (graph.status.as_u16(), &graph.headers["location"]),
        (302, &"/query?g0.expr=up".parse().unwrap())
    );
    let home = site.get("/").await;
    assert!(home.status == 200 && home.body.contains("without the web UI: a test"), "{}", home.body);
    let metrics = site.get("/metrics").await;
    assert!(metrics.headers["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
    for name in ["prometheus_ready 1", "prometheus_tsdb_head_series 0", "prometheus_engine_queries 0"] {
        assert!(metrics.body.contains(&format!("\n{name}\n")), "{name} in {}", metrics.body);
    }
}

#[tokio::test]
async fn everything_moves_under_the_route_prefix() {
    let (mut site, server) = Site::stopped_under("/prom", &[]);
    let away = site.get("/").await;
    assert_eq!((away.status.as_u16(), &away.headers["location"]), (307, &"/prom/".parse().unwrap()));
    for path in ["/prom/", "/prom", "/prom/-/healthy", "/prom/metrics"] {
        assert_eq!(site.get(path).await.status, 200, "{path}");
    }
    assert_eq!(site.get("/-/healthy").await.status, 404);
    site.prefix = "/prom";
    site.run(server).await;
    assert_eq!(site.get("/prom/api/v1/query?query=1").await.status, 200);
    assert_eq!(site.get("/prom/graph?a=1").await.headers["location"], "/prom/query?a=1");
}

#[tokio::test]
async fn a_reload_changes_retention_and_room_for_exemplars() {
    let site = Site::with(&[]).await;
    let page = site.get("/metrics").await.body;
    assert!(page.contains("\nprometheus_tsdb_exemplar_max_exemplars 100000\n"), "{page}");
    let storage = "storage:\n  tsdb: {retention: {size: 1MB}}\n  exemplars: {max_exemplars: 3}\n";
    std::fs::write(site.folder.path().join("prometheus.yml"), storage).unwrap();
    assert_eq!(site.post("/-/reload", "").await.status, 200);
    let page = site.get("/metrics").await.body;
    for line in [
        "prometheus_tsdb_exemplar_max_exemplars 3",
        "prometheus_tsdb_retention_limit_seconds 0",
        "prometheus_tsdb_retention_limit_bytes 1.048576e+06",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}: {page}");
    }
    let info = site.get("/api/v1/status/runtimeinfo").await.json();
    assert_eq!(info["data"]["storageRetention"], "1048576B");
}
