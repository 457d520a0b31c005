//! Alerts: what was sent to us, merged with what we know, until it is over.
//!
//! What an alert says ([`Facts`]) is kept apart from its times: a refresh, which is what most posts are, brings new times
//! and nothing else, and shares the rest, with where it was filed.
//! Source: `spec/alertmanager-pushgateway.md` §A4.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use wf_model::Labels;

use crate::instant::Instant;
use crate::labels::fingerprint;

/// Names and values in order of names. Annotations may be empty texts, which labels are not.
pub(crate) type Pairs = Box<[(Box<str>, Box<str>)]>;

/// What an alert says, and where that put it.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) labels: Labels,
    pub(crate) annotations: Pairs,
    pub(crate) generator_url: Box<str>,
    pub(crate) fingerprint: u64,
    /// Where the dispatcher filed it; void under another routing tree.
    pub(crate) filed: Mutex<Option<Arc<Filed>>>,
}

/// The groups of an alert.
#[derive(Debug)]
pub(crate) struct Filed {
    /// Of the dispatcher that filed it.
    pub(crate) era: u64,
    pub(crate) groups: Box<[crate::dispatch::GroupId]>,
}

impl Facts {
    fn new(labels: Labels, annotations: Pairs, generator_url: Box<str>) -> Self {
        let fingerprint = fingerprint(&labels);
        Self { labels, annotations, generator_url, fingerprint, filed: Mutex::new(None) }
    }

    fn says_the_same(&self, other: &Self) -> bool {
        self.labels == other.labels
            && self.annotations == other.annotations
            && self.generator_url == other.generator_url
    }

    /// Writes the JSON that begins an alert: `{"annotations":{…}`.
    ///
    /// It is not kept: that was a third of an alert's memory, and a list of 10,000 takes milliseconds either way.
    pub(crate) fn write_head(&self, out: &mut String) {
        out.push_str("{\"annotations\":");
        let annotations = self.annotations.iter();
        crate::json::write_pairs(out, annotations.map(|(name, value)| (&**name, &**value)));
    }

    /// Writes the JSON that ends an alert: `,"generatorURL":…,"labels":{…}}`.
    pub(crate) fn write_tail(&self, out: &mut String) {
        if !self.generator_url.is_empty() {
            out.push_str(",\"generatorURL\":");
            crate::json::write_string(out, &self.generator_url);
        }
        out.push_str(",\"labels\":");
        crate::json::write_pairs(out, self.labels.iter());
        out.push('}');
    }
}

/// An alert.
#[derive(Clone, Debug)]
pub(crate) struct Alert {
    pub(crate) facts: Arc<Facts>,
    pub(crate) starts_at: Instant,
    pub(crate) ends_at: Instant,
    pub(crate) updated_at: Timestamp,
    /// Whether the end is only when we stop believing in it.
    pub(crate) is_timeout: bool,
}

impl Deref for Alert {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        &self.facts
    }
}

/// A name and a value as they were posted.
type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// An alert as it was posted. Of names that come twice the later value counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct PostedAlert<'a> {
    pub(crate) labels: Vec<Pair<'a>>,
    pub(crate) annotations: Vec<Pair<'a>>,
    pub(crate) starts_at: Option<Instant>,
    pub(crate) ends_at: Option<Instant>,
    pub(crate) generator_url: Cow<'a, str>,
}

/// Sorts by name; of equal names the last stays.
fn sorted(mut pairs: Vec<Pair<'_>>) -> Vec<Pair<'_>> {
    // Stable: reversed, the last of equal names comes first and is the one that `dedup` keeps.
    pairs.reverse();
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    pairs.dedup_by(|later, kept| later.0 == kept.0);
    pairs
}

impl PostedAlert<'_> {
    /// Fills in what was left open.
    /// # Errors
    /// Why it is no alert.
    pub(crate) fn complete(
        self,
        now: Timestamp,
        resolve_timeout: std::time::Duration,
        is_name: impl Fn(&str) -> bool,
    ) -> Result<Alert, String> {
        let starts_at = self.starts_at.or(self.ends_at).unwrap_or_else(|| Instant::local(now));
        let (ends_at, is_timeout) = match self.ends_at {
            Some(end) => (end, false),
            None => (Instant::local(crate::instant::after(now, resolve_timeout)), true),
        };
        if ends_at.at < starts_at.at {
            return Err("start time must be before end time".to_owned());
        }
        let labels = sorted(self.labels);
        let labels = labels.iter().filter(|(_, value)| !value.is_empty());
        let labels = Labels::from_sorted(labels.map(|(name, value)| (&**name, &**value)));
        if labels.is_empty() {
            return Err("at least one label pair required".to_owned());
        }
        let bad = |name: &str| format!("invalid name {}", wf_model::quote::GoQuoted(name));
        if let Some((name, _)) = labels.iter().find(|(name, _)| !is_name(name)) {
            return Err(format!("invalid label set: {}", bad(name)));
        }
        let annotations = sorted(self.annotations);
        if let Some((name, _)) = annotations.iter().find(|(name, _)| !is_name(name)) {
            return Err(format!("invalid annotations: {}", bad(name)));
        }
        let boxed = |(name, value): Pair<'_>| (Box::from(&*name), Box::from(&*value));
        let annotations = annotations.into_iter().map(boxed).collect();
        let facts = Arc::new(Facts::new(labels, annotations, Box::from(&*self.generator_url)));
        Ok(Alert { facts, starts_at, ends_at, updated_at: now, is_timeout })
    }
}

