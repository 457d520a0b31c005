//! What is written is found again, within its limits.

use std::collections::BTreeMap;

use super::*;
use crate::alert::testing::at;
use wf_model::Matcher;

fn record(seconds: i64, alerts: &[(u64, AlertOutcome)], told: Vec<ToldOutcome>) -> Record {
    let alert = |(fingerprint, outcome): &(u64, AlertOutcome)| AlertRecord {
        fingerprint: *fingerprint,
        labels: Labels::from_pairs([("alertname", "t".to_owned()), ("n", fingerprint.to_string())]),
        outcome: outcome.clone(),
    };
    let told = told.into_iter().enumerate();
    let told =
        told.map(|(idx, outcome)| ToldRecord { integration: format!("webhook[{idx}]"), outcome }).collect();
    Record {
        at: at(seconds),
        group_key: "{}:{}".to_owned(),
        route: "{}".to_owned(),
        receiver: "r".to_owned(),
        alerts: alerts.iter().map(alert).collect(),
        told,
    }
}

fn find(folder: &Path, name: &str, value: &str) -> BTreeMap<u64, Found> {
    let mut found = BTreeMap::new();
    search(folder, &[Matcher::equal(name, value)], &mut found).unwrap();
    found
}

const LIMITS: Limits = Limits { retention: Duration::from_secs(3600), bytes_max: 1 << 20 };
const FIRING: AlertOutcome = AlertOutcome::Passed { is_resolved: false };

#[test]
fn each_alert_has_its_own_story() {
    let folder = tempfile::tempdir().unwrap();
    assert!(find(folder.path(), "n", "1").is_empty());
    let mut writer = Writer::new(folder.path().to_owned(), LIMITS);
    let silenced = AlertOutcome::Silenced(vec!["id".to_owned()]);
    let inhibited = AlertOutcome::Inhibited { rule: 3, source: 255 };
    let first = record(100, &[(1, FIRING), (2, silenced)], vec![ToldOutcome::Sent("first notification")]);
    let failed = vec![ToldOutcome::Failed("no answer".to_owned()), ToldOutcome::Known];
    let second = record(200, &[(1, FIRING), (2, inhibited)], failed);
    writer.write(&[first, second]).unwrap();
    // What a crash tore is passed over; a later run begins a segment of its own.
    let torn = folder.path().join("00000001.jsonl");
    let mut text = std::fs::read_to_string(&torn).unwrap();
    text.push_str("{\"t\":\"0000000000000001");
    std::fs::write(&torn, text).unwrap();
    let muted = AlertOutcome::Muted { is_inactive: true, intervals: vec!["office".to_owned()] };
    Writer::new(folder.path().to_owned(), LIMITS).write(&[record(300, &[(1, muted)], vec![])]).unwrap();
    let outcomes = |value: &str| -> Vec<String> {
        let found = find(folder.path(), "n", value);
        let events = found.values().flat_map(|found| &found.events);
        events
            .map(|event| format!("{} {}", event["outcome"].as_str().unwrap(), event["why"].as_str().unwrap()))
            .collect()
    };
    assert_eq!(
        outcomes("1"),
        [
            "sent first notification",
            "failed no answer",
            "not repeated told before, and the repeat interval has not passed",
            "muted outside of active time interval office",
        ]
    );
    assert_eq!(
        outcomes("2"),
        ["silenced silence id", "inhibited inhibition rule #3: alert 00000000000000ff fires"]
    );
    let by = &find(folder.path(), "n", "2")[&2].events[1]["by"];
    assert_eq!(by, &json!(["00000000000000ff"]));
    assert_eq!(find(folder.path(), "alertname", "t").len(), 2);
}

#[test]
fn the_disk_holds_no_more_than_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { bytes_max: 16_000, ..LIMITS };
    let mut writer = Writer::new(folder.path().to_owned(), limits);
    for number in 0..1000 {
        writer.write(&[record(100, &[(number, FIRING)], vec![ToldOutcome::Sent("x")])]).unwrap();
    }
    let sizes = write::segments(folder.path()).unwrap();
    let bytes: u64 = sizes.iter().map(|(_, path)| std::fs::metadata(path).unwrap().len()).sum();
    assert!(bytes <= 17_000 && bytes > 8_000, "{bytes}");
    assert_eq!((find(folder.path(), "n", "999").len(), find(folder.path(), "n", "0").len()), (1, 0));
}

#[tokio::test]
async fn only_news_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::new(folder.path(), LIMITS, &Registry::new());
    let known = || record(100, &[(1, FIRING)], vec![ToldOutcome::Known]);
    history.note(record(100, &[(1, FIRING)], vec![ToldOutcome::Sent("first notification")]));
    history.note(known());
    history.note(known());
    history.note(record(100, &[(1, FIRING), (2, FIRING)], vec![ToldOutcome::Known]));
    let stop = tokio_util::sync::CancellationToken::new();
    stop.cancel();
    history.run(stop).await;
    assert_eq!(find(history.folder(), "n", "1")[&1].events.len(), 3);
}
