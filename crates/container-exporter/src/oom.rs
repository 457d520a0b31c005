//! Kills for lack of memory, from the kernel's log.
//!
//! # Source
//! Linux `Documentation/ABI/testing/dev-kmsg`; the line `oom-kill:` that the kernel writes since 5.0.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, SeekFrom};
use rustix::io::Errno;

/// Records read at a time at most: a kernel that logs without end must not hold a scrape.
const RECORDS_MAX: usize = 10_000;

/// Counts of victims by the path of their group, since this was opened.
#[derive(Debug, Default)]
pub(crate) struct OomKills {
    log: Option<OwnedFd>,
    counts: BTreeMap<String, u64>,
}

impl OomKills {
    /// Opens the log at its end. Without the right to read it all counts stay 0.
    pub(crate) fn open() -> Self {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let log = rustix::fs::open("/dev/kmsg", flags, Mode::empty());
        let log = log.and_then(|log| rustix::fs::seek(&log, SeekFrom::End(0)).map(|_| log));
        if let Err(error) = &log {
            tracing::info!(%error, "the kernel's log cannot be read: kills for lack of memory are not counted");
        }
        Self { log: log.ok(), counts: BTreeMap::new() }
    }

    /// Reads what the kernel wrote since the last time.
    pub(crate) fn update(&mut self) {
        let Some(log) = &self.log else { return };
        let mut record = vec![0_u8; 8192];
        for _ in 0..RECORDS_MAX {
            match rustix::io::read(log, record.as_mut_slice()) {
                Ok(n_bytes) => {
                    let text = String::from_utf8_lossy(record.get(..n_bytes).unwrap_or_default());
                    if let Some(group) = victim(&text) {
                        *self.counts.entry(group.to_owned()).or_default() += 1;
                    }
                }
                // The record was overwritten before we came: the next one follows.
                Err(Errno::PIPE | Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    pub(crate) fn count(&self, group: &str) -> u64 {
        self.counts.get(group).copied().unwrap_or(0)
    }
}

/// `6,1,2,-;oom-kill:constraint=CONSTRAINT_MEMCG,…,oom_memcg=/a,task_memcg=/a/b,task=x,pid=1,uid=0`
fn victim(record: &str) -> Option<&str> {
    let body = record.split_once(";oom-kill:")?.1;
    body.split(',').find_map(|pair| pair.strip_prefix("task_memcg=")).map(|group| group.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_victims_group_is_found() {
        let record = "4,99,5,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/p,task_memcg=/p/c,task=x,pid=1,uid=0\n";
        assert_eq!(victim(record), Some("/p/c"));
        assert_eq!(victim("4,99,5,-;something else"), None);
    }
}
