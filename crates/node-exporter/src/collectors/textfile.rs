//! `textfile`: metrics that others leave in files.

mod lines;
mod page;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, gauge, push_gauge};
use crate::config::Config;
use crate::context::{Context, names_in};

/// The collector.
#[derive(Debug)]
pub struct TextFile {
    directories: Vec<String>,
}

/// A file larger than this is left out: nobody writes such a page by hand or by cron.
const FILE_BYTES_MAX: u64 = 64 << 20;

impl TextFile {
    /// Takes its options.
    pub fn new(config: &Config) -> Self {
        Self { directories: config.textfile_directories.clone() }
    }

    /// Files to read, in order; the flag tells whether a directory could not be read.
    fn files(&self) -> (Vec<PathBuf>, bool) {
        let (mut files, mut has_failed) = (Vec::new(), false);
        for pattern in self.directories.iter().filter(|pattern| !pattern.is_empty()) {
            for dir in glob(pattern) {
                if let Err(error) = std::fs::read_dir(&dir) {
                    tracing::error!(path = %dir.display(), %error, "cannot read the directory of metric files");
                    has_failed = true;
                }
                let names = names_in(&dir, "");
                files.extend(names.iter().filter(|name| name.ends_with(".prom")).map(|name| dir.join(name)));
            }
        }
        (files, has_failed)
    }
}

/// Families of one name from several files.
#[derive(Default)]
struct Merged {
    help: Option<String>,
    is_spoilt: bool,
    files: Vec<String>,
    family: Option<MetricFamily>,
}

impl Collector for TextFile {
    fn collect(&self, _ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let (files, mut has_failed) = self.files();
        let mut times =
            gauge("node_textfile_mtime_seconds", "Time at which a file that was read was written.");
        let mut all = BTreeMap::<String, Merged>::new();
        for path in &files {
            match read(path) {
                Ok((families, mtime)) => {
                    let file = path.display().to_string();
                    times.push(&[("file", &file)], mtime);
                    for mut family in families {
                        pad(&mut family);
                        has_failed |= !merge(all.entry(family.name.to_string()).or_default(), family, &file);
                    }
                }
                Err(why) => {
                    tracing::error!(path = %path.display(), why, "a file of metrics is left out");
                    has_failed = true;
                }
            }
        }
        for merged in all.into_values() {
            let Some(mut family) = merged.family else { continue };
            family.help = match merged.help {
                Some(help) => help.into(),
                None => format!("Metric read from {}", merged.files.join(", ")).into(),
            };
            out.push(family);
        }
        out.push(times);
        let help = "Whether a file or directory could not be read.";
        push_gauge(out, "node_textfile_scrape_error", help, f64::from(u8::from(has_failed)));
        Ok(())
    }
}

/// Adds a file's family. False when its help contradicts what other files said; one of another type is left out.
fn merge(merged: &mut Merged, family: MetricFamily, file: &str) -> bool {
    if merged.is_spoilt {
        return true;
    }
    if !family.help.is_empty() {
        match &merged.help {
            Some(help) if *help != family.help => {
                tracing::error!(metric = %family.name, file, "help differs from that of another file");
                merged.is_spoilt = true;
                return false;
            }
            _ => merged.help = Some(family.help.to_string()),
        }
    }
    merged.files.push(file.to_owned());
    match &mut merged.family {
        None => merged.family = Some(family),
        Some(first) if first.kind == family.kind => first.metrics.extend(family.metrics),
        Some(_) => {
            tracing::error!(metric = %family.name, file, "type differs from that of another file");
        }
    }
    true
}

/// Gives all series of a file's family the same labels, empty where they had none.
fn pad(family: &mut MetricFamily) {
    let labels = family.metrics.iter().flat_map(|metric| metric.labels.iter());
    let names: BTreeSet<_> = labels.map(|(name, _)| name.clone()).collect();
    for metric in &mut family.metrics {
        metric.labels.edit(|labels| {
            for name in &names {
                if !labels.iter().any(|(have, _)| have == name) {
                    labels.push((name.clone(), String::new()));
                }
            }
            labels.sort();
        });
    }
}

fn read(path: &Path) -> Result<(Vec<MetricFamily>, f64), String> {
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if metadata.len() > FILE_BYTES_MAX {
        return Err(format!("it has more than {FILE_BYTES_MAX} bytes"));
    }
    let text = std::fs::read(path).map_err(|error| error.to_string())?;
    let families = page::parse(&text)?;
    let modified = metadata.modified().map_err(|error| error.to_string())?;
    let seconds = modified.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Ok((families, seconds as f64))
}

/// Directories that a pattern names; itself when there are none. `*`, `?` and `[…]` stand within one name.
fn glob(pattern: &str) -> Vec<PathBuf> {
    let is_pattern = |part: &str| part.contains(['*', '?', '[']);
    if !is_pattern(pattern) {
        return vec![PathBuf::from(pattern)];
    }
    let mut found = vec![PathBuf::from(if pattern.starts_with('/') { "/" } else { "" })];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let mut next = Vec::new();
        for dir in found {
            if is_pattern(part) {
                let base = if dir.as_os_str().is_empty() { Path::new(".") } else { &dir };
                let names = names_in(base, "");
                next.extend(names.iter().filter(|name| page::fits(part, name)).map(|name| dir.join(name)));
            } else if dir.join(part).exists() {
                next.push(dir.join(part));
            }
        }
        found = next;
    }
    if found.is_empty() { vec![PathBuf::from(pattern)] } else { found }
}
