//! Answers that are too long to be held are written as they are taken, and say the same as those that are.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::collections::BTreeSet;

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use crate::site::{NOW_S, Series, Site};

/// More than are listed in one piece.
const N_SERIES: usize = 1_500;

/// A server over series `m{id,half}` of a few samples.
async fn site() -> Site {
    let ids: Vec<String> = (0..N_SERIES).map(|id| format!("{id:04}")).collect();
    let labels: Vec<_> = ids
        .iter()
        .enumerate()
        .map(|(at, id)| {
            [("__name__", "m"), ("id", id.as_str()), ("half", if at % 2 == 0 { "0" } else { "1" })]
        })
        .collect();
    let values: Vec<f64> = (0..60).map(|n| f64::from(n * n % 77)).collect();
    let series: Vec<Series<'_>> = labels.iter().map(|labels| (&labels[..], &values[..])).collect();
    Site::with(&series).await
}

fn list(body: &Value) -> Vec<String> {
    body["data"].as_array().unwrap().iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn long_lists_hold_everything_once_and_are_cut_at_their_limit() {
    let site = site().await;
    // Sets that overlap: every second series satisfies both.
    let both = "match[]=%7Bhalf=%220%22%7D&match[]=m";
    let series = list(&site.get(&format!("/api/v1/series?{both}")).await.json());
    assert_eq!((series.len(), series.iter().collect::<BTreeSet<_>>().len()), (N_SERIES, N_SERIES));
    let values = list(&site.get(&format!("/api/v1/label/id/values?{both}")).await.json());
    assert!(values.len() == N_SERIES && values.is_sorted(), "{values:?}");
    assert_eq!(values, list(&site.get("/api/v1/label/id/values").await.json()));
    for path in ["series", "label/id/values"] {
        for (limit, is_cut) in [(7, true), (1_200, true), (N_SERIES - 1, true), (N_SERIES, false), (0, false)]
        {
            let answer = site.get(&format!("/api/v1/{path}?{both}&limit={limit}")).await.json();
            let want = if limit == 0 { N_SERIES } else { limit };
            assert_eq!(
                (list(&answer).len(), answer.get("warnings").is_some()),
                (want, is_cut),
                "{path} {limit}"
            );
        }
    }
}

#[tokio::test]
async fn a_long_range_is_the_same_whether_it_is_written_while_it_is_computed_or_after() {
    let site = site().await;
    for query in ["m", "rate(m%5B1m%5D)", "m%20%3E%2070"] {
        let path =
            format!("/api/v1/query_range?query={query}&start={}&end={NOW_S}&step=5&nocache=1", NOW_S - 600);
        let flowing = site.get(&path).await;
        // Who sets a limit wants to know whether it cut something: that is known at the end.
        let whole = site.get(&format!("{path}&limit=1000000")).await;
        assert_eq!((flowing.status.as_u16(), whole.status.as_u16()), (200, 200), "{}", flowing.body);
        assert!(flowing.body == whole.body, "{query}");
        assert!(!flowing.json()["data"]["result"].as_array().unwrap().is_empty());
    }
}

#[tokio::test]
async fn who_takes_a_range_slowly_gets_it_whole_and_holds_up_nobody() {
    let site = site().await;
    let path = format!("/api/v1/query_range?query=m&start={}&end={NOW_S}&step=2&nocache=1", NOW_S - 600);
    let ask = || site.router.clone().oneshot(Request::get(&path).body(Body::empty()).unwrap());
    // As many as there are slots, none of which is read until others were answered.
    let slow = [ask().await.unwrap(), ask().await.unwrap()];
    let want = site.get(&path).await;
    assert_eq!(want.status, 200);
    for answer in slow {
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(body == want.body.as_bytes(), "{} of {} bytes", body.len(), want.body.len());
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_range_is_an_error_and_no_half_answer() {
    let site = site().await;
    let check = async |query: &str, status: u16, words: &str| {
        let path = format!("/api/v1/query_range?query={query}&start={}&end={NOW_S}&step=5", NOW_S - 600);
        let answer = site.get(&path).await;
        assert!(answer.status.as_u16() == status && answer.body.contains(words), "{query}: {}", answer.body);
    };
    check("rate(m)", 400, "expected type range vector").await;
    check("m%20*%20on(half)%20m", 422, "many-to-many").await;
}
