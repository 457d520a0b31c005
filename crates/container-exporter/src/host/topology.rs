//! How CPUs, caches and memory of the machine belong together.
//!
//! # Source
//! Linux `Documentation/ABI/stable/sysfs-devices-node` and `sysfs-devices-system-cpu`.

use std::collections::BTreeSet;
use std::path::Path;

use crate::files::{names, number, text};

/// What is shown when asked for; read once.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Topology {
    pub(crate) caches: BTreeSet<Cache>,
    pub(crate) threads: Vec<Thread>,
    pub(crate) nodes: Vec<Node>,
}

/// A cache; of a core, or shared by several and then without one.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cache {
    pub(crate) node: String,
    pub(crate) core: String,
    pub(crate) kind: String,
    pub(crate) level: String,
    pub(crate) bytes: u64,
}

/// A logical CPU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Thread {
    pub(crate) id: String,
    pub(crate) core: String,
    pub(crate) node: String,
    /// Threads of its core.
    pub(crate) siblings: usize,
}

/// A NUMA node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) memory: u64,
    /// Size in KiB and number.
    pub(crate) huge_pages: Vec<(String, u64)>,
    /// Node and distance to it.
    pub(crate) distances: Vec<(String, u64)>,
}

impl Topology {
    /// Reads `<sys>/devices/system`.
    pub(crate) fn read(sys: &Path) -> Self {
        let system = sys.join("devices/system");
        let mut topology = Self::default();
        let node_ids = numbered(&system.join("node"), "node");
        for id in &node_ids {
            let dir = system.join("node").join(format!("node{id}"));
            for cpu in numbered(&dir, "cpu") {
                topology.add_cpu(&system.join("cpu").join(format!("cpu{cpu}")), &cpu, id);
            }
            topology.nodes.push(node(&dir, id, &node_ids));
        }
        topology
    }

    fn add_cpu(&mut self, dir: &Path, id: &str, node: &str) {
        let word = |name: &str| text(&dir.join(name)).map(|text| text.trim().to_owned()).unwrap_or_default();
        let siblings = count(&word("topology/thread_siblings_list"));
        let core = word("topology/core_id");
        for index in numbered(&dir.join("cache"), "index") {
            let file = |name: &str| word(&format!("cache/index{index}/{name}"));
            let is_shared = count(&file("shared_cpu_list")) > siblings;
            let Some(bytes) = bytes(&file("size")) else { continue };
            self.caches.insert(Cache {
                node: node.to_owned(),
                core: if is_shared { String::new() } else { core.clone() },
                kind: file("type"),
                level: file("level"),
                bytes,
            });
        }
        self.threads.push(Thread { id: id.to_owned(), core, node: node.to_owned(), siblings });
    }
}

fn node(dir: &Path, id: &str, node_ids: &[String]) -> Node {
    let meminfo = text(&dir.join("meminfo")).unwrap_or_default();
    let total = meminfo.lines().find_map(|line| line.split_once("MemTotal:")).map(|(_, rest)| rest);
    let kibibytes =
        total.and_then(|rest| rest.split_ascii_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0);
    let huge_pages = names(&dir.join("hugepages"), false).into_iter().filter_map(|name| {
        let size = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.to_owned();
        Some((size, number(&dir.join("hugepages").join(&name).join("nr_hugepages"))?))
    });
    let distances = text(&dir.join("distance")).unwrap_or_default();
    let distances = distances.split_ascii_whitespace().filter_map(|word| word.parse().ok());
    Node {
        id: id.to_owned(),
        memory: kibibytes.saturating_mul(1024),
        huge_pages: huge_pages.collect(),
        distances: node_ids.iter().cloned().zip(distances).collect(),
    }
}

/// Numbers of entries such as `cpu12`, in their order.
fn numbered(dir: &Path, prefix: &str) -> Vec<String> {
    let names = names(dir, false);
    let mut numbers: Vec<u32> =
        names.iter().filter_map(|name| name.strip_prefix(prefix)?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers.iter().map(u32::to_string).collect()
}

/// How many a list such as `0-2,7` names.
fn count(list: &str) -> usize {
    let item = |item: &str| match item.split_once('-') {
        Some((first, last)) => {
            let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
            Some(last.checked_sub(first)?.saturating_add(1))
        }
        None => item.parse::<usize>().ok().map(|_| 1),
    };
    list.split(',').filter_map(item).sum()
}

/// `32K`, `8M`.
fn bytes(size: &str) -> Option<u64> {
    let (digits, unit) = size.split_at_checked(size.len().checked_sub(1)?)?;
    match unit {
        "K" => digits.parse::<u64>().ok()?.checked_mul(1 << 10),
        "M" => digits.parse::<u64>().ok()?.checked_mul(1 << 20),
        _ => size.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_caches_and_nodes_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, content: &str| {
            let path = folder.path().join("devices/system").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        };
        write("node/node0/meminfo", "Node 0 MemTotal:  1000 kB\nNode 0 MemFree: 1 kB\n");
        write("node/node0/distance", "10 21\n");
        write("node/node0/hugepages/hugepages-2048kB/nr_hugepages", "3\n");
        write("node/node0/cpu1/unused", "");
        write("node/node1/meminfo", "");
        write("cpu/cpu1/topology/core_id", "4\n");
        write("cpu/cpu1/topology/thread_siblings_list", "1,5\n");
        for (index, level, shared, size) in [(0, "1", "1,5", "32K"), (3, "3", "0-7", "8M")] {
            write(&format!("cpu/cpu1/cache/index{index}/level"), level);
            write(&format!("cpu/cpu1/cache/index{index}/type"), "Unified");
            write(&format!("cpu/cpu1/cache/index{index}/shared_cpu_list"), shared);
            write(&format!("cpu/cpu1/cache/index{index}/size"), size);
        }
        let topology = Topology::read(folder.path());
        let caches: Vec<_> = topology.caches.iter().map(|cache| (cache.core.as_str(), cache.bytes)).collect();
        assert_eq!(caches, [("", 8 << 20), ("4", 32 << 10)]);
        let thread = topology.threads.first().unwrap();
        assert_eq!((thread.id.as_str(), thread.siblings), ("1", 2));
        let node = topology.nodes.first().unwrap();
        assert_eq!((node.memory, &node.huge_pages[..]), (1_024_000, &[("2048".to_owned(), 3)][..]));
        assert_eq!(node.distances, [("0".to_owned(), 10), ("1".to_owned(), 21)]);
        assert_eq!((count("0-2,7"), count(""), count("9-1")), (4, 0, 0));
    }
}
