//! Range queries answer alike with and without what earlier ones left, whatever happens to the data in between.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use crate::site::{NOW_S, Site};

/// Range queries over half an hour, the last minutes of which are not settled.
const QUERIES: [&str; 4] = [
    "c_total",
    "rate(c_total[1m])",
    "sum(c_total) by (job)",
    "max_over_time(c_total[2m:30s]) - c_total offset 1m",
];

fn samples() -> Vec<f64> {
    (0..180).map(|n| f64::from(n * n % 77)).collect()
}

fn path(query: &str, start_s: i64, end_s: i64) -> String {
    let query: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
    format!("/api/v1/query_range?query={query}&start={start_s}&end={end_s}&step=15")
}

async fn hits(site: &Site) -> String {
    let page = site.get("/metrics").await.body;
    let line = page.lines().find(|line| line.starts_with("watchfire_query_range_cache_hits_total "));
    line.unwrap().rsplit(' ').next().unwrap().to_owned()
}

async fn check_equal(site: &Site) {
    for query in QUERIES {
        for (start_s, end_s) in
            [(NOW_S - 1800, NOW_S - 60), (NOW_S - 1500, NOW_S), (NOW_S - 1500, NOW_S - 900)]
        {
            let path = path(query, start_s, end_s);
            let cached = site.get(&path).await;
            let fresh = site.get(&format!("{path}&nocache=1")).await;
            assert_eq!((cached.status.as_u16(), &cached.body), (200, &fresh.body), "{path}");
        }
    }
}

#[tokio::test]
async fn kept_results_are_those_that_would_be_computed() {
    let samples = samples();
    let site = Site::with(&[(&[("__name__", "c_total"), ("job", "a")], &samples)]).await;
    check_equal(&site).await;
    let first = hits(&site).await;
    assert_eq!(first, "8");
    check_equal(&site).await;
    assert_eq!(hits(&site).await, "20");
    // Whoever wants figures about the query gets those of the whole.
    let path = path(QUERIES[0], NOW_S - 1800, NOW_S);
    assert_eq!(site.get(&format!("{path}&stats=all")).await.status, 200);
    assert_eq!(hits(&site).await, "20");
}

#[tokio::test]
async fn what_is_deleted_is_gone_from_kept_results_too() {
    let samples = samples();
    let site = Site::with_admin(&[(&[("__name__", "c_total"), ("job", "a")], &samples)]).await;
    check_equal(&site).await;
    let form = format!("match[]=c_total&start={}&end={}", NOW_S - 1200, NOW_S - 1000);
    assert_eq!(site.post("/api/v1/admin/tsdb/delete_series", &form).await.status, 204);
    check_equal(&site).await;
    assert_eq!(site.post("/api/v1/admin/tsdb/clean_tombstones", "").await.status, 204);
    check_equal(&site).await;
}

#[tokio::test]
async fn a_reload_begins_with_nothing_kept() {
    let samples = samples();
    let site = Site::with(&[(&[("__name__", "c_total"), ("job", "a")], &samples)]).await;
    check_equal(&site).await;
    assert_eq!(site.post("/-/reload", "").await.status, 200);
    assert_eq!(hits(&site).await, "0");
    check_equal(&site).await;
}
