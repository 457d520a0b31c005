//! Alerts that wait for one Alertmanager: each once, in the order in which they began to wait.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;
use tokio::sync::Notify;
use wf_model::Labels;

use crate::environment::OutgoingAlert;

/// See the module.
#[derive(Debug)]
pub struct AlertQueue {
    capacity: usize,
    inner: Mutex<Inner>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    order: VecDeque<Labels>,
    alerts: HashMap<Labels, OutgoingAlert>,
}

impl Inner {
    /// Drops the oldest until there are no more than `capacity`; returns how many went.
    fn trim(&mut self, capacity: usize) -> u64 {
        let mut n_dropped = 0;
        while self.order.len() > capacity {
            if let Some(labels) = self.order.pop_front() {
                self.alerts.remove(&labels);
                n_dropped += 1;
            }
        }
        n_dropped
    }
}

impl AlertQueue {
    /// Returns an empty queue.
    pub fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), inner: Mutex::default(), filled: Notify::new() }
    }

    /// Adds alerts. One that waits already stays in its place and says what is new. Returns how many of the oldest were
    /// dropped to make room.
    pub fn push(&self, alerts: impl IntoIterator<Item = OutgoingAlert>) -> u64 {
        let mut inner = self.inner.lock();
        for alert in alerts {
            let labels = alert.labels.clone();
            if inner.alerts.insert(labels.clone(), alert).is_none() {
                inner.order.push_back(labels);
            }
        }
        let n_dropped = inner.trim(self.capacity);
        if !inner.order.is_empty() {
            self.filled.notify_one();
        }
        n_dropped
    }

    /// Takes the oldest alerts, at most `n`.
    pub fn take(&self, n: usize) -> Vec<OutgoingAlert> {
        let mut inner = self.inner.lock();
        let n = n.min(inner.order.len());
        let labels: Vec<Labels> = inner.order.drain(..n).collect();
        labels.iter().filter_map(|labels| inner.alerts.remove(labels)).collect()
    }

    /// Puts back what could not be sent, in front of the rest; an alert that has news by now waits with those. Returns how
    /// many were dropped because there is no room any more.
    pub fn give_back(&self, alerts: Vec<OutgoingAlert>) -> u64 {
        let mut inner = self.inner.lock();
        for alert in alerts.into_iter().rev() {
            let labels = alert.labels.clone();
            if !inner.alerts.contains_key(&labels) {
                inner.order.push_front(labels.clone());
                inner.alerts.insert(labels, alert);
            }
        }
        inner.trim(self.capacity)
    }

    /// Returns how many wait.
    pub fn len(&self) -> usize {
        self.inner.lock().order.len()
    }

    /// Returns whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until there is something to take.
    /// # Cancel safety
    /// Nothing is lost when dropped.
    pub async fn wait(&self) {
        while self.is_empty() {
            self.filled.notified().await;
        }
    }
}
