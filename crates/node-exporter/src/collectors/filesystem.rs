//! `filesystem`: how full file systems are.
//!
//! Asking a dead mount for its size blocks for ever, so the asking happens on helper threads. A mount that does not
//! answer in time is skipped, and shown as failed, until the pending call returns. File systems that answer from
//! memory, which are nearly all, are asked at once: waking a thread costs ten times the call.

mod mounts;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::StatFs;
use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, gauge};
use crate::config::{Config, FlagError};
use crate::context::Context;
use crate::filter::Filter;
use crate::relay::{Job, Limits, Outcome, Relay};

use mounts::Mount;

/// The collector.
#[derive(Debug)]
pub struct FileSystem {
    mount_points: Filter,
    kinds: Filter,
    limits: Limits,
    relay: Relay,
    /// Mounts that did not answer; the flag falls when the call returns after all.
    stuck: Mutex<HashMap<PathBuf, Arc<AtomicBool>>>,
}

/// File systems whose statfs(2) reads counts in the kernel's memory, whatever their disk does.
const ANSWER_FROM_MEMORY: [&str; 7] = ["ext2", "ext3", "ext4", "ramfs", "tmpfs", "vfat", "xfs"];

/// What asking a mount gave.
enum Answer {
    Sizes(Box<StatFs>),
    Failed(String),
}

impl FileSystem {
    /// Takes its options.
    /// # Errors
    /// When a pattern is not a regular expression.
    pub fn new(config: &Config) -> Result<Self, FlagError> {
        let fs = &config.filesystem;
        let mount_points = (&fs.mount_points_include, &fs.mount_points_exclude);
        let kinds = (&fs.fs_types_include, &fs.fs_types_exclude);
        Ok(Self {
            mount_points: Filter::new("--collector.filesystem.mount-points", mount_points.0, mount_points.1)?,
            kinds: Filter::new("--collector.filesystem.fs-types", kinds.0, kinds.1)?,
            limits: Limits {
                job_timeout: fs.mount_timeout,
                // All workers may meet a stuck mount, one after the other; the scrape's own limit comes first.
                total_timeout: fs.mount_timeout * 4,
                patience: Duration::from_millis(20),
                threads_max: fs.stat_workers.max(1),
            },
            relay: Relay::new(),
            stuck: Mutex::default(),
        })
    }

    /// Asks every mount, in order. The last quarter of the scrape's time is left for telling who did not answer.
    fn ask(&self, root: &Path, mounts: &[Mount], time_left: Duration) -> Vec<Answer> {
        let mut limits = self.limits;
        limits.total_timeout = limits.total_timeout.min(time_left - time_left / 4);
        limits.job_timeout = limits.job_timeout.min(limits.total_timeout);
        let mut stuck = self.stuck.lock().unwrap_or_else(PoisonError::into_inner);
        stuck.retain(|_, is_running| is_running.load(Ordering::Acquire));
        let known_stuck: HashSet<PathBuf> = stuck.keys().cloned().collect();
        drop(stuck);
        let path_of = |mount: &Mount| mount.path_below(root);
        let is_asked_apart = |mount: &&Mount| !is_quick(mount) && !known_stuck.contains(&path_of(mount));
        let asked = mounts.iter().filter(is_asked_apart).map(path_of);
        let jobs: Vec<_> =
            asked.map(|path| -> Job<_> { Box::new(move || rustix::fs::statfs(&path)) }).collect();
        let outcomes = if jobs.is_empty() { Vec::new() } else { self.relay.run_blocking(jobs, limits) };
        let mut outcomes = outcomes.into_iter();
        let answer = |mount: &Mount| {
            let path = path_of(mount);
            if is_quick(mount) {
                return Answer::of(rustix::fs::statfs(&path));
            }
            if known_stuck.contains(&path) {
                return Answer::Failed("mountpoint timeout".to_owned());
            }
            self.judge(&path, outcomes.next())
        };
        mounts.iter().map(answer).collect()
    }

    fn judge(&self, path: &Path, outcome: Option<Outcome<rustix::io::Result<StatFs>>>) -> Answer {
        match outcome {
            Some(Outcome::Done(result)) => Answer::of(result),
            Some(Outcome::Late(is_running)) => {
                tracing::warn!(path = %path.display(), "mount point does not answer: skipped until it does");
                let mut stuck = self.stuck.lock().unwrap_or_else(PoisonError::into_inner);
                stuck.insert(path.to_owned(), is_running);
                Answer::Failed("mountpoint timeout".to_owned())
            }
            Some(Outcome::Panicked) | None => Answer::Failed("internal error".to_owned()),
        }
    }
}

