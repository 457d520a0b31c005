//! Silences: their whole life, and which of them cover an alert.
//!
//! # Reading order: this file, `store`, `snapshot` (their form on disk).
//! Source: `spec/alertmanager-pushgateway.md` §A8.

pub(crate) mod snapshot;
mod store;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use wf_model::{Labels, Matcher};

use crate::matchers::matches_all;

pub(crate) use store::{Limits, SetError, Silences};

/// A silence.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Silence {
    pub(crate) id: String,
    /// It covers an alert that matches all matchers of one of these.
    pub(crate) matcher_sets: Vec<Vec<Matcher>>,
    pub(crate) starts_at: Timestamp,
    pub(crate) ends_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) created_by: String,
    pub(crate) comment: String,
    pub(crate) annotations: BTreeMap<String, String>,
    /// Matchers of receivers as they are stored: kept, though nothing asks for them yet.
    pub(crate) receiver_matcher_sets: Vec<Vec<u8>>,
    /// When it may be forgotten.
    pub(crate) expires_at: Timestamp,
}

/// Where a silence is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    Active,
    Pending,
    Expired,
}

impl State {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Expired => "expired",
        }
    }
}

impl Silence {
    /// Returns where it is at `now`; it still covers alerts at the very end.
    pub(crate) fn state(&self, now: Timestamp) -> State {
        if now < self.starts_at {
            State::Pending
        } else if now <= self.ends_at {
            State::Active
        } else {
            State::Expired
        }
    }

    /// As [`Silence::state`], expired at the very end: what the API shows.
    pub(crate) fn shown_state(&self, now: Timestamp) -> State {
        if now >= self.ends_at && now >= self.starts_at { State::Expired } else { self.state(now) }
    }

    /// Returns whether it covers alerts with these labels.
    pub(crate) fn covers(&self, labels: &Labels) -> bool {
        self.matcher_sets.iter().any(|matchers| matches_all(matchers, labels))
    }

    /// # Errors
    /// Why it is no silence.
    pub(crate) fn validate(&self, is_name: impl Fn(&str) -> bool) -> Result<(), String> {
        if self.matcher_sets.is_empty() {
            return Err("at least one matcher required".to_owned());
        }
        for matchers in &self.matcher_sets {
            if matchers.is_empty() {
                return Err("at least one matcher required".to_owned());
            }
            if let Some(matcher) = matchers.iter().find(|matcher| !is_name(matcher.name())) {
                return Err(format!("invalid label matcher: invalid label name {:?}", matcher.name()));
            }
            let is_open = |matcher: &Matcher| {
                let is_positive = matches!(matcher.op(), wf_model::MatchOp::Equal | wf_model::MatchOp::Regex);
                is_positive && matcher.matches_empty()
            };
            if matchers.iter().all(is_open) {
                return Err("at least one matcher must not match the empty string".to_owned());
            }
        }
        match self.ends_at < self.starts_at {
            true => Err("end time must not be before start time".to_owned()),
            false => Ok(()),
        }
    }
}
