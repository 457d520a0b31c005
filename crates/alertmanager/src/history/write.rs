//! The segments of history, as they are written.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::SystemTime;

use serde_json::{Map, Value as Json, json};

use super::{Limits, Record};

/// Segments that together make the limit.
const N_SEGMENTS: u64 = 8;

/// Writes segments, and drops old ones.
pub(super) struct Writer {
    folder: PathBuf,
    limits: Limits,
    /// The segment of this run that is written to, its bytes, and the alerts that it names.
    segment: Option<(File, u64, BTreeSet<u64>)>,
}

impl Writer {
    pub(super) fn new(folder: PathBuf, limits: Limits) -> Self {
        Self { folder, limits, segment: None }
    }

    pub(super) fn write(&mut self, records: &[Record]) -> io::Result<()> {
        for record in records {
            let result = self.write_one(record);
            if result.is_err() {
                // What it ends with may be torn: the next line begins a segment.
                self.segment = None;
            }
            result?;
        }
        Ok(())
    }

    fn write_one(&mut self, record: &Record) -> io::Result<()> {
        let segment_bytes_max = (self.limits.bytes_max / N_SEGMENTS).max(1);
        if self.segment.as_ref().is_none_or(|(_, bytes, _)| *bytes >= segment_bytes_max) {
            self.segment = Some(self.begin()?);
        }
        let Some((file, bytes, named)) = &mut self.segment else { return Ok(()) };
        let mut lines = String::new();
        for alert in record.alerts.iter().filter(|alert| named.insert(alert.fingerprint)) {
            let labels: Map<String, Json> =
                alert.labels.iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
            let line = json!({"a": format!("{:016x}", alert.fingerprint), "l": labels});
            lines.push_str(&line.to_string());
            lines.push('\n');
        }
        lines.push_str(&line(record).to_string());
        lines.push('\n');
        file.write_all(lines.as_bytes())?;
        *bytes += lines.len() as u64;
        Ok(())
    }

    /// Begins a segment behind the last, having made room for it.
    fn begin(&self) -> io::Result<(File, u64, BTreeSet<u64>)> {
        fs::create_dir_all(&self.folder)?;
        let segments = segments(&self.folder)?;
        let number = segments.last().map_or(1, |(number, _)| number + 1);
        let room = self.limits.bytes_max - self.limits.bytes_max / N_SEGMENTS;
        let oldest = SystemTime::now().checked_sub(self.limits.retention);
        // From the newest back: what is beyond either limit goes, and all that is older.
        let mut bytes = 0;
        for (_, path) in segments.iter().rev() {
            let metadata = fs::metadata(path)?;
            bytes += metadata.len();
            let is_old = oldest.is_some_and(|oldest| metadata.modified().is_ok_and(|at| at < oldest));
            if bytes > room || is_old {
                fs::remove_file(path)?;
            }
        }
        let path = self.folder.join(format!("{number:08}.jsonl"));
        Ok((File::options().create_new(true).append(true).open(path)?, 0, BTreeSet::new()))
    }
}

/// Returns the segments of a folder with their numbers, oldest first.
pub(super) fn segments(folder: &std::path::Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".jsonl")?.parse().ok());
        found.extend(number.map(|number| (number, path)));
    }
    found.sort_unstable();
    Ok(found)
}

fn line(record: &Record) -> Json {
    let alert = |alert: &super::AlertRecord| {
        let (outcome, why, by) = alert.outcome.told();
        let fingerprint = format!("{:016x}", alert.fingerprint);
        match by {
            Json::Null => json!([fingerprint, outcome]),
            by => json!([fingerprint, outcome, why, by]),
        }
    };
    let told = |told: &super::ToldRecord| {
        let (outcome, why) = told.outcome.told();
        json!([told.integration, outcome, why])
    };
    json!({
        "t": record.at.to_string(),
        "g": record.group_key,
        "p": record.route,
        "r": record.receiver,
        "e": record.alerts.iter().map(alert).collect::<Vec<_>>(),
        "i": record.told.iter().map(told).collect::<Vec<_>>(),
    })
}
