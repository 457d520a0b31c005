//! Groups of alerts and when each is told about: a state machine without a clock of its own.
//!
//! [`Dispatcher::insert`] files an alert; [`Dispatcher::take_due`] hands out the groups whose time has come as
//! [`Flush`]es; [`Dispatcher::finish`] tells what became of one. Whoever drives it decides what time it is.
//!
//! # Invariants
//! - At most one flush of a group is under way; a tick that comes meanwhile is made up for afterwards.
//! - A resolved alert stays until a flush that knew it so succeeded.
//! # Source
//! `spec/alertmanager-pushgateway.md` §A5.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use wf_model::Labels;

use crate::alert::{Alert, Filed};
use crate::instant::after;
use crate::labels::{alert_order, fingerprint};
use crate::route::{Route, Routes};
use crate::template::data::NotedAlert;

/// Several lookups an alert, of numbers, for which the standard library's hasher is slow.
type Hasher = foldhash::fast::RandomState;

/// Which group: its route and the fingerprint of its labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct GroupId {
    pub(crate) route: usize,
    labels: u64,
}

/// A group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) labels: Labels,
    pub(crate) key: String,
    pub(crate) alerts: HashMap<u64, Arc<Alert>, Hasher>,
    next_flush: Timestamp,
    /// Tells this group from an earlier one with the same labels.
    generation: u64,
    is_flushing: bool,
    has_flushed: bool,
}

/// A group whose time has come.
#[derive(Clone, Debug)]
pub(crate) struct Flush {
    pub(crate) group: GroupId,
    generation: u64,
    pub(crate) key: String,
    pub(crate) labels: Labels,
    /// In order of [`alert_order`].
    pub(crate) alerts: Vec<NotedAlert>,
    /// When it was due: the time that decides about repeats and intervals.
    pub(crate) tick: Timestamp,
    /// How long sending may take.
    pub(crate) timeout: Duration,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Dispatcher {
    pub(crate) routes: Arc<Routes>,
    groups: HashMap<GroupId, Group, Hasher>,
    /// Groups by the time of their next flush.
    due: BTreeSet<(Timestamp, GroupId)>,
    generations: u64,
    /// No group is flushed before.
    starts_at: Timestamp,
    /// Tells this dispatcher from those of other routing trees: what they noted on alerts is void here.
    pub(crate) era: u64,
}

/// The least time that sending gets.
const TIMEOUT_MIN: Duration = Duration::from_secs(10);

impl Dispatcher {
    pub(crate) fn new(routes: Arc<Routes>, starts_at: Timestamp) -> Self {
        Self { routes, groups: HashMap::default(), due: BTreeSet::new(), generations: 0, starts_at, era: 0 }
    }

    pub(crate) fn n_groups(&self) -> usize {
        self.groups.len()
    }

    /// Returns the groups in no order.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (&GroupId, &Group)> {
        self.groups.iter()
    }

    pub(crate) fn route(&self, group: GroupId) -> Option<&Route> {
        self.routes.nodes.get(group.route)
    }

    /// Returns the groups of an alert, in order of routes; they are noted on the alert, which comes again and again.
    pub(crate) fn filed(&self, alert: &Alert) -> Arc<Filed> {
        let mut note = alert.filed.lock();
        match note.as_ref().filter(|filed| filed.era == self.era) {
            Some(filed) => Arc::clone(filed),
            None => {
                let group = |route: usize| {
                    let labels = self.routes.nodes.get(route)?.group_labels(&alert.labels);
                    Some(GroupId { route, labels: fingerprint(&labels) })
                };
                let groups = self.routes.matching(&alert.labels).into_iter().filter_map(group).collect();
                let filed = Arc::new(Filed { era: self.era, groups });
                *note = Some(Arc::clone(&filed));
                filed
            }
        }
    }

