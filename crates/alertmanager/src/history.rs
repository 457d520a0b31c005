//! What became of alerts in the last days: the answer to "why was I told?" and "why was I not?".
//!
//! Every flush that did or found something else than the one before it is written as a line of JSON, into segments below
//! `history/` that are dropped, oldest first, when they are too old or too large together. A segment stands for itself: it
//! names the labels of every alert it mentions. The form is described in `docs/format/history.md`.
//!
//! # Invariants
//! - Telling people never waits for the disk: what the writer cannot take is dropped and counted.
//! - A line that a crash tore is passed over, and nothing is ever appended to a segment of an earlier run.

mod read;
mod write;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;
use wf_httpkit::metrics::{Counter, Registry};
use wf_model::Labels;

pub(crate) use read::{Found, N_ALERTS_MAX, search};
use write::Writer;

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Zero for no history.
    pub(crate) retention: Duration,
    pub(crate) bytes_max: u64,
}

/// A flush, as it is remembered.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) at: Timestamp,
    pub(crate) group_key: String,
    pub(crate) route: String,
    pub(crate) receiver: String,
    pub(crate) alerts: Vec<AlertRecord>,
    pub(crate) told: Vec<ToldRecord>,
}

/// An alert of a flush.
#[derive(Clone, Debug)]
pub(crate) struct AlertRecord {
    pub(crate) fingerprint: u64,
    pub(crate) labels: Labels,
    pub(crate) outcome: AlertOutcome,
}

/// How far an alert came.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum AlertOutcome {
    /// To the integrations.
    Passed { is_resolved: bool },
    /// A rule, by its position, and an alert that made it hold.
    Inhibited { rule: usize, source: u64 },
    /// Ids of silences.
    Silenced(Vec<String>),
    /// The route was muted by these intervals, or was active in none of them.
    Muted { is_inactive: bool, intervals: Vec<String> },
}

/// What one integration did.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ToldRecord {
    /// `webhook[0]`
    pub(crate) integration: String,
    pub(crate) outcome: ToldOutcome,
}

/// How telling went.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ToldOutcome {
    /// The log knows it, from here or from another member of the cluster.
    Known,
    /// Sent, and why now.
    Sent(&'static str),
    /// Only resolved alerts were left, of which this integration does not want to hear.
    NotWanted,
    /// The error.
    Failed(String),
}

/// Records that may wait for the disk.
const N_QUEUED_MAX: usize = 4096;

/// Groups whose last outcome is remembered.
const N_GROUPS_MAX: usize = 100_000;

/// See the module.
pub(crate) struct History {
    folder: PathBuf,
    limits: Limits,
    /// Hash of the last outcome by group and receiver: the same again is no news.
    last: Mutex<HashMap<(String, String), u64>>,
    sender: mpsc::Sender<Record>,
    /// Taken by the task that writes.
    receiver: Mutex<Option<mpsc::Receiver<Record>>>,
    dropped: Counter,
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("History").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl History {
    pub(crate) fn new(storage: &Path, limits: Limits, registry: &Registry) -> Self {
        let (sender, receiver) = mpsc::channel(N_QUEUED_MAX);
        Self {
            folder: storage.join("history"),
            limits,
            last: Mutex::default(),
            sender,
            receiver: Mutex::new(Some(receiver)),
            dropped: registry.counter(
                "watchfire_alertmanager_history_dropped_total",
                "Flushes that history does not know: the disk was too slow or full.",
            ),
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        !self.limits.retention.is_zero() && self.limits.bytes_max > 0
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Remembers a flush unless it is as the one before. Somebody who was told, or could not be, is always news.
    pub(crate) fn note(&self, record: Record) {
        if !self.is_on() {
            return;
        }
        let is_act =
            |told: &ToldRecord| matches!(told.outcome, ToldOutcome::Sent(_) | ToldOutcome::Failed(_));
        let outcome = outcome_hash(&record);
        {
            let mut last = self.last.lock();
            if last.len() >= N_GROUPS_MAX {
                last.clear();
            }
            let before = last.insert((record.group_key.clone(), record.receiver.clone()), outcome);
            if before == Some(outcome) && !record.told.iter().any(is_act) {
                return;
            }
        }
        if self.sender.try_send(record).is_err() {
            self.dropped.inc();
        }
    }

    /// Writes what comes until every sender is gone or `stop` fires; then what waits.
    pub(crate) async fn run(&self, stop: tokio_util::sync::CancellationToken) {
        let Some(mut receiver) = self.receiver.lock().take() else { return };
        if !self.is_on() {
            return;
        }
        let mut writer = Some(Writer::new(self.folder.clone(), self.limits));
        loop {
            let mut batch = Vec::new();
            let n_more = tokio::select! {
                biased;
                n = receiver.recv_many(&mut batch, N_QUEUED_MAX) => n,
                () = stop.cancelled() => 0,
            };
            if n_more == 0 {
                return;
            }
            let Some(mut own) = writer.take() else { return };
            let n_records = batch.len() as u64;
            let written = tokio::task::spawn_blocking(move || {
                let result = own.write(&batch);
                (own, result)
            });
            match written.await {
                Ok((own, result)) => {
                    writer = Some(own);
                    if let Err(error) = result {
                        self.dropped.add(n_records);
                        tracing::warn!(%error, folder = %self.folder.display(), "cannot write the history of alerts");
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "the history of alerts is not written any more");
                    return;
                }
            }
        }
    }
}

fn outcome_hash(record: &Record) -> u64 {
    let mut hasher = DefaultHasher::new();
    record.route.hash(&mut hasher);
    for alert in &record.alerts {
        (alert.fingerprint, &alert.outcome).hash(&mut hasher);
    }
    record.told.hash(&mut hasher);
    hasher.finish()
}

impl AlertOutcome {
    /// Returns a word, a sentence and what it is about.
    fn told(&self) -> (&'static str, String, Json) {
        match self {
            Self::Passed { is_resolved: false } => ("firing", String::new(), Json::Null),
            Self::Passed { is_resolved: true } => ("resolved", String::new(), Json::Null),
            Self::Inhibited { rule, source } => {
                let by = format!("{source:016x}");
                ("inhibited", format!("inhibition rule #{rule}: alert {by} fires"), json!([by]))
            }
            Self::Silenced(ids) => ("silenced", format!("silence {}", ids.join(", ")), json!(ids)),
            Self::Muted { is_inactive: false, intervals } => {
                ("muted", format!("within time interval {}", intervals.join(", ")), json!(intervals))
            }
            Self::Muted { is_inactive: true, intervals } => (
                "muted",
                format!("outside of active time interval {}", intervals.join(", ")),
                json!(intervals),
            ),
        }
    }
}

impl ToldOutcome {
    fn told(&self) -> (&'static str, String) {
        match self {
            Self::Known => ("not repeated", "told before, and the repeat interval has not passed".to_owned()),
            Self::Sent(reason) => ("sent", (*reason).to_owned()),
            Self::NotWanted => ("not wanted", "all are resolved, and send_resolved is off".to_owned()),
            Self::Failed(error) => ("failed", error.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
