//! Cases of the specification.

use std::time::Duration;

use wf_model::Labels;

use super::*;
use crate::alert::testing::at;
use crate::matchers::Mode;

fn silence(matchers: &str, start: i64, end: i64) -> Silence {
    Silence {
        id: String::new(),
        matcher_sets: vec![Mode::Fallback.parse(matchers).unwrap()],
        starts_at: at(start),
        ends_at: at(end),
        updated_at: at(0),
        created_by: "me".to_owned(),
        comment: "because".to_owned(),
        annotations: [("k".to_owned(), "v".to_owned())].into(),
        receiver_matcher_sets: Vec::new(),
        expires_at: at(0),
    }
}

fn store() -> Silences {
    Silences::new(Duration::from_secs(1000), Limits::default())
}

fn set(store: &mut Silences, silence: Silence, now: i64) -> Result<String, SetError> {
    store.set(silence, at(now), |name| Mode::Fallback.is_label_name(name))
}

fn covering(store: &mut Silences, labels: &[(&str, &str)], now: i64) -> usize {
    let labels = Labels::from_pairs(labels.iter().copied());
    store.covering(crate::labels::fingerprint(&labels), &labels, at(now)).len()
}

#[test]
fn a_silence_covers_from_start_to_end() {
    let mut store = store();
    set(&mut store, silence("a=\"1\"", 100, 200), 50).unwrap();
    set(&mut store, silence("a=~\"1|2\"", 100, 200), 50).unwrap();
    for (now, want) in [(99, 0), (100, 2), (200, 2), (201, 0)] {
        assert_eq!(covering(&mut store, &[("a", "1")], now), want, "{now}");
    }
    assert_eq!(covering(&mut store, &[("a", "2")], 150), 1);
    assert_eq!(covering(&mut store, &[("a", "3")], 150), 0);
    // A memory of an alert does not outlive a change.
    set(&mut store, silence("a!=\"1\"", 100, 200), 60).unwrap();
    assert_eq!(covering(&mut store, &[("a", "3")], 150), 1);
}

#[test]
fn what_covers_everything_or_ends_early_is_refused() {
    let mut store = store();
    let refused =
        |store: &mut Silences, silence| matches!(set(store, silence, 50), Err(SetError::Invalid(_)));
    assert!(refused(&mut store, silence("a=\"\"", 100, 200)));
    assert!(refused(&mut store, silence("a=~\".*\"", 100, 200)));
    assert!(refused(&mut store, silence("", 100, 200)));
    assert!(refused(&mut store, silence("a=b", 200, 100)));
    assert!(set(&mut store, silence("a!=\"x\"", 100, 200), 50).is_ok());
    assert_eq!(
        set(&mut store, Silence { id: "x".to_owned(), ..silence("a=b", 100, 200) }, 50),
        Err(SetError::NotFound)
    );
}

#[test]
fn changes_that_rewrite_history_make_another_silence() {
    let mut store = store();
    let id = set(&mut store, silence("a=b", 0, 200), 50).unwrap();
    assert_eq!(store.get(&id).unwrap().starts_at, at(50));
    let longer = Silence { id: id.clone(), ..silence("a=b", 50, 300) };
    assert_eq!(set(&mut store, longer, 60).unwrap(), id);
    let other = Silence { id: id.clone(), ..silence("a=c", 50, 300) };
    let new = set(&mut store, other, 70).unwrap();
    assert_ne!(new, id);
    assert_eq!(store.get(&id).unwrap().state(at(71)), State::Expired);
    let again = Silence { id: id.clone(), ..silence("a=b", 50, 300) };
    assert_ne!(set(&mut store, again, 80).unwrap(), id);
    assert_eq!(store.len(), 3);
}

#[test]
fn expiring_ends_now_and_is_idempotent() {
    let mut store = store();
    let active = set(&mut store, silence("a=b", 0, 200), 50).unwrap();
    let pending = set(&mut store, silence("a=b", 100, 200), 50).unwrap();
    for id in [&active, &pending] {
        store.expire(id, at(60)).unwrap();
        store.expire(id, at(90)).unwrap();
        assert_eq!(store.get(id).unwrap().ends_at, at(60));
    }
    assert_eq!(store.get(&pending).unwrap().starts_at, at(60));
    assert_eq!(store.expire("none", at(60)), Err(SetError::NotFound));
    store.collect_garbage(at(1059), |_| true);
    assert_eq!(store.len(), 2);
    store.collect_garbage(at(1060), |_| true);
    assert_eq!(store.len(), 0);
}

#[test]
fn limits_hold() {
    let limits = Limits { n_silences_max: 1, silence_bytes_max: 120 };
    let mut store = Silences::new(Duration::from_secs(1000), limits);
    let large = Silence { comment: "x".repeat(200), ..silence("a=b", 100, 200) };
    assert!(matches!(set(&mut store, large, 50), Err(SetError::TooLarge { limit: 120, .. })));
    let mut small = silence("a=b", 100, 200);
    small.annotations.clear();
    set(&mut store, small.clone(), 50).unwrap();
    assert_eq!(set(&mut store, small, 50), Err(SetError::TooMany { n: 2, limit: 1 }));
}

#[test]
fn a_snapshot_is_read_back() {
    let mut store = store();
    let id = set(&mut store, silence("a!~\"x.*\",b=c", 100, 200), 50).unwrap();
    let bytes = store.snapshot();
    let mut other = super::tests::store();
    other.load(&bytes).unwrap();
    assert_eq!(other.get(&id), store.get(&id));
    assert_eq!(other.snapshot(), bytes);
    assert!(other.load(&bytes[..bytes.len() - 2]).is_err());
    assert!(other.load(&[0]).is_err());
    assert_eq!(covering(&mut other, &[("b", "c")], 150), 1);
}

#[test]
fn ids_are_random_uuids() {
    let id = store::new_id();
    assert!(id.len() == 36 && id.as_bytes()[14] == b'4' && b"89ab".contains(&id.as_bytes()[19]), "{id}");
}
