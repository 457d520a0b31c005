//! `/admin/tsdb/…`: what deletes and copies is off until it is asked for, and then does what it says.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::path::Path;

use serde_json::Value;
use wf_model::TimeRange;
use wf_series::{LabelQuery, SeriesSource};
use wf_tsdb::{Tsdb, TsdbOptions};

use crate::site::{NOW_S, Series, Site};

const UP: Series<'_> = (&[("__name__", "up"), ("job", "node")], &[0.0, 1.0, 1.0]);
const LOAD: Series<'_> = (&[("__name__", "load"), ("job", "node")], &[0.5, 1.5, 2.5]);

async fn values(site: &Site, metric: &str) -> Value {
    let path = format!("/api/v1/query?query={metric}[1m]");
    site.get(&path).await.json()["data"]["result"][0]["values"].clone()
}

async fn check_refused(site: &Site, path: &str, form: &str, want: &str) {
    let answer = site.post(path, form).await;
    assert_eq!(answer.status, 400, "{path} {form}: {}", answer.body);
    let body = answer.json();
    assert_eq!(body["errorType"], "bad_data", "{path} {form}");
    assert!(body["error"].as_str().unwrap().contains(want), "{path} {form}: {body}");
}

fn metrics_in(dir: &Path) -> Vec<String> {
    let options = TsdbOptions { compaction_thread: false, ..TsdbOptions::default() };
    let tsdb = Tsdb::open(dir, options, NOW_S * 1000).unwrap();
    let query = LabelQuery { matcher_sets: &[], range: TimeRange::ALL };
    let names = tsdb.label_values("__name__", &query).unwrap();
    tsdb.close().unwrap();
    names
}

#[tokio::test]
async fn nothing_is_done_unless_it_was_enabled() {
    let site = Site::with(&[UP]).await;
    for (path, form) in [("delete_series", "match[]=up"), ("clean_tombstones", ""), ("snapshot", "")] {
        let answer = site.post(&format!("/api/v1/admin/tsdb/{path}"), form).await;
        assert_eq!(answer.status, 500, "{path}");
        assert_eq!(
            answer.body, r#"{"status":"error","errorType":"unavailable","error":"admin APIs disabled"}"#,
            "{path}"
        );
    }
    assert_eq!(values(&site, "up").await.as_array().unwrap().len(), 3);
    assert!(!site.folder.path().join("data/snapshots").exists());
}

#[tokio::test]
async fn deleted_samples_are_gone_and_all_others_stay() {
    let site = Site::with_admin(&[UP, LOAD]).await;
    let delete = "/api/v1/admin/tsdb/delete_series";
    let form = format!("match[]=up&start={}&end={}", NOW_S - 20, NOW_S - 10);
    assert_eq!(site.post(delete, &form).await.status, 204);
    assert_eq!(values(&site, "up").await, serde_json::json!([[NOW_S, "1"]]));
    assert_eq!(values(&site, "load").await.as_array().unwrap().len(), 3);
    assert_eq!(site.post("/api/v1/admin/tsdb/clean_tombstones", "").await.status, 204);
    assert_eq!(site.post(delete, "match[]=up&match[]=load").await.status, 204);
    assert_eq!(values(&site, "up").await, Value::Null);
    assert_eq!(values(&site, "load").await, Value::Null);
}

#[tokio::test]
async fn a_snapshot_is_a_data_directory_with_or_without_what_is_in_memory() {
    let site = Site::with_admin(&[UP, LOAD]).await;
    for (form, want) in
        [("", vec!["load", "up"]), ("skip_head=false", vec!["load", "up"]), ("skip_head=true", vec![])]
    {
        let answer = site.post("/api/v1/admin/tsdb/snapshot", form).await;
        assert_eq!(answer.status, 200, "{form}: {}", answer.body);
        let name = answer.json()["data"]["name"].as_str().unwrap().to_owned();
        assert!(name.starts_with("20231114T221320Z-"), "{name}");
        assert_eq!(metrics_in(&site.folder.path().join("data/snapshots").join(name)), want, "{form}");
    }
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_and_changes_nothing() {
    let site = Site::with_admin(&[UP]).await;
    let delete = "/api/v1/admin/tsdb/delete_series";
    check_refused(&site, delete, "", "no match[] parameter provided").await;
    check_refused(&site, delete, "match[]=up{", "parse error").await;
    check_refused(&site, delete, "match[]=up&match[]=%7B%7D", "match[]").await;
    check_refused(&site, delete, "match[]=up&start=soon", "start").await;
    check_refused(&site, delete, "match[]=up&end=x", "end").await;
    check_refused(&site, "/api/v1/admin/tsdb/snapshot", "skip_head=maybe", "skip_head").await;
    assert_eq!(site.get(delete).await.status, 405);
    assert_eq!(values(&site, "up").await.as_array().unwrap().len(), 3);
}
