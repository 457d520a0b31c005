//! What the CPU counts of caches and memory bandwidth for groups of tasks: Intel RDT, AMD PQoS, Arm MPAM.
//!
//! Groups are only read. One that holds tasks of a single container is that container's, whoever made it; the root's is
//! the default group.
//!
//! # Source
//! Linux `Documentation/filesystems/resctrl.rst`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::files;

/// Directories at the top that are no groups.
const NO_GROUPS: [&str; 3] = ["info", "mon_groups", "mon_data"];

/// What one domain of a cache counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Domain {
    /// Number of the cache.
    pub(crate) node: String,
    /// Bytes of the cache in use.
    pub(crate) occupancy: Option<u64>,
    /// Bytes to and from memory beside this cache, since the group was made.
    pub(crate) local: Option<u64>,
    /// Bytes to and from all memory.
    pub(crate) total: Option<u64>,
}

/// Groups of a mounted file system, by the tasks they hold.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    root: PathBuf,
    /// Directory and tasks of each group but the default one.
    groups: Vec<(PathBuf, BTreeSet<u32>)>,
    /// Index in `groups` by task; a monitoring group comes after the control group that its tasks are in too.
    by_task: BTreeMap<u32, usize>,
}

impl Groups {
    /// Reads which groups there are. None when no such file system is mounted.
    pub(crate) fn read(sys: &Path) -> Option<Self> {
        let root = sys.join("fs/resctrl");
        if !root.join("info").is_dir() && !root.join("mon_data").is_dir() {
            return None;
        }
        let controls =
            files::names(&root, true).into_iter().filter(|name| !NO_GROUPS.contains(&name.as_str()));
        let controls: Vec<_> = controls.map(|name| root.join(name)).collect();
        let monitors = |control: &PathBuf| {
            let dir = control.join("mon_groups");
            files::names(&dir, true).into_iter().map(move |name| dir.join(name)).collect::<Vec<_>>()
        };
        let below: Vec<_> = controls.iter().chain([&root]).flat_map(monitors).collect();
        let mut found = Self { root, ..Self::default() };
        for dir in controls.into_iter().chain(below) {
            let tasks = files::text(&dir.join("tasks")).unwrap_or_default();
            let tasks: BTreeSet<u32> = tasks.lines().filter_map(|line| line.trim().parse().ok()).collect();
            found.by_task.extend(tasks.iter().map(|task| (*task, found.groups.len())));
            found.groups.push((dir, tasks));
        }
        Some(found)
    }

    /// Returns what was counted for a group of processes; nothing when no group is theirs alone.
    pub(crate) fn of(&self, proc: &Path, is_root: bool, pids: &[u32]) -> Vec<Domain> {
        if is_root {
            return domains(&self.root);
        }
        let Some(idx) = pids.iter().find_map(|pid| self.by_task.get(pid)) else { return Vec::new() };
        let Some((dir, tasks)) = self.groups.get(*idx) else { return Vec::new() };
        let own: BTreeSet<u32> = pids.iter().flat_map(|pid| threads(proc, *pid)).collect();
        if tasks.is_subset(&own) { domains(dir) } else { Vec::new() }
    }
}

fn threads(proc: &Path, pid: u32) -> BTreeSet<u32> {
    let names = files::names(&proc.join(pid.to_string()).join("task"), false);
    names.iter().filter_map(|name| name.parse().ok()).chain([pid]).collect()
}

/// `mon_data/mon_L3_<number>`; a counter that is not to be had just now says so in words.
fn domains(group: &Path) -> Vec<Domain> {
    let dir = group.join("mon_data");
    let read = |name: String| {
        let number = name.strip_prefix("mon_L3_")?.parse::<u32>().ok()?;
        let file = |what: &str| files::number(&dir.join(&name).join(what));
        Some(Domain {
            node: number.to_string(),
            occupancy: file("llc_occupancy"),
            local: file("mbm_local_bytes"),
            total: file("mbm_total_bytes"),
        })
    };
    files::names(&dir, true).into_iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, content: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn counts(root: &Path, group: &str, occupancy: &str) {
        let data = format!("fs/resctrl/{group}mon_data/mon_L3_00");
        write(root, &format!("{data}/llc_occupancy"), occupancy);
        write(root, &format!("{data}/mbm_local_bytes"), "200\n");
        write(root, &format!("{data}/mbm_total_bytes"), "Unavailable\n");
    }

    #[test]
    fn a_group_belongs_to_the_container_whose_tasks_alone_it_holds() {
        let dir = tempfile::tempdir().unwrap();
        let (root, proc) = (dir.path(), dir.path().join("proc"));
        assert!(Groups::read(root).is_none());
        write(root, "fs/resctrl/info/L3_MON/num_rmids", "176\n");
        write(root, "fs/resctrl/tasks", "1\n");
        counts(root, "", "1000\n");
        write(root, "fs/resctrl/shared/tasks", "10\n11\n20\n");
        counts(root, "shared/", "500\n");
        write(root, "fs/resctrl/mon_groups/cadvisor-a/tasks", "10\n11\n");
        counts(root, "mon_groups/cadvisor-a/", "300\n");
        write(root, "proc/10/task/11/stat", "");
        let groups = Groups::read(root).unwrap();
        let want = |occupancy| Domain {
            node: "0".to_owned(),
            occupancy: Some(occupancy),
            local: Some(200),
            total: None,
        };
        assert_eq!(groups.of(&proc, true, &[]), [want(1000)]);
        assert_eq!(groups.of(&proc, false, &[10]), [want(300)], "its own, not the one it shares");
        assert_eq!(groups.of(&proc, false, &[20]), [], "shared with another container");
        assert_eq!(groups.of(&proc, false, &[30]), []);
    }
}