impl Alert {
    /// Returns whether it is over at `now`; an end of `now` is one.
    pub(crate) fn is_resolved(&self, now: Timestamp) -> bool {
        self.ends_at.at <= now
    }

    /// Returns the value of `alertname`, or `""`.
    pub(crate) fn name(&self) -> &str {
        self.labels.get("alertname").unwrap_or("")
    }

    /// Merges with what is known of the same alert.
    fn merged_with(self, old: &Self, now: Timestamp) -> Self {
        let inside = |at: Timestamp| old.starts_at.at < at && at < old.ends_at.at;
        if !inside(self.ends_at.at) && !inside(self.starts_at.at) {
            return self;
        }
        let (newer, older) =
            if self.updated_at < old.updated_at { (old.clone(), self) } else { (self, old.clone()) };
        let mut merged = newer;
        if older.starts_at.at < merged.starts_at.at {
            merged.starts_at = older.starts_at;
        }
        let keeps_end = match merged.is_resolved(now) {
            true => older.is_resolved(now),
            false => !older.is_timeout,
        };
        if keeps_end && older.ends_at.at > merged.ends_at.at {
            (merged.ends_at, merged.is_timeout) = (older.ends_at, older.is_timeout);
        }
        merged
    }
}

/// What became of an alert that was put.
#[derive(Clone, Debug)]
pub(crate) enum Put {
    /// It is here for the first time.
    New(Arc<Alert>),
    /// It was here; this is how it is known now.
    Known(Arc<Alert>),
    /// There are too many of its name.
    Limited,
}

/// All alerts that are known, by fingerprint.
#[derive(Debug, Default)]
pub(crate) struct AlertStore {
    alerts: HashMap<u64, Arc<Alert>, foldhash::fast::RandomState>,
    /// Fingerprints by name; empty without a limit.
    by_name: HashMap<String, Vec<u64>>,
    /// Most alerts of one name; 0 for any number.
    limit: usize,
}

impl AlertStore {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    pub(crate) fn get(&self, fingerprint: u64) -> Option<&Arc<Alert>> {
        self.alerts.get(&fingerprint)
    }