fn is_quick(mount: &Mount) -> bool {
    ANSWER_FROM_MEMORY.contains(&mount.kind.as_str())
}

impl Answer {
    fn of(result: rustix::io::Result<StatFs>) -> Self {
        match result {
            Ok(sizes) => Self::Sizes(Box::new(sizes)),
            Err(error) => Self::Failed(error_text(error)),
        }
    }
}

impl Collector for FileSystem {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let root = ctx.paths.root.clone();
        let is_wanted = |mount: &Mount| {
            self.mount_points.is_wanted(mount.mount_point.as_bytes())
                && self.kinds.is_wanted(mount.kind.as_bytes())
        };
        let mounts = mounts::read(ctx, &root)?;
        // The same file system mounted over itself shows one label set twice.
        let mut seen = HashSet::new();
        let mounts: Vec<_> =
            mounts.into_iter().filter(is_wanted).filter(|mount| seen.insert(mount.identity())).collect();
        let answers = self.ask(&root, &mounts, ctx.time_left());
        let mut families = Families::new();
        for (mount, answer) in mounts.iter().zip(&answers) {
            families.push(mount, answer);
        }
        families.append_to(out);
        Ok(())
    }
}

struct Families {
    size: MetricFamily,
    free: MetricFamily,
    available: MetricFamily,
    files: MetricFamily,
    files_free: MetricFamily,
    read_only: MetricFamily,
    error: MetricFamily,
    purgeable: MetricFamily,
    info: MetricFamily,
}

impl Families {
    fn new() -> Self {
        Self {
            size: gauge("node_filesystem_size_bytes", "Size of the file system."),
            free: gauge("node_filesystem_free_bytes", "Free space of the file system."),
            available: gauge("node_filesystem_avail_bytes", "Free space for users other than root."),
            files: gauge("node_filesystem_files", "File nodes of the file system."),
            files_free: gauge("node_filesystem_files_free", "Free file nodes of the file system."),
            read_only: gauge("node_filesystem_readonly", "Whether the file system is mounted read-only."),
            error: gauge(
                "node_filesystem_device_error",
                "Whether asking the file system for its size failed.",
            ),
            purgeable: gauge("node_filesystem_purgeable_bytes", "Always 0: known on macOS only."),
            info: gauge("node_filesystem_mount_info", "Device number of the mount point."),
        }
    }

    fn push(&mut self, mount: &Mount, answer: &Answer) {
        let error = match answer {
            Answer::Sizes(_) => "",
            Answer::Failed(error) => error,
        };
        let labels = [
            ("device", mount.device.as_str()),
            ("device_error", error),
            ("fstype", &mount.kind),
            ("mountpoint", &mount.mount_point),
        ];
        let is_timeout = error == "mountpoint timeout";
        self.error.push(&labels, f64::from(u8::from(!error.is_empty())));
        self.read_only.push(&labels, f64::from(u8::from(mount.is_read_only && !is_timeout)));
        let Answer::Sizes(sizes) = answer else { return };
        // The kernel's block size is a small positive number on every file system.
        let block_bytes = sizes.f_bsize as f64;
        self.size.push(&labels, sizes.f_blocks as f64 * block_bytes);
        self.free.push(&labels, sizes.f_bfree as f64 * block_bytes);
        self.available.push(&labels, sizes.f_bavail as f64 * block_bytes);
        self.files.push(&labels, sizes.f_files as f64);
        self.files_free.push(&labels, sizes.f_ffree as f64);
        self.purgeable.push(&labels, 0.0);
        let labels = [
            ("device", mount.device.as_str()),
            ("major", &mount.major),
            ("minor", &mount.minor),
            ("mountpoint", &mount.mount_point),
        ];
        self.info.push(&labels, 1.0);
    }

    fn append_to(self, out: &mut Vec<MetricFamily>) {
        out.extend([self.size, self.free, self.available, self.files, self.files_free]);
        out.extend([self.read_only, self.error, self.purgeable, self.info]);
    }
}

/// The C library's words in lower case, as Go prints them: `permission denied`.
fn error_text(error: rustix::io::Errno) -> String {
    let text = std::io::Error::from(error).to_string();
    let without_code = text.split(" (os error").next().unwrap_or_default();
    without_code.to_lowercase()
}
