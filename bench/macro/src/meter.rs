//! What a process uses, from `/proc`: CPU, memory, I/O; now or over a while.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::stats::median;

/// A tick of process times is 10 ms on Linux.
pub const TICK_S: f64 = 0.01;

/// Time between two looks of a [`Watch`].
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What a process uses at an instant.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// CPU time since its start, user and system together.
    pub cpu_s: f64,
    /// Resident memory: anonymous, of files, shared.
    pub rss_bytes: u64,
    /// The most that was ever resident.
    pub rss_peak_bytes: u64,
    /// Resident memory that belongs to no file: what cannot be dropped under pressure.
    pub anonymous_bytes: u64,
    /// Bytes fetched from storage (not the page cache).
    pub read_bytes: u64,
    /// Bytes handed to storage.
    pub written_bytes: u64,
    /// Threads.
    pub n_threads: u64,
}

/// Reads what process `pid` uses now.
/// # Errors
/// When the process is gone, or belongs to somebody else.
pub fn usage(pid: u32) -> Result<Usage> {
    let read = |file: &str| {
        let path = format!("/proc/{pid}/{file}");
        fs::read_to_string(&path).with_context(|| format!("read {path}"))
    };
    let (stat, status, io) = (read("stat")?, read("status")?, read("io")?);
    // Fields 14 and 15 of proc(5), counted after the command, which may hold anything but a last bracket.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |idx: usize| fields.get(idx).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    Ok(Usage {
        cpu_s: (ticks(11) + ticks(12)) * TICK_S,
        rss_bytes: field(&status, "VmRSS:") * 1024,
        rss_peak_bytes: field(&status, "VmHWM:") * 1024,
        anonymous_bytes: field(&status, "RssAnon:") * 1024,
        read_bytes: field(&io, "read_bytes:"),
        written_bytes: field(&io, "write_bytes:"),
        n_threads: field(&status, "Threads:"),
    })
}

/// Returns the CPU time of the threads that process `pid` has now, to the nanosecond; those that ended are not in it.
/// # Errors
/// When the process is gone, or belongs to somebody else.
pub fn cpu_fine_s(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/task");
    let threads = fs::read_dir(&path).with_context(|| format!("list {path}"))?;
    // A thread may end between listing and reading. The first number is its time on a core, ns.
    let texts =
        threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("schedstat")).ok());
    let times = texts.filter_map(|text| text.split(' ').next().and_then(|first| first.parse::<f64>().ok()));
    Ok(times.sum::<f64>() * 1e-9)
}

/// Lets [`Usage::rss_peak_bytes`] of process `pid` begin anew from what is resident now.
/// # Errors
/// When the process is gone, or belongs to somebody else.
pub fn reset_peak(pid: u32) -> Result<()> {
    let path = format!("/proc/{pid}/clear_refs");
    // 5 is the kernel's word for it, see proc(5).
    fs::write(&path, "5").with_context(|| format!("write {path}"))
}

/// Reads the number behind `name` in a file of one field per line; 0 when it is absent, as memory of a dying process is.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Returns the size of all files below `folder`, bytes; files that vanish meanwhile do not count.
pub fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

/// Looks at a process again and again until [`Watch::finish`].
#[derive(Debug)]
pub struct Watch {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Usage>>,
}

/// What was seen over a while.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seen {
    /// Median resident memory.
    pub rss_bytes: f64,
    /// Median anonymous memory.
    pub anonymous_bytes: f64,
    /// Most anonymous memory at a look.
    pub anonymous_peak_bytes: f64,
    /// Most resident memory at a look; short peaks between looks are in [`Usage::rss_peak_bytes`] alone.
    pub rss_peak_bytes: f64,
}

impl Watch {
    /// Begins to look at process `pid`.
    pub fn start(pid: u32) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let is_over = Arc::clone(&is_over);
            move || {
                let mut looks = Vec::new();
                while !is_over.load(Ordering::SeqCst) {
                    looks.extend(usage(pid).ok());
                    std::thread::park_timeout(LOOK_EVERY);
                }
                looks
            }
        });
        Self { is_over, thread }
    }

    /// Stops looking and returns what was seen; zeros when the process was gone from the start.
    pub fn finish(self) -> Seen {
        self.is_over.store(true, Ordering::SeqCst);
        self.thread.thread().unpark();
        let looks = self.thread.join().unwrap_or_default();
        let of = |get: fn(&Usage) -> u64| looks.iter().map(|usage| get(usage) as f64).collect::<Vec<_>>();
        let (rss, anonymous) = (of(|usage| usage.rss_bytes), of(|usage| usage.anonymous_bytes));
        let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
        Seen {
            rss_bytes: median(&rss).unwrap_or(0.0),
            anonymous_bytes: median(&anonymous).unwrap_or(0.0),
            anonymous_peak_bytes: most(&anonymous),
            rss_peak_bytes: most(&rss),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_what_it_asked_for() {
        let before = usage(std::process::id()).unwrap();
        let block = vec![1_u8; 64 << 20];
        let after = usage(std::process::id()).unwrap();
        assert!(std::hint::black_box(&block).iter().all(|byte| *byte == 1));
        assert!(after.anonymous_bytes >= before.anonymous_bytes + (60 << 20), "{before:?} {after:?}");
        assert!(after.rss_peak_bytes >= after.anonymous_bytes && after.n_threads >= 1);
        assert!(usage(std::process::id()).unwrap().cpu_s >= before.cpu_s);
    }

    #[test]
    fn the_peak_begins_anew() {
        let mut child = std::process::Command::new("/bin/sh")
            .args(["-c", "echo; read line"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let outcome = reset_peak(child.id());
        let seen = usage(child.id()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        outcome.unwrap();
        assert!(seen.rss_peak_bytes >= seen.rss_bytes);
    }

    #[test]
    fn a_watch_sees_at_least_one_look() {
        let watch = Watch::start(std::process::id());
        while usage(std::process::id()).unwrap().n_threads < 2 {
            std::hint::spin_loop();
        }
        let seen = watch.finish();
        assert!(seen.rss_peak_bytes >= seen.rss_bytes);
    }

    #[test]
    fn the_fine_clock_counts_this_process() {
        while cpu_fine_s(std::process::id()).unwrap() == 0.0 {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn nobody_is_an_error() {
        assert!(usage(u32::MAX).is_err() && cpu_fine_s(u32::MAX).is_err());
    }

    #[test]
    fn a_folders_size_is_that_of_its_files() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("inner")).unwrap();
        fs::write(folder.path().join("inner/a"), [0; 10]).unwrap();
        fs::write(folder.path().join("b"), [0; 5]).unwrap();
        assert_eq!(folder_bytes(folder.path()), 15);
    }
}