    /// Returns them in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Alert>> {
        self.alerts.values()
    }

    /// Merges `alert` with what is known.
    pub(crate) fn put(&mut self, mut alert: Alert, now: Timestamp) -> Put {
        let old = self.alerts.get(&alert.fingerprint).cloned();
        let is_new = old.is_none();
        let alert = match old {
            Some(old) => {
                if alert.facts.says_the_same(&old.facts) {
                    alert.facts = Arc::clone(&old.facts);
                } else if alert.labels == old.labels {
                    // It says something else and stays where it is.
                    let filed = old.filed.lock().clone();
                    *alert.facts.filed.lock() = filed;
                }
                alert.merged_with(&old, now)
            }
            None if self.limit > 0 && !self.make_room(&alert, now) => return Put::Limited,
            None => alert,
        };
        let alert = Arc::new(alert);
        self.alerts.insert(alert.fingerprint, Arc::clone(&alert));
        if is_new { Put::New(alert) } else { Put::Known(alert) }
    }

    /// Takes a place among the alerts of the same name; an expired one gives way.
    fn make_room(&mut self, alert: &Alert, now: Timestamp) -> bool {
        let known = self.by_name.entry(alert.name().to_owned()).or_default();
        if known.len() < self.limit {
            known.push(alert.fingerprint);
            return true;
        }
        let end_of = |fingerprint: &u64| self.alerts.get(fingerprint).map(|alert| alert.ends_at.at);
        let earliest = known.iter_mut().min_by_key(|fingerprint| end_of(fingerprint));
        match earliest {
            Some(place) if end_of(place).is_none_or(|end| end <= now) => {
                let gone = std::mem::replace(place, alert.fingerprint);
                self.alerts.remove(&gone);
                true
            }
            _ => false,
        }
    }

    /// Forgets what is over.
    pub(crate) fn collect_garbage(&mut self, now: Timestamp) {
        self.alerts.retain(|_, alert| !alert.is_resolved(now));
        let alerts = &self.alerts;
        self.by_name.retain(|_, known| {
            known.retain(|fingerprint| alerts.contains_key(fingerprint));
            !known.is_empty()
        });
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// Returns the timestamp `seconds` after 1970.
    pub(crate) fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    /// Returns `alert` with these annotations, and where it comes from.
    pub(crate) fn saying(alert: &Alert, annotations: &[(&str, &str)], generator_url: &str) -> Alert {
        let annotations = annotations.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let facts = Facts::new(alert.labels.clone(), annotations, generator_url.into());
        Alert { facts: Arc::new(facts), ..alert.clone() }
    }

    /// Returns an alert with these labels from `start` to `end`, updated at `start`.
    pub(crate) fn alert(labels: &[(&str, &str)], start: i64, end: i64) -> Alert {
        let posted = PostedAlert {
            labels: labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            starts_at: Some(Instant::utc(at(start))),
            ends_at: Some(Instant::utc(at(end))),
            ..PostedAlert::default()
        };
        posted.complete(at(start), std::time::Duration::from_secs(300), |_| true).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{alert, at, saying};
    use super::*;

    fn stored(put: Put) -> Arc<Alert> {
        match put {
            Put::New(alert) | Put::Known(alert) => alert,
            Put::Limited => panic!("limited"),
        }
    }

    #[test]
    fn what_is_left_open_is_filled_in() {
        let posted = PostedAlert { labels: vec![("a".into(), "b".into())], ..PostedAlert::default() };
        let timeout = std::time::Duration::from_secs(300);
        let alert = posted.clone().complete(at(100), timeout, |_| true).unwrap();
        assert_eq!((alert.starts_at.at, alert.ends_at.at, alert.is_timeout), (at(100), at(400), true));
        let ended = PostedAlert { ends_at: Some(Instant::utc(at(50))), ..posted };
        assert_eq!(ended.complete(at(100), timeout, |_| true).unwrap().starts_at.at, at(50));
        let refused =
            |posted: PostedAlert<'_>| posted.complete(at(100), timeout, |name| name != "bad").unwrap_err();
        assert_eq!(refused(PostedAlert::default()), "at least one label pair required");
        let bad = PostedAlert { labels: vec![("bad".into(), "b".into())], ..PostedAlert::default() };
        assert_eq!(refused(bad), "invalid label set: invalid name \"bad\"");
    }

    #[test]
    fn of_names_that_come_twice_the_later_counts_and_empty_labels_go() {
        let pairs = [("b", "1"), ("a", "1"), ("b", "2"), ("c", "")];
        let labels = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let annotations = vec![("x".into(), "".into())];
        let posted = PostedAlert { labels, annotations, ..PostedAlert::default() };
        let alert = posted.complete(at(0), std::time::Duration::ZERO, |_| true).unwrap();
        assert_eq!(alert.labels.to_string(), "{a=\"1\", b=\"2\"}");
        let mut json = String::new();
        alert.write_head(&mut json);
        alert.write_tail(&mut json);
        assert_eq!(json, "{\"annotations\":{\"x\":\"\"},\"labels\":{\"a\":\"1\",\"b\":\"2\"}}");
    }

    #[test]
    fn a_refresh_shares_what_is_the_same() {
        let mut store = AlertStore::default();
        let first = stored(store.put(alert(&[("a", "1")], 100, 500), at(100)));
        let refreshed = stored(store.put(alert(&[("a", "1")], 100, 700), at(200)));
        assert!(Arc::ptr_eq(&first.facts, &refreshed.facts));
        let other = saying(&alert(&[("a", "1")], 100, 900), &[("s", "x")], "");
        let changed = stored(store.put(other, at(300)));
        assert_eq!((changed.annotations.len(), changed.ends_at.at), (1, at(900)));
    }

    #[test]
    fn overlapping_alerts_merge_and_others_replace() {
        let mut store = AlertStore::default();
        store.put(alert(&[("a", "1")], 100, 500), at(100));
        // A refresh with a later end replaces.
        let refreshed = stored(store.put(alert(&[("a", "1")], 100, 700), at(200)));
        assert_eq!(refreshed.ends_at.at, at(700));
        // One that starts inside keeps the earlier start.
        let later = stored(store.put(alert(&[("a", "1")], 300, 900), at(300)));
        assert_eq!((later.starts_at.at, later.ends_at.at), (at(100), at(900)));
        // A firing one with an earlier end keeps the later end, unless that is a timeout.
        let shorter = stored(store.put(alert(&[("a", "1")], 400, 800), at(400)));
        assert_eq!(shorter.ends_at.at, at(900));
        // A resolved one ends it.
        let mut resolved = alert(&[("a", "1")], 100, 450);
        resolved.updated_at = at(450);
        assert!(stored(store.put(resolved, at(450))).is_resolved(at(450)));
    }

    #[test]
    fn a_name_has_a_limit_and_expired_alerts_give_way() {
        let mut store = AlertStore::new(1);
        store.put(alert(&[("alertname", "x"), ("i", "1")], 0, 100), at(0));
        assert!(matches!(store.put(alert(&[("alertname", "x"), ("i", "2")], 0, 100), at(50)), Put::Limited));
        assert!(matches!(store.put(alert(&[("alertname", "y")], 0, 100), at(50)), Put::New(_)));
        assert!(matches!(store.put(alert(&[("alertname", "x"), ("i", "2")], 0, 200), at(150)), Put::New(_)));
        store.collect_garbage(at(300));
        assert_eq!(store.iter().count(), 0);
    }
}
