//! Control groups of both versions: which there are, and what they say.

mod stats;
mod v1;
mod v2;

use std::path::{Path, PathBuf};

use crate::files;

pub use stats::{BlockIo, Cpu, DeviceIo, Memory, Pressure, Process, Stats};

/// Deeper than anybody nests.
const DEPTH_MAX: usize = 32;

/// The mounted hierarchy, or hierarchies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    /// One tree with all controllers.
    Unified {
        /// Where it is mounted.
        root: PathBuf,
    },
    /// A tree for each controller. Where one is not mounted its numbers are absent.
    Legacy(Controllers),
}

/// Mount points of the first version's controllers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Controllers {
    /// `cpu`.
    pub cpu: Option<PathBuf>,
    /// `cpuacct`, often the same.
    pub cpuacct: Option<PathBuf>,
    /// `memory`.
    pub memory: Option<PathBuf>,
    /// `blkio`.
    pub blkio: Option<PathBuf>,
    /// `pids`.
    pub pids: Option<PathBuf>,
}

impl Tree {
    /// Finds out what is mounted below `root`.
    pub fn open(root: &Path) -> Option<Self> {
        if root.join("cgroup.controllers").is_file() {
            return Some(Self::Unified { root: root.to_owned() });
        }
        let entries = files::names(root, false);
        // Controllers share a mount as in `cpu,cpuacct`, with links under their own names or without.
        let find = |controller: &str| {
            let holds = |name: &&String| name.split(',').any(|part| part == controller);
            entries.iter().find(holds).map(|name| root.join(name)).filter(|path| path.is_dir())
        };
        let controllers = Controllers {
            cpu: find("cpu"),
            cpuacct: find("cpuacct"),
            memory: find("memory"),
            blkio: find("blkio"),
            pids: find("pids"),
        };
        (controllers != Controllers::default()).then_some(Self::Legacy(controllers))
    }

    fn roots(&self) -> Vec<&Path> {
        match self {
            Self::Unified { root } => vec![root],
            Self::Legacy(Controllers { cpu, cpuacct, memory, blkio, pids }) => {
                [cpu, cpuacct, memory, blkio, pids].into_iter().flatten().map(PathBuf::as_path).collect()
            }
        }
    }

    /// Lists groups by their path, `/` first, sorted; at most `groups_max`.
    pub fn list(&self, groups_max: usize) -> Vec<String> {
        let mut groups = std::collections::BTreeSet::new();
        for root in self.roots() {
            walk(root, "", 0, groups_max, &mut groups);
        }
        groups.insert("/".to_owned());
        groups.into_iter().take(groups_max).collect()
    }

    /// Reads a group's numbers. None when it is gone.
    pub fn read(&self, group: &str) -> Option<Stats> {
        match self {
            Self::Unified { root } => v2::read(&below(root, group), group == "/"),
            Self::Legacy(controllers) => v1::read(controllers, group),
        }
    }

    /// Returns directories of the group, for times and processes.
    pub fn directories(&self, group: &str) -> Vec<PathBuf> {
        let all = self.roots().into_iter().map(|root| below(root, group));
        all.filter(|dir| dir.is_dir()).collect()
    }

    /// Returns the processes of a group itself, not of those below.
    pub fn processes(&self, group: &str) -> Vec<u32> {
        let text = self.directories(group).iter().find_map(|dir| files::text(&dir.join("cgroup.procs")));
        // 0 is a process that our own namespace does not show.
        let pids = text.unwrap_or_default();
        pids.lines().filter_map(|line| line.trim().parse().ok()).filter(|pid| *pid != 0).collect()
    }
}

fn walk(
    dir: &Path,
    group: &str,
    depth: usize,
    groups_max: usize,
    groups: &mut std::collections::BTreeSet<String>,
) {
    if depth > DEPTH_MAX || groups.len() > groups_max {
        return;
    }
    for name in files::names(dir, true) {
        let child = format!("{group}/{name}");
        walk(&dir.join(&name), &child, depth + 1, groups_max, groups);
        groups.insert(child);
    }
}

fn below(root: &Path, group: &str) -> PathBuf {
    root.join(group.trim_start_matches('/'))
}
