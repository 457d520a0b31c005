//! `file_sd_configs`: files that list groups, read when they change and now and then.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tracing::warn;
use wf_config::glob;
use wf_config::section::Section;

use crate::group::{self, TargetGroup};
use crate::source::{Running, Source, Updates};

/// Largest file.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// An editor writes a file in several steps: they are read as one.
const SETTLE: Duration = Duration::from_millis(20);

/// Files to read.
#[derive(Debug)]
pub(crate) struct FileSource {
    patterns: Vec<PathBuf>,
    interval: Duration,
}

impl FileSource {
    pub(crate) fn new(section: &Section) -> Self {
        let patterns = section.texts("files").iter().map(PathBuf::from).collect();
        Self { patterns, interval: section.time("refresh_interval") }
    }
}

impl Source for FileSource {
    fn run(self: Box<Self>, updates: Updates) -> Running {
        Box::pin(async move {
            let touched = Arc::new(Notify::new());
            let mut watcher = None;
            let mut known = BTreeSet::new();
            loop {
                // Folders that were missing may have come.
                watcher = watch(&self.patterns, &touched, watcher);
                let started = Instant::now();
                let (patterns, of_read, mut files) = (self.patterns.clone(), updates.clone(), known);
                let read = tokio::task::spawn_blocking(move || {
                    read_all(&patterns, &mut files, &of_read);
                    files
                });
                // A panic while reading has been logged; the next round begins with nothing known.
                known = read.await.unwrap_or_default();
                updates.metrics.observe_refresh("file", &updates.config, started.elapsed());
                let refresh = tokio::time::sleep(self.interval.max(Duration::from_secs(1)));
                tokio::select! {
                    () = refresh => {}
                    () = touched.notified() => tokio::time::sleep(SETTLE).await,
                }
            }
        })
    }
}

/// Watches the folders of all patterns; where that fails (out of watches, no such folder), the refresh has to do.
fn watch(
    patterns: &[PathBuf],
    touched: &Arc<Notify>,
    old: Option<RecommendedWatcher>,
) -> Option<RecommendedWatcher> {
    let mut watcher = match old {
        Some(watcher) => watcher,
        None => {
            let touched = Arc::clone(touched);
            let heard = move |event: notify::Result<notify::Event>| {
                // Our own reading is no news.
                if event.is_ok_and(|event| !event.kind.is_access()) {
                    touched.notify_one();
                }
            };
            notify::recommended_watcher(heard)
                .inspect_err(|error| warn!(%error, "files are not watched: they are read at each refresh"))
                .ok()?
        }
    };
    let folders: BTreeSet<&Path> = patterns.iter().map(|pattern| folder_of(pattern)).collect();
    for folder in folders {
        // Watching twice is watching once.
        let _ = watcher.watch(folder, RecursiveMode::NonRecursive);
    }
    Some(watcher)
}

fn folder_of(pattern: &Path) -> &Path {
    match pattern.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Reads every file; one that is bad keeps what it said before, one that is gone says nothing any more.
fn read_all(patterns: &[PathBuf], known: &mut BTreeSet<PathBuf>, updates: &Updates) {
    let mut seen = BTreeSet::new();
    let mut problems = Vec::new();
    let mut n_read = 0;
    for pattern in patterns {
        match glob::files(pattern) {
            Ok(paths) => seen.extend(paths),
            Err(error) => problems.push(format!("{}: {error}", pattern.display())),
        }
    }
    if problems.is_empty() {
        for gone in known.iter().filter(|path| !seen.contains(*path)) {
            updates.replace_below(&prefix(gone), Vec::new());
            updates.metrics.file_mtime.remove(&[&gone.to_string_lossy()]);
        }
    }
    for path in &seen {
        match read(path) {
            Ok((groups, modified)) => {
                updates.metrics.file_mtime.with(&[&path.to_string_lossy()]).set(modified);
                updates.replace_below(&prefix(path), groups);
                n_read += 1;
            }
            Err(problem) => {
                updates.metrics.file_read_errors.inc();
                problems.push(problem);
            }
        }
    }
    *known = seen;
    if n_read > 0 || problems.is_empty() {
        updates.complete();
    }
    if problems.is_empty() {
        updates.succeeded();
    } else {
        updates.failed(&problems.join("; "));
    }
}

/// Checks a file of groups, and returns how many it has.
/// # Errors
/// What is wrong with it.
pub fn check_file(path: &Path) -> Result<usize, String> {
    read(path).map(|(groups, _)| groups.len())
}

fn prefix(path: &Path) -> String {
    format!("{}:", path.display())
}

/// Returns the groups of a file and when it was changed, seconds since the epoch.
fn read(path: &Path) -> Result<(Vec<TargetGroup>, f64), String> {
    let name = path.display().to_string();
    let failed = |error: std::io::Error| format!("{name}: {error}");
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if metadata.len() > FILE_BYTES_MAX {
        return Err(format!("{name}: larger than {FILE_BYTES_MAX} bytes: split it"));
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let extra = [("__meta_filepath", name.as_str())];
    let is_json = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("json"));
    let groups = if is_json {
        group::of_json(&bytes, &name, &extra)
    } else {
        let text = std::str::from_utf8(&bytes).map_err(|error| format!("{name}: {error}"))?;
        group::of_yaml(text, &name, &extra)
    };
    Ok((groups?, modified.unwrap_or_default().as_secs_f64()))
}
