//! The running whole against a receiver that records: who is told what, and how often.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State as Extracted;
use axum::routing::post;
use parking_lot::Mutex;
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::testing::{manager, posted};
use super::*;

/// Bodies that a webhook got.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<Json>>>);

impl Sink {
    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let record = |Extracted(sink): Extracted<Self>, body: String| async move {
            sink.0.lock().push(serde_json::from_str(&body).unwrap());
        };
        let router = Router::new().route("/", post(record)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    async fn wait_for(&self, n: usize) -> Vec<Json> {
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while self.0.lock().len() < n {
            assert!(std::time::Instant::now() < deadline, "{:?}", self.0.lock());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.0.lock().clone()
    }
}

fn config(url: &str) -> String {
    format!(
        "route: {{receiver: w, group_by: [g], group_wait: 1ms, group_interval: 30ms, repeat_interval: 1h}}\n\
         receivers: [{{name: w, webhook_configs: [{{url: '{url}'}}]}}]\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_is_told_once_then_what_changed() {
    let sink = Sink::default();
    let (manager, folder) = manager(&config(&sink.start().await));
    let stop = CancellationToken::new();
    let running = tokio::spawn(manager.clone().run(stop.clone()));
    assert!(manager.post(vec![posted(&[("g", "1"), ("i", "a")], None)]).is_empty());
    let first = sink.wait_for(1).await.remove(0);
    assert_eq!((&first["status"], &first["groupKey"]), (&"firing".into(), &"{}:{g=\"1\"}".into()));
    assert_eq!(first["notification_reason"], "first notification");
    assert_eq!(first["alerts"][0]["endsAt"], "0001-01-01T00:00:00Z");
    manager.post(vec![posted(&[("g", "1"), ("i", "b")], None)]);
    let second = sink.wait_for(2).await.remove(1);
    assert_eq!(
        (second["alerts"].as_array().unwrap().len(), &second["notification_reason"]),
        (2, &"new alerts added".into())
    );
    let now = manager.now();
    manager.post(vec![
        posted(&[("g", "1"), ("i", "a")], Some(now)),
        posted(&[("g", "1"), ("i", "b")], Some(now)),
    ]);
    let third = sink.wait_for(3).await.remove(2);
    assert_eq!(
        (&third["status"], &third["notification_reason"]),
        (&"resolved".into(), &"all alerts resolved".into())
    );
    stop.cancel();
    running.await.unwrap().unwrap();
    assert_eq!(sink.0.lock().len(), 3);
    assert!(std::fs::metadata(folder.path().join("data/nflog")).unwrap().len() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_does_not_tell_twice() {
    let sink = Sink::default();
    let (first, folder) = manager(&config(&sink.start().await));
    let run = |manager: Alertmanager| {
        let stop = CancellationToken::new();
        (stop.clone(), tokio::spawn(manager.run(stop)))
    };
    let (stop, running) = run(first.clone());
    first.post(vec![posted(&[("g", "1")], None)]);
    sink.wait_for(1).await;
    stop.cancel();
    running.await.unwrap().unwrap();
    let second = super::testing::reopened(&folder);
    let (stop, running) = run(second.clone());
    second.post(vec![posted(&[("g", "1")], None), posted(&[("g", "2")], None)]);
    let told = sink.wait_for(2).await;
    assert_eq!(told[1]["groupLabels"]["g"], "2");
    second.post(vec![posted(&[("g", "1")], Some(second.now()))]);
    let told = sink.wait_for(3).await;
    assert_eq!((&told[2]["groupLabels"]["g"], &told[2]["status"]), (&"1".into(), &"resolved".into()));
    stop.cancel();
    running.await.unwrap().unwrap();
}

#[test]
fn a_broken_snapshot_stops_the_start() {
    let (_, folder) = manager("route: {receiver: a}\nreceivers: [{name: a}]\n");
    std::fs::create_dir_all(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("data/silences"), [5, 1]).unwrap();
    let error = super::testing::try_open(&folder).unwrap_err().to_string();
    assert!(error.starts_with("read silences from ") && error.contains("it is cut off"), "{error}");
}
