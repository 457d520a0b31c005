//! What cAdvisor shows when asked to and the kubelet never does.
//!
//! # Source
//! `spec/exporters-linux.md` B5, the standalone set; Linux `Documentation/admin-guide/cgroup-v1/` and `cgroup-v2.rst`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::files::{self, field, number, text};
use crate::perf::Reading;
use crate::resctrl::Domain;

/// Numbers of one group; what nobody asked for is empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Extra {
    /// Nanoseconds of each CPU. First version only.
    pub(crate) per_cpu: Vec<u64>,
    /// Time run and time waited, ns, and times run.
    pub(crate) scheduled: Option<[u64; 3]>,
    pub(crate) huge_pages: Vec<HugePages>,
    pub(crate) numa: Vec<NumaPages>,
    /// `cpuset.memory_migrate`. First version only.
    pub(crate) migrate: Option<u64>,
    pub(crate) sockets: Sockets,
    /// Counts of TCP by the kernel's names in lower case.
    pub(crate) tcp_counts: Vec<(String, f64)>,
    /// Bytes used lately.
    pub(crate) referenced: Option<u64>,
    pub(crate) perf: Vec<Reading>,
    pub(crate) caches: Vec<Domain>,
}

/// Huge pages of one size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HugePages {
    /// As in `2MB`.
    pub(crate) size: String,
    pub(crate) bytes: u64,
    pub(crate) bytes_max: u64,
    pub(crate) n_failed: u64,
}

/// Pages of one kind on one NUMA node. First version only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NumaPages {
    pub(crate) kind: String,
    pub(crate) is_hierarchy: bool,
    pub(crate) node: String,
    pub(crate) pages: u64,
}