    /// Files an alert into its groups, making those that are not there.
    pub(crate) fn insert(&mut self, alert: &Arc<Alert>, now: Timestamp) {
        for id in self.filed(alert).groups.iter().copied() {
            let Some(node) = self.routes.nodes.get(id.route) else { continue };
            if let Some(group) = self.groups.get_mut(&id) {
                group.alerts.insert(alert.fingerprint, Arc::clone(alert));
                if group.has_flushed || group.is_flushing || after(alert.starts_at.at, node.group_wait) >= now
                {
                    continue;
                }
                // It has waited long enough elsewhere, such as before a restart.
                self.due.remove(&(group.next_flush, id));
                group.next_flush = now.max(self.starts_at);
                self.due.insert((group.next_flush, id));
                continue;
            }
            let labels = node.group_labels(&alert.labels);
            let waits = after(alert.starts_at.at, node.group_wait) >= now;
            let next_flush = if waits { after(now, node.group_wait) } else { now }.max(self.starts_at);
            self.generations += 1;
            let group = Group {
                key: node.group_key(&labels),
                labels,
                alerts: HashMap::from_iter([(alert.fingerprint, Arc::clone(alert))]),
                next_flush,
                generation: self.generations,
                is_flushing: false,
                has_flushed: false,
            };
            self.groups.insert(id, group);
            self.due.insert((next_flush, id));
        }
    }

    /// Returns when a group is told about next, if it is there.
    pub(crate) fn next_flush(&self, route: usize, group_labels: &Labels) -> Option<Timestamp> {
        let id = GroupId { route, labels: fingerprint(group_labels) };
        self.groups.get(&id).map(|group| group.next_flush)
    }

    /// Returns when the next group is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Hands out the groups that are due at `now`. A group whose flush is under way is handed out after it.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Vec<Flush> {
        let mut flushes = Vec::new();
        while let Some((at, id)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, id));
            let Some(interval) = self.routes.nodes.get(id.route).map(|route| route.group_interval) else {
                continue;
            };
            let Some(group) = self.groups.get_mut(&id) else { continue };
            if group.is_flushing {
                // `finish` puts it back.
                continue;
            }
            group.next_flush = after(now, interval);
            group.is_flushing = true;
            group.has_flushed = true;
            self.due.insert((group.next_flush, id));
            flushes.push(Flush {
                group: id,
                generation: group.generation,
                key: group.key.clone(),
                labels: group.labels.clone(),
                alerts: snapshot(group, now),
                tick: now,
                timeout: interval.max(TIMEOUT_MIN),
            });
        }
        flushes
    }

    /// Takes note of how a flush ended. Resolved alerts that it knew so are forgotten when it succeeded; a group
    /// without alerts ends.
    pub(crate) fn finish(&mut self, flush: &Flush, succeeded: bool, now: Timestamp) {
        let Some(group) =
            self.groups.get_mut(&flush.group).filter(|group| group.generation == flush.generation)
        else {
            return;
        };
        group.is_flushing = false;
        if succeeded {
            for noted in flush.alerts.iter().filter(|noted| noted.is_resolved) {
                let is_same = |known: &Arc<Alert>| Arc::ptr_eq(known, &noted.alert);
                if group.alerts.get(&noted.alert.fingerprint).is_some_and(is_same) {
                    group.alerts.remove(&noted.alert.fingerprint);
                }
            }
        }
        if group.alerts.is_empty() {
            self.due.remove(&(group.next_flush, flush.group));
            self.groups.remove(&flush.group);
        } else if group.next_flush <= now {
            // Its tick passed while it was being flushed.
            self.due.insert((group.next_flush, flush.group));
        }
    }
}

