//! What is written down about queries: the query log and the engine's own numbers.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use serde_json::Value;

use crate::site::{NOW_S, Series, Site};

const UP: Series<'_> = (&[("__name__", "up")], &[0.0, 1.0, 1.0]);

fn lines(path: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn queries_are_logged_from_one_reload_to_the_next() {
    let site = Site::with(&[UP]).await;
    let (config, log) = (site.folder.path().join("prometheus.yml"), site.folder.path().join("query.log"));
    assert!(site.get("/metrics").await.body.contains("prometheus_engine_query_log_enabled 0\n"));
    site.get("/api/v1/query?query=up").await;
    std::fs::write(&config, "global: {query_log_file: query.log}\n").unwrap();
    assert_eq!(site.post("/-/reload", "").await.status.as_u16(), 200);
    assert!(site.get("/metrics").await.body.contains("prometheus_engine_query_log_enabled 1\n"));

    site.get("/api/v1/query?query=up").await;
    site.get("/api/v1/query?query=up%20%2B").await;
    site.get("/api/v1/query?query=up%20%2B%20on()%20group_left%20{__name__=~%22u.*%22}").await;
    site.post("/api/v1/query_range", &format!("query=up&start={}&end={NOW_S}&step=10", NOW_S - 20)).await;
    let logged = lines(&log);
    let params: Vec<String> = logged.iter().map(|line| line["params"].to_string()).collect();
    let now = "2023-11-14T22:13:20.000Z";
    assert_eq!(
        params,
        [
            format!(r#"{{"end":"{now}","query":"up","start":"{now}","step":0}}"#),
            format!(
                r#"{{"end":"{now}","query":"up + on() group_left {{__name__=~\"u.*\"}}","start":"{now}","step":0}}"#
            ),
            format!(r#"{{"end":"{now}","query":"up","start":"2023-11-14T22:13:00.000Z","step":10}}"#),
        ]
    );
    assert_eq!(logged[2]["httpRequest"]["method"], "POST");
    assert_eq!(logged[2]["httpRequest"]["path"], "/api/v1/query_range");
    assert_eq!(logged[2]["stats"]["samples"]["totalQueryableSamples"], 3);

    // Moved away: the next reload lets go of it.
    let moved = site.folder.path().join("moved.log");
    std::fs::rename(&log, &moved).unwrap();
    site.get("/api/v1/query?query=1").await;
    site.post("/-/reload", "").await;
    site.get("/api/v1/query?query=2").await;
    assert_eq!((lines(&moved).len(), lines(&log).len()), (4, 1));

    std::fs::write(&config, "global: {query_log_file: no/such/folder/query.log}\n").unwrap();
    let refused = site.post("/-/reload", "").await;
    assert!(refused.status.is_server_error() && refused.body.contains("no/such/folder"), "{}", refused.body);
    site.get("/api/v1/query?query=3").await;
    assert_eq!(lines(&log).len(), 2, "the old configuration stays in force");
}

#[tokio::test]
async fn the_engine_counts_what_it_does() {
    let site = Site::with(&[UP]).await;
    for _ in 0..3 {
        site.get("/api/v1/query?query=sum_over_time(up[30s])").await;
    }
    let page = site.get("/metrics").await.body;
    for line in [
        "prometheus_engine_queries 0",
        "prometheus_engine_queries_concurrent_max 2",
        "prometheus_engine_query_samples_total 9",
        "prometheus_engine_query_samples_read_total 9",
        "prometheus_engine_query_log_failures_total 0",
        "prometheus_engine_query_duration_seconds_count{slice=\"inner_eval\"} 3",
        "prometheus_engine_query_duration_histogram_seconds_bucket{slice=\"result_sort\",le=\"+Inf\"} 3",
        "prometheus_engine_query_duration_histogram_seconds_count{slice=\"queue_time\"} 3",
    ] {
        assert!(page.contains(&format!("{line}\n")), "{line} is missing");
    }
    let active = std::fs::read(site.folder.path().join("data/queries.active")).unwrap();
    assert_eq!((active.len(), active[0]), (2001, b'['));
    assert!(active[1..].iter().all(|byte| *byte == 0), "nothing runs any more");
}

#[tokio::test]
async fn a_plan_tells_what_is_expected_and_what_it_cost() {
    let site = Site::with(&[UP]).await;
    let path = format!(
        "/api/v1/query_explain?query=sum(rate(up[30s]))%20%2B%201&start={}&end={NOW_S}&step=10",
        NOW_S - 20
    );
    let planned = site.get(&path).await.json();
    let nodes = planned["data"]["nodes"].as_array().unwrap();
    assert_eq!(nodes[0]["operator"], "elementwise +");
    assert_eq!(
        (nodes[0]["parent"].clone(), nodes[0]["children"].to_string()),
        (Value::Null, "[1,4]".to_owned())
    );
    assert!(
        nodes.iter().all(|node| node["actual"].is_null() && node["estimate"]["rows"].is_u64()),
        "{nodes:?}"
    );
    assert_eq!(planned["data"]["scans"][0]["series"], 1);
    assert!(planned["data"]["stats"].is_null());

    let ran = site.post("/api/v1/query_explain", "query=sum(rate(up[30s]))&analyze=true").await.json();
    let root = &ran["data"]["nodes"][0];
    assert_eq!(
        (root["operator"].as_str(), root["actual"]["series"].as_u64()),
        (Some("aggregate sum"), Some(1))
    );
    assert!(
        root["actual"]["time"].is_number() && ran["data"]["stats"]["samples"]["samplesRead"] == 3,
        "{ran}"
    );
    assert!(ran["data"]["text"].as_str().unwrap().contains("aggregate sum"));
    assert_eq!(site.get("/api/v1/query_explain?query=sum(").await.status.as_u16(), 400);
    assert_eq!(site.get("/api/v1/query_explain?query=1&analyze=maybe").await.status.as_u16(), 400);
}