/// Sockets of a network namespace, by the file that lists them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sockets {
    /// `tcp`, `tcp6`: sockets by state, in the order of [`TCP_STATES`].
    pub(crate) tcp: Vec<(&'static str, [u64; 11])>,
    /// `udp`, `udp6`: sockets, bytes to receive, bytes to send, drops.
    pub(crate) udp: Vec<(&'static str, [u64; 4])>,
}

/// States by the kernel's numbers, from 1 on.
pub(crate) const TCP_STATES: [&str; 11] = [
    "established",
    "synsent",
    "synrecv",
    "finwait1",
    "finwait2",
    "timewait",
    "close",
    "closewait",
    "lastack",
    "listen",
    "closing",
];

/// Reads what was asked for. `pids` are the group's own processes, `network_of` is one whose network is the group's.
pub(crate) fn read(
    config: &Config,
    group: &str,
    pids: &[u32],
    network_of: Option<u32>,
    schedule: &mut Schedule,
) -> Extra {
    let mut extra = Extra::default();
    let dir = |controller: &str| dir_of(&config.cgroups, controller, group);
    if config.has("percpu") {
        extra.per_cpu =
            text(&dir("cpuacct").join("cpuacct.usage_percpu")).map(|text| numbers(&text)).unwrap_or_default();
    }
    if config.has("sched") {
        extra.scheduled = Some(schedule.update(group, scheduled(&config.proc, pids)));
    }
    if config.has("hugetlb") {
        extra.huge_pages = huge_pages(&dir("hugetlb"));
    }
    if config.has("memory_numa") {
        extra.numa = numa(&text(&dir("memory").join("memory.numa_stat")).unwrap_or_default());
    }
    if config.has("cpuset") {
        extra.migrate = number(&dir("cpuset").join("cpuset.memory_migrate"));
    }
    if config.has("referenced_memory") && !pids.is_empty() {
        extra.referenced = Some(pids.iter().map(|pid| referenced(&config.proc, *pid)).sum());
    }
    if let Some(pid) = network_of {
        let net = config.proc.join(pid.to_string()).join("net");
        let file = |name: &'static str| text(&net.join(name)).map(|text| (name, text));
        if config.has("tcp") {
            let files = ["tcp", "tcp6"].into_iter().filter_map(file);
            extra.sockets.tcp = files.map(|(name, text)| (name, tcp(&text))).collect();
        }
        if config.has("udp") {
            let files = ["udp", "udp6"].into_iter().filter_map(file);
            extra.sockets.udp = files.map(|(name, text)| (name, udp(&text))).collect();
        }
        if config.has("advtcp") {
            let counts = |(name, protocol)| {
                file(name).map(|(_, text)| tcp_counts(&text, protocol)).unwrap_or_default()
            };
            extra.tcp_counts =
                [("netstat", "TcpExt:"), ("snmp", "Tcp:")].into_iter().flat_map(counts).collect();
        }
    }
    extra
}

/// The group's directory: below its controller, or in the one tree of the second version.
fn dir_of(root: &Path, controller: &str, group: &str) -> PathBuf {
    let group = group.trim_start_matches('/');
    let of_controller = root.join(controller);
    if of_controller.is_dir() { of_controller.join(group) } else { root.join(group) }
}

fn numbers(text: &str) -> Vec<u64> {
    text.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect()
}

fn huge_pages(dir: &Path) -> Vec<HugePages> {
    let names = files::names(dir, false);
    let sizes: BTreeSet<_> = names
        .iter()
        .filter_map(|name| name.strip_prefix("hugetlb."))
        .filter_map(|name| name.strip_suffix(".usage_in_bytes").or_else(|| name.strip_suffix(".current")))
        // Reservations are counted apart.
        .filter(|size| !size.contains('.'))
        .collect();
    let read = |size: &&str| {
        let file = |what: &str| dir.join(format!("hugetlb.{size}.{what}"));
        let events = text(&file("events")).unwrap_or_default();
        HugePages {
            size: (*size).to_owned(),
            bytes: number(&file("usage_in_bytes")).or_else(|| number(&file("current"))).unwrap_or(0),
            bytes_max: number(&file("max_usage_in_bytes")).unwrap_or(0),
            n_failed: number(&file("failcnt")).or_else(|| field(&events, "max")).unwrap_or(0),
        }
    };
    sizes.iter().map(read).collect()
}

/// Lines such as `anon=9 N0=5 N1=4` and `hierarchical_anon=9 N0=5 N1=4`.
fn numa(stat: &str) -> Vec<NumaPages> {
    let mut all = Vec::new();
    for line in stat.lines() {
        let mut words = line.split_ascii_whitespace();
        let Some((kind, _)) = words.next().and_then(|word| word.split_once('=')) else { continue };
        let (kind, is_hierarchy) = match kind.strip_prefix("hierarchical_") {
            Some(kind) => (kind, true),
            None => (kind, false),
        };
        if !matches!(kind, "file" | "anon" | "unevictable") {
            continue;
        }
        for (node, pages) in words.filter_map(|word| word.strip_prefix('N')?.split_once('=')) {
            let Ok(pages) = pages.parse() else { continue };
            all.push(NumaPages { kind: kind.to_owned(), is_hierarchy, node: node.to_owned(), pages });
        }
    }
    all
}

fn referenced(proc: &Path, pid: u32) -> u64 {
    let smaps = text(&proc.join(pid.to_string()).join("smaps_rollup")).unwrap_or_default();
    let line = smaps.lines().find_map(|line| line.strip_prefix("Referenced:"));
    line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// The fourth column is the state, in hexadecimal.
fn tcp(table: &str) -> [u64; 11] {
    let mut counts = [0; 11];
    for line in table.lines().skip(1) {
        let state =
            line.split_ascii_whitespace().nth(3).and_then(|word| usize::from_str_radix(word, 16).ok());
        if let Some(count) = state.and_then(|state| counts.get_mut(state.checked_sub(1)?)) {
            *count += 1;
        }
    }
    counts
}

/// The fifth column is `tx_queue:rx_queue` in hexadecimal, the last the drops.
fn udp(table: &str) -> [u64; 4] {
    let (mut sockets, mut received, mut sent, mut drops) = (0, 0_u64, 0_u64, 0_u64);
    for line in table.lines().skip(1) {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        let Some((tx, rx)) = words.get(4).and_then(|word| word.split_once(':')) else { continue };
        let hex = |word| u64::from_str_radix(word, 16).unwrap_or(0);
        sockets += 1;
        sent = sent.saturating_add(hex(tx));
        received = received.saturating_add(hex(rx));
        drops = drops.saturating_add(words.last().and_then(|word| word.parse().ok()).unwrap_or(0));
    }
    [sockets, received, sent, drops]
}

/// Pairs of lines: `Tcp: RtoMin …`, `Tcp: 200 …`.
fn tcp_counts(table: &str, protocol: &str) -> Vec<(String, f64)> {
    let mut lines = table.lines().filter_map(|line| line.strip_prefix(protocol));
    let (Some(names), Some(values)) = (lines.next(), lines.next()) else { return Vec::new() };
    let values = values.split_ascii_whitespace().map(|word| word.parse().unwrap_or(0.0));
    names.split_ascii_whitespace().map(str::to_ascii_lowercase).zip(values).collect()
}

/// `/proc/<pid>/schedstat`: time run, time waited, times run.
fn scheduled(proc: &Path, pids: &[u32]) -> BTreeMap<u32, [u64; 3]> {
    let of = |pid: &u32| {
        let text = text(&proc.join(pid.to_string()).join("schedstat"))?;
        Some((*pid, *numbers(&text).first_chunk::<3>()?))
    };
    pids.iter().filter_map(of).collect()
}

/// What groups' processes were scheduled. A group's count keeps what processes counted that have ended since.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    groups: BTreeMap<String, OfGroup>,
}

#[derive(Debug, Default)]
struct OfGroup {
    of_ended: [u64; 3],
    last: BTreeMap<u32, [u64; 3]>,
}

impl Schedule {
    fn update(&mut self, group: &str, now: BTreeMap<u32, [u64; 3]>) -> [u64; 3] {
        let of_group = self.groups.entry(group.to_owned()).or_default();
        let ended = of_group.last.iter().filter(|(pid, _)| !now.contains_key(pid)).map(|(_, counts)| *counts);
        of_group.of_ended = ended.fold(of_group.of_ended, add);
        of_group.last = now;
        of_group.last.values().copied().fold(of_group.of_ended, add)
    }

    /// Forgets groups that are not among `groups`, which are sorted.
    pub(crate) fn retain(&mut self, groups: &[String]) {
        self.groups.retain(|group, _| groups.binary_search(group).is_ok());
    }
}

fn add(a: [u64; 3], b: [u64; 3]) -> [u64; 3] {
    [a[0].saturating_add(b[0]), a[1].saturating_add(b[1]), a[2].saturating_add(b[2])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_counted_by_state() {
        let row = |state: &str| {
            format!("  0: 0100007F:0016 00000000:0000 {state} 00000000:00000000 00:0 0 0 0 1 1\n")
        };
        let table = ["heading\n".to_owned(), row("0A"), row("01"), row("01"), row("FF")].concat();
        let counts = tcp(&table);
        assert_eq!((counts[0], counts[9], counts.iter().sum::<u64>()), (2, 1, 3));
        let table = "heading\n 1: 0:1 0:0 07 00000010:00000002 00:0 0 0 0 17 2 0000 5\nnonsense\n";
        assert_eq!(udp(table), [1, 2, 16, 5]);
    }

    #[test]
    fn pages_of_nodes_are_told_by_kind_and_scope() {
        let stat = "total=9 N0=9\nanon=3 N0=1 N1=2\nhierarchical_file=4 N0=4\n";
        let pages = |kind: &str, is_hierarchy, node: &str, pages| NumaPages {
            kind: kind.to_owned(),
            is_hierarchy,
            node: node.to_owned(),
            pages,
        };
        let want = [pages("anon", false, "0", 1), pages("anon", false, "1", 2), pages("file", true, "0", 4)];
        assert_eq!(numa(stat), want);
    }

    #[test]
    fn counts_of_ended_processes_are_kept() {
        let mut schedule = Schedule::default();
        schedule.update("/a", [(1, [10, 1, 1]), (2, [5, 5, 5])].into());
        assert_eq!(schedule.update("/a", [(2, [6, 6, 6])].into()), [16, 7, 7]);
        assert_eq!(schedule.update("/a", [(3, [1, 0, 0])].into()), [17, 7, 7]);
        schedule.retain(&[]);
        assert_eq!(schedule.update("/a", BTreeMap::new()), [0; 3]);
    }

    #[test]
    fn names_and_numbers_of_tcp_are_paired() {
        let table = "TcpExt: SyncookiesSent TW\nTcpExt: 3 4\nIpExt: InOctets\nIpExt: 5\n";
        assert_eq!(
            tcp_counts(table, "TcpExt:"),
            [("syncookiessent".to_owned(), 3.0), ("tw".to_owned(), 4.0)]
        );
        assert!(tcp_counts(table, "Udp:").is_empty());
    }
}