/// Returns the group's alerts as they are at `now`: none turns resolved while it is being told about.
fn snapshot(group: &Group, now: Timestamp) -> Vec<NotedAlert> {
    let noted =
        |alert: &Arc<Alert>| NotedAlert { is_resolved: alert.is_resolved(now), alert: Arc::clone(alert) };
    let mut alerts: Vec<NotedAlert> = group.alerts.values().map(noted).collect();
    alerts.sort_by(|a, b| alert_order(&a.alert.labels, &b.alert.labels));
    alerts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::testing::{alert, at};
    use crate::config::AlertmanagerConfig;
    use crate::matchers::Mode;

    fn dispatcher() -> Dispatcher {
        let text = "route: {receiver: a, group_by: [g], group_wait: 10s, group_interval: 60s}\nreceivers: [{name: a}]\n";
        let config = AlertmanagerConfig::load(text, std::path::Path::new("x.yml"), Mode::Fallback).unwrap();
        Dispatcher::new(Arc::new(Routes::compile(&config).unwrap()), at(0))
    }

    fn insert(dispatcher: &mut Dispatcher, labels: &[(&str, &str)], start: i64, end: i64, now: i64) {
        dispatcher.insert(&Arc::new(alert(labels, start, end)), at(now));
    }

    #[test]
    fn a_group_waits_then_ticks() {
        let mut dispatcher = dispatcher();
        insert(&mut dispatcher, &[("g", "1"), ("i", "b")], 100, 1000, 100);
        insert(&mut dispatcher, &[("g", "1"), ("i", "a")], 105, 1000, 105);
        assert_eq!(dispatcher.next_due(), Some(at(110)));
        assert!(dispatcher.take_due(at(109)).is_empty());
        let flushes = dispatcher.take_due(at(110));
        assert_eq!((flushes.len(), flushes[0].alerts.len(), flushes[0].key.as_str()), (1, 2, "{}:{g=\"1\"}"));
        assert_eq!(flushes[0].alerts[0].alert.labels.get("i"), Some("a"));
        dispatcher.finish(&flushes[0], true, at(111));
        insert(&mut dispatcher, &[("g", "1"), ("i", "c")], 115, 1000, 115);
        assert_eq!(dispatcher.next_due(), Some(at(170)));
    }

    #[test]
    fn an_old_alert_does_not_wait_again() {
        let mut dispatcher = dispatcher();
        insert(&mut dispatcher, &[("g", "1")], 50, 1000, 100);
        assert_eq!(dispatcher.take_due(at(100)).len(), 1);
    }

    #[test]
    fn resolved_alerts_stay_until_told_about() {
        let mut dispatcher = dispatcher();
        insert(&mut dispatcher, &[("g", "1")], 100, 150, 100);
        let first = dispatcher.take_due(at(110)).remove(0);
        assert!(!first.alerts[0].is_resolved);
        dispatcher.finish(&first, true, at(111));
        let second = dispatcher.take_due(at(170)).remove(0);
        assert!(second.alerts[0].is_resolved);
        dispatcher.finish(&second, false, at(171));
        let third = dispatcher.take_due(at(230)).remove(0);
        // One that fires again meanwhile is not forgotten.
        insert(&mut dispatcher, &[("g", "1")], 230, 900, 230);
        dispatcher.finish(&third, true, at(231));
        assert_eq!(dispatcher.n_groups(), 1);
        let fourth = dispatcher.take_due(at(290)).remove(0);
        dispatcher.finish(&fourth, true, at(291));
        insert(&mut dispatcher, &[("g", "1")], 230, 300, 300);
        let last = dispatcher.take_due(at(350)).remove(0);
        dispatcher.finish(&last, true, at(351));
        assert_eq!((dispatcher.n_groups(), dispatcher.next_due()), (0, None));
    }

    #[test]
    fn a_slow_flush_is_not_overtaken() {
        let mut dispatcher = dispatcher();
        insert(&mut dispatcher, &[("g", "1")], 100, 1000, 100);
        let slow = dispatcher.take_due(at(110)).remove(0);
        assert!(dispatcher.take_due(at(170)).is_empty());
        dispatcher.finish(&slow, true, at(200));
        assert_eq!(dispatcher.take_due(at(200)).len(), 1);
    }
}
