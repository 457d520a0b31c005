//! What belongs to the processes of a group: network, open files, limits.

use std::path::Path;

use crate::files;

/// Counts of a network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) name: String,
    /// Bytes, packets, errors, drops.
    pub(crate) received: [u64; 4],
    /// Bytes, packets, errors, drops.
    pub(crate) transmitted: [u64; 4],
}

/// Open files of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Open {
    pub(crate) processes: usize,
    pub(crate) files: u64,
    pub(crate) sockets: u64,
    /// Soft limit of open files of the first process; −1 is none.
    pub(crate) limit: Option<f64>,
}

/// Interfaces that belong to other namespaces, or to nobody.
const IGNORED: [&str; 4] = ["lo", "veth", "docker", "nerdctl"];

/// Reads `/proc/<pid>/net/dev`. None when the process is gone.
pub(crate) fn network(proc: &Path, pid: u32) -> Option<Vec<Interface>> {
    let text = files::text(&proc.join(pid.to_string()).join("net/dev"))?;
    // Two lines of headings come first.
    Some(text.lines().skip(2).filter_map(interface).collect())
}

fn interface(line: &str) -> Option<Interface> {
    let (name, columns) = line.rsplit_once(':')?;
    let name = name.trim();
    let lower = name.to_lowercase();
    if IGNORED.iter().any(|prefix| lower.starts_with(prefix)) {
        return None;
    }
    let columns: Vec<u64> = columns.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect();
    let take = |first: usize| columns.get(first..first + 4)?.first_chunk::<4>().copied();
    Some(Interface { name: name.to_owned(), received: take(0)?, transmitted: take(8)? })
}

/// Counts open files. What may not be read counts as none, as in cAdvisor.
pub(crate) fn open(proc: &Path, pids: &[u32]) -> Open {
    let mut open = Open { processes: pids.len(), ..Open::default() };
    for pid in pids {
        let dir = proc.join(pid.to_string()).join("fd");
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            open.files += 1;
            let target = std::fs::read_link(entry.path());
            open.sockets += u64::from(
                target.is_ok_and(|target| target.as_os_str().as_encoded_bytes().starts_with(b"socket")),
            );
        }
    }
    open.limit = pids.first().and_then(|pid| limit(proc, *pid));
    open
}

/// `Max open files            1024                 1048576              files`
fn limit(proc: &Path, pid: u32) -> Option<f64> {
    let text = files::text(&proc.join(pid.to_string()).join("limits"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_ascii_whitespace().next()? {
        "unlimited" => Some(-1.0),
        number => number.parse().ok(),
    }
}

/// Returns whether the process only holds a pod's namespaces open.
pub(crate) fn is_pause(proc: &Path, pid: u32) -> bool {
    files::text(&proc.join(pid.to_string()).join("comm")).is_some_and(|name| name.trim() == "pause")
}
