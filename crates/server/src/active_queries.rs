//! Which queries are running, in a file: when the process dies, the next one says which queries it was busy with.
//!
//! ```text
//! file  = "[" entry*                      one entry of 1000 bytes for each query slot
//! entry = {"query":"…","timestamp_sec":N} zero bytes ","
//! ```
//! A free entry is all zeros, so that the text without zeros and its last comma, and with `]`, is JSON. Writes go to the
//! page cache: they outlive the process, not the machine.
//!
//! # Source
//! `spec/prometheus-query.md` §2.2: `queries.active`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use tracing::warn;

const FILE_NAME: &str = "queries.active";
const ENTRY_BYTES: usize = 1000;

/// Most entries, however many queries may run: 4 MB of file.
const N_ENTRIES_MAX: usize = 4096;

/// The file. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct ActiveQueries {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    file: File,
    free: Mutex<Vec<usize>>,
}

impl ActiveQueries {
    /// Logs the queries that the last process left, and begins anew with one entry for each of `n_slots`.
    pub(crate) fn open(directory: &Path, n_slots: usize) -> io::Result<Self> {
        let path = directory.join(FILE_NAME);
        if let Some(queries) = left_behind(&path) {
            warn!(%queries, "these queries did not finish in the last run");
        }
        let n_entries = n_slots.clamp(1, N_ENTRIES_MAX);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
        file.set_len((1 + n_entries * ENTRY_BYTES) as u64)?;
        file.write_all_at(b"[", 0)?;
        let free = Mutex::new((0..n_entries).rev().collect());
        Ok(Self { shared: Arc::new(Shared { file, free }) })
    }

    /// Notes a query until the guard is dropped. Best effort: a full disk stops no query.
    pub(crate) fn begin(&self, query: &str, now_ms: i64) -> Option<ActiveQuery> {
        let idx = self.shared.free.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        let guard = ActiveQuery { shared: Arc::clone(&self.shared), idx };
        guard.write(&entry(query, now_ms.div_euclid(1000)));
        Some(guard)
    }
}

/// An entry; it is freed when dropped.
#[derive(Debug)]
pub(crate) struct ActiveQuery {
    shared: Arc<Shared>,
    idx: usize,
}

impl ActiveQuery {
    fn write(&self, bytes: &[u8; ENTRY_BYTES]) {
        let _ = self.shared.file.write_all_at(bytes, (1 + self.idx * ENTRY_BYTES) as u64);
    }
}

impl Drop for ActiveQuery {
    fn drop(&mut self) {
        self.write(&[0; ENTRY_BYTES]);
        self.shared.free.lock().unwrap_or_else(PoisonError::into_inner).push(self.idx);
    }
}

/// Makes an entry; a query that is too long loses its end.
fn entry(query: &str, timestamp_sec: i64) -> [u8; ENTRY_BYTES] {
    let mut bytes = [0; ENTRY_BYTES];
    let mut kept = floor_char_boundary(query, ENTRY_BYTES);
    loop {
        let text =
            json!({"query": query.get(..kept).unwrap_or(""), "timestamp_sec": timestamp_sec}).to_string();
        // The comma comes last.
        let excess = text.len().saturating_sub(ENTRY_BYTES - 1);
        if excess == 0 {
            bytes[..text.len()].copy_from_slice(text.as_bytes());
            bytes[ENTRY_BYTES - 1] = b',';
            return bytes;
        }
        // An escape is at most six bytes for one: never cut more than is needed.
        kept = floor_char_boundary(query, kept.saturating_sub(excess.div_ceil(6)));
    }
}

/// Returns the largest place up to `at` that no character straddles.
fn floor_char_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// Returns the queries of the file as a JSON list, if there are any.
fn left_behind(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    let limit = (1 + N_ENTRIES_MAX * ENTRY_BYTES) as u64;
    File::open(path).ok()?.take(limit).read_to_end(&mut bytes).ok()?;
    bytes.retain(|byte| *byte != 0);
    let text = String::from_utf8_lossy(&bytes);
    let text = text.strip_suffix(',').unwrap_or(&text);
    (text.len() > 1).then(|| format!("{text}]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(folder: &Path) -> Option<serde_json::Value> {
        left_behind(&folder.join(FILE_NAME)).map(|text| serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn what_was_running_is_found_by_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let queries = ActiveQueries::open(folder.path(), 3).unwrap();
        assert_eq!(left(folder.path()), None);
        let first = queries.begin("up", 1_500).unwrap();
        let _second = queries.begin("rate(x[5m]) == \"a\"", 2_000).unwrap();
        let mut want = json!([
            {"query": "up", "timestamp_sec": 1},
            {"query": "rate(x[5m]) == \"a\"", "timestamp_sec": 2},
        ]);
        assert_eq!(left(folder.path()), Some(want.clone()));
        drop(first);
        want.as_array_mut().unwrap().remove(0);
        assert_eq!(left(folder.path()), Some(want));
        assert_eq!(std::fs::metadata(folder.path().join(FILE_NAME)).unwrap().len(), 3001);
        let _again = ActiveQueries::open(folder.path(), 3).unwrap();
        assert_eq!(left(folder.path()), None);
    }

    #[test]
    fn entries_are_reused_and_none_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let queries = ActiveQueries::open(folder.path(), 2).unwrap();
        for _ in 0..10 {
            let (first, second) = (queries.begin("a", 0), queries.begin("b", 0));
            assert!(first.is_some() && second.is_some() && queries.begin("c", 0).is_none());
        }
    }

    #[test]
    fn a_long_query_loses_its_end() {
        for query in ["온".repeat(2_000), "\"".repeat(2_000), "\u{1}".repeat(2_000), "x".repeat(959)] {
            let bytes = entry(&query, i64::MIN);
            let text = std::str::from_utf8(&bytes).unwrap().trim_end_matches(',').trim_end_matches('\0');
            let value: serde_json::Value = serde_json::from_str(text).unwrap();
            let kept = value["query"].as_str().unwrap();
            assert!(query.starts_with(kept) && text.len() > 950, "{}", text.len());
        }
    }
}
