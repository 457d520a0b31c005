//! The log of failed scrapes: a line of JSON for each, in the original's form.
//!
//! ```text
//! {"time","level","source","msg","job_name","target"}
//! ```
//! # Source
//! `spec/prometheus-core.md` §3, `scrape_failure_log_file`.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwapOption;

/// Where a job logs to; nowhere until it is given a file.
#[derive(Debug, Default)]
pub(crate) struct FailureLog {
    file: ArcSwapOption<File>,
}

impl FailureLog {
    /// Logs to `file` from now on.
    pub(crate) fn use_file(&self, file: Option<Arc<File>>) {
        self.file.store(file);
    }

    /// Appends a line with one write, so that lines of several targets do not mix.
    pub(crate) fn write(&self, now_ms: i64, job: &str, url: &str, error: &str) -> io::Result<()> {
        let Some(file) = self.file.load_full() else { return Ok(()) };
        let time = jiff::Timestamp::from_millisecond(now_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let texts = [error, job, url].map(|text| serde_json::Value::from(text).to_string());
        let [error, job, url] = texts;
        let line = format!(
            "{{\"time\":\"{time:.3}\",\"level\":\"ERROR\",\"source\":\"failure_log.rs\",\"msg\":{error},\"job_name\":{job},\"target\":{url}}}\n"
        );
        (&*file).write_all(line.as_bytes())
    }
}

/// Opens the files of several jobs for appending, each once. A reload opens them again, so that a file that was moved away
/// is let go.
pub(crate) fn open_all<'a>(
    paths: impl Iterator<Item = &'a Path>,
) -> Result<BTreeMap<PathBuf, Arc<File>>, (PathBuf, io::Error)> {
    let mut files = BTreeMap::new();
    for path in paths {
        if !files.contains_key(path) {
            let opened = OpenOptions::new().append(true).create(true).open(path);
            files.insert(path.to_owned(), Arc::new(opened.map_err(|error| (path.to_owned(), error))?));
        }
    }
    Ok(files)
}
