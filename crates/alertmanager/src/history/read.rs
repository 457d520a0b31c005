//! The segments of history, as they are searched.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use serde_json::{Value as Json, json};
use wf_model::{Labels, Matcher};

use super::write::segments;
use crate::matchers::matches_all;

/// Alerts that are shown at most; a narrower filter shows the others.
pub(crate) const N_ALERTS_MAX: usize = 100;

/// Events that are shown of an alert at most, the newest.
const N_EVENTS_MAX: usize = 1000;

/// An alert that is or was there.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) labels: Labels,
    /// Oldest first.
    pub(crate) events: std::collections::VecDeque<Json>,
}

/// Adds to `found` the alerts of history that match, and to each what happened to it.
/// # Errors
/// When a segment cannot be read; there being none is no error.
pub(crate) fn search(folder: &Path, filter: &[Matcher], found: &mut BTreeMap<u64, Found>) -> io::Result<()> {
    let segments = match segments(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        segments => segments?,
    };
    for (_, path) in segments {
        let file = match File::open(&path) {
            // It went while we looked.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            file => file?,
        };
        search_segment(BufReader::new(file), filter, found)?;
    }
    Ok(())
}

fn search_segment(
    mut segment: impl BufRead,
    filter: &[Matcher],
    found: &mut BTreeMap<u64, Found>,
) -> io::Result<()> {
    let mut line = Vec::new();
    // The names of alerts come before what happened to them, in every segment.
    let mut wanted: Vec<String> = found.keys().map(|fingerprint| format!("{fingerprint:016x}")).collect();
    loop {
        line.clear();
        if segment.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let Ok(text) = std::str::from_utf8(&line) else { continue };
        if text.starts_with("{\"a\":") {
            let Some((fingerprint, labels)) = alert_of(text) else { continue };
            let is_new = !found.contains_key(&fingerprint);
            if is_new && found.len() < N_ALERTS_MAX && matches_all(filter, &labels) {
                found.insert(fingerprint, Found { labels, events: std::collections::VecDeque::new() });
                wanted.push(format!("{fingerprint:016x}"));
            }
        } else if wanted.iter().any(|fingerprint| text.contains(fingerprint.as_str())) {
            // A torn line is none.
            if let Ok(record) = serde_json::from_str(text) {
                take(&record, found);
            }
        }
    }
}

fn alert_of(line: &str) -> Option<(u64, Labels)> {
    let json: Json = serde_json::from_str(line).ok()?;
    let fingerprint = u64::from_str_radix(json["a"].as_str()?, 16).ok()?;
    let pairs = json["l"].as_object()?.iter();
    let pairs: Option<Vec<(&str, &str)>> =
        pairs.map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect();
    Some((fingerprint, Labels::from_pairs(pairs?)))
}

/// Adds what a record says to the alerts it is about.
fn take(record: &Json, found: &mut BTreeMap<u64, Found>) {
    for alert in record["e"].as_array().into_iter().flatten() {
        let fingerprint = alert[0].as_str().and_then(|text| u64::from_str_radix(text, 16).ok());
        let Some(found) = fingerprint.and_then(|fingerprint| found.get_mut(&fingerprint)) else { continue };
        let event = |integration: &Json, outcome: &Json, why: &Json| {
            json!({
                "at": record["t"], "groupKey": record["g"], "route": record["p"], "receiver": record["r"],
                "integration": integration.as_str().unwrap_or(""),
                "outcome": outcome, "why": why.as_str().unwrap_or(""),
            })
        };
        if alert[2].is_null() {
            let status = &alert[1];
            for told in record["i"].as_array().into_iter().flatten() {
                let mut event = event(&told[0], &told[1], &told[2]);
                event["status"] = status.clone();
                found.events.push_back(event);
            }
        } else {
            let mut event = event(&Json::Null, &alert[1], &alert[2]);
            event["by"] = alert[3].clone();
            found.events.push_back(event);
        }
        while found.events.len() > N_EVENTS_MAX {
            found.events.pop_front();
        }
    }
}
