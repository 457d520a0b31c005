//! The notifier against Alertmanagers that are down, refuse, and come back.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use super::*;
use crate::group::tests::{Bench, MINUTE, spec};
use crate::group::{Past, RuleGroup};
use crate::schedule::Tick;

fn alert(name: &str, ends_at_ms: i64) -> OutgoingAlert {
    OutgoingAlert {
        labels: Labels::from_pairs([("alertname", name)]),
        annotations: Arc::new([]),
        starts_at_ms: 1,
        ends_at_ms,
        generator_url: "".into(),
    }
}

fn names(alerts: &[OutgoingAlert]) -> Vec<String> {
    alerts
        .iter()
        .map(|alert| format!("{}@{}", alert.labels.get("alertname").unwrap(), alert.ends_at_ms))
        .collect()
}

#[test]
fn a_queue_keeps_order_and_says_what_is_new() {
    let queue = AlertQueue::new(10);
    queue.push([alert("a", 1), alert("b", 1), alert("c", 1)]);
    queue.push([alert("a", 2)]);
    let batch = queue.take(2);
    assert_eq!(names(&batch), ["a@2", "b@1"]);
    queue.push([alert("b", 3), alert("d", 1)]);
    assert_eq!(queue.give_back(batch), 0);
    assert_eq!(names(&queue.take(9)), ["a@2", "c@1", "b@3", "d@1"]);
}

#[test]
fn a_full_queue_drops_the_oldest_and_counts_them() {
    let queue = AlertQueue::new(2);
    assert_eq!(queue.push([alert("a", 1), alert("b", 1), alert("c", 1)]), 1);
    let batch = queue.take(1);
    assert_eq!(queue.push([alert("d", 1)]), 0);
    assert_eq!(queue.give_back(batch), 1, "b was the oldest");
    assert_eq!(names(&queue.take(9)), ["c@1", "d@1"]);
}

/// Puts what it hears into a queue that nobody empties.
struct Stuck(Arc<AlertQueue>);

impl AlertReceiver for Stuck {
    fn receive(&self, alerts: Vec<OutgoingAlert>) {
        self.0.push(alerts);
    }
}

#[test]
fn an_alertmanager_that_was_down_for_an_hour_is_told_the_present_once() {
    let queue = Arc::new(AlertQueue::new(100));
    let bench = Bench::with_receiver(|_| Arc::new(Stuck(Arc::clone(&queue))));
    let group = RuleGroup::new(spec("{alert: A, expr: up == 0}"), Past::None);
    for minute in 0..60 {
        bench.write("up", "stays", minute * MINUTE, 0.0);
        bench.write("up", "heals", minute * MINUTE, if minute < 50 { 0.0 } else { 1.0 });
        group.on_tick(Tick { at_ms: minute * MINUTE, n_missed: 0, step_ms: 0 }, &bench.env);
        // Every attempt fails.
        let batch = queue.take(64);
        queue.give_back(batch);
    }
    let mut told = queue.take(64);
    told.sort_by(|a, b| a.labels.cmp(&b.labels));
    let seen: Vec<_> = told
        .iter()
        .map(|alert| {
            (alert.labels.get("instance").unwrap(), alert.starts_at_ms / MINUTE, alert.ends_at_ms / MINUTE)
        })
        .collect();
    assert_eq!(seen[0], ("heals", 0, 50));
    assert_eq!((seen[1].0, seen[1].1, seen.len()), ("stays", 0, 2));
    assert!(seen[1].2 > 60, "it fires on: {seen:?}");
}

/// An Alertmanager that gives these answers, one a request, and tells the bodies.
fn fake(listener: TcpListener, statuses: &'static [u16]) -> mpsc::Receiver<String> {
    let (tell, told) = mpsc::sync_channel(16);
    std::thread::spawn(move || {
        for status in statuses {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut n_bytes = 0;
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap() > 2 {
                if let Some(length) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    n_bytes = length.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; n_bytes];
            reader.read_exact(&mut body).unwrap();
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
            tell.send(String::from_utf8(body).unwrap()).unwrap();
        }
    });
    told
}

fn config(addresses: &[SocketAddr], extra: &str) -> AlertingConfig {
    let sets: Vec<String> = addresses
        .iter()
        .map(|address| format!("{{static_configs: [{{targets: ['{address}']}}], {extra}}}"))
        .collect();
    let text = format!(
        "alerting: {{alert_relabel_configs: [{{action: labeldrop, regex: replica}}], alertmanagers: [{}]}}",
        sets.join(", ")
    );
    wf_config::load(&text, Path::new("p.yml")).unwrap().alerting
}

fn told(receiver: &mpsc::Receiver<String>) -> serde_json::Value {
    serde_json::from_str(&receiver.recv_timeout(Duration::from_secs(60)).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_are_relabeled_sent_again_after_a_failure_and_drained_at_the_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let received = fake(listener, &[503, 200, 400, 200]);
    let registry = Registry::new();
    let notifier = Notifier::new(NotifierOptions::default(), &registry);
    let external = Labels::from_pairs([("region", "eu"), ("replica", "1")]);
    let only_team = "alert_relabel_configs: [{action: drop, source_labels: [alertname], regex: quiet}]";
    notifier.reload(&config(&[address], only_team), &external).unwrap();
    notifier.receive(vec![alert("loud", 5), alert("quiet", 5)]);
    let first = told(&received);
    assert_eq!(first[0]["labels"], serde_json::json!({"alertname": "loud", "region": "eu"}));
    assert_eq!(first.as_array().unwrap().len(), 1);
    assert_eq!(told(&received), first, "503 is no answer");
    notifier.receive(vec![alert("refused", 5)]);
    assert_eq!(told(&received)[0]["labels"]["alertname"], "refused");
    notifier.receive(vec![alert("last", 5)]);
    notifier.stop().await;
    assert_eq!(told(&received)[0]["labels"]["alertname"], "last");
    let url = format!("http://{address}/api/v2/alerts");
    let counts = [&notifier.metrics.sent, &notifier.metrics.errors, &notifier.metrics.dropped];
    assert_eq!(counts.map(|counter| counter.with(&[&url]).get()), [4.0, 2.0, 1.0]);
    assert_eq!(notifier.alertmanagers().active, [url]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_down_does_not_delay_the_others_and_a_reload_keeps_what_waits() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let open = listener.local_addr().unwrap();
    let received = fake(listener, &[200]);
    let notifier =
        Notifier::new(NotifierOptions { drains: false, ..NotifierOptions::default() }, &Registry::new());
    notifier.reload(&config(&[closed, open], ""), &Labels::empty()).unwrap();
    notifier.receive(vec![alert("a", 5)]);
    assert_eq!(told(&received)[0]["labels"]["alertname"], "a");
    notifier.reload(&config(&[closed], "timeout: 3s"), &Labels::empty()).unwrap();
    let waits = || notifier.state.lock().running.values().map(|running| running.queue.len()).sum::<usize>();
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    // In the hands of a worker for the moment of an attempt.
    while waits() != 1 {
        assert!(std::time::Instant::now() < deadline, "what waited was lost");
        tokio::task::yield_now().await;
    }
    notifier.stop().await;
}
