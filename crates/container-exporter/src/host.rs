//! The machine: what it is, its block devices, its file systems.

mod topology;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::config::Config;
use crate::files::{self, text};

pub(crate) use topology::Topology;

/// What the machine has; read once.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Machine {
    pub(crate) machine_id: String,
    pub(crate) system_uuid: String,
    pub(crate) boot_id: String,
    pub(crate) cores: usize,
    pub(crate) physical_cores: usize,
    pub(crate) sockets: usize,
    pub(crate) memory: u64,
    pub(crate) swap: u64,
    pub(crate) kernel: String,
    pub(crate) os: String,
    /// Modules and bytes by type.
    pub(crate) dimms: BTreeMap<String, (u64, u64)>,
    /// When it was booted, seconds since the epoch.
    pub(crate) booted: f64,
    /// Empty unless asked for.
    pub(crate) topology: Topology,
}

impl Machine {
    pub(crate) fn read(config: &Config) -> Self {
        let line = |path: &Path| text(path).unwrap_or_default().trim().to_owned();
        let cpuinfo = text(&config.proc.join("cpuinfo")).unwrap_or_default();
        let (cores, physical_cores, sockets) = count_cores(&cpuinfo);
        let meminfo = text(&config.proc.join("meminfo")).unwrap_or_default();
        let release = text(&config.root.join("etc/os-release")).unwrap_or_default();
        let os = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
        let stat = text(&config.proc.join("stat")).unwrap_or_default();
        Self {
            machine_id: line(&config.root.join("etc/machine-id")),
            system_uuid: line(&config.sys.join("class/dmi/id/product_uuid")),
            boot_id: line(&config.proc.join("sys/kernel/random/boot_id")),
            cores,
            physical_cores,
            sockets,
            memory: kibibytes(&meminfo, "MemTotal:") * 1024,
            swap: kibibytes(&meminfo, "SwapTotal:") * 1024,
            kernel: line(&config.proc.join("sys/kernel/osrelease")),
            os: os.unwrap_or_default().trim_matches('"').to_owned(),
            dimms: dimms(&config.sys.join("devices/system/edac/mc")),
            booted: files::field(&stat, "btime").unwrap_or(0) as f64,
            topology: if config.has("cpu_topology") {
                Topology::read(&config.sys)
            } else {
                Topology::default()
            },
        }
    }
}

/// Logical CPUs, cores, packages.
fn count_cores(cpuinfo: &str) -> (usize, usize, usize) {
    let (mut cpus, mut cores, mut packages) = (0, BTreeSet::new(), BTreeSet::new());
    let mut package = String::new();
    for line in cpuinfo.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        match key.trim() {
            "processor" => cpus += 1,
            "physical id" => {
                package = value.trim().to_owned();
                packages.insert(package.clone());
            }
            "core id" => drop(cores.insert((package.clone(), value.trim().to_owned()))),
            _ => {}
        }
    }
    // ARM tells neither cores nor packages.
    (cpus, if cores.is_empty() { cpus } else { cores.len() }, packages.len().max(usize::from(cpus > 0)))
}

/// Returns the bytes that are swapped out.
pub(crate) fn swap_used(proc: &Path) -> u64 {
    let meminfo = text(&proc.join("meminfo")).unwrap_or_default();
    kibibytes(&meminfo, "SwapTotal:").saturating_sub(kibibytes(&meminfo, "SwapFree:")) * 1024
}

/// A line of `/proc/meminfo`.
fn kibibytes(meminfo: &str, key: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn dimms(base: &Path) -> BTreeMap<String, (u64, u64)> {
    let mut found = BTreeMap::new();
    for controller in files::names(base, false).iter().filter(|name| name.starts_with("mc")) {
        let dir = base.join(controller);
        for dimm in files::names(&dir, false).iter().filter(|name| name.starts_with("dimm")) {
            let kind = text(&dir.join(dimm).join("dimm_mem_type")).unwrap_or_default().trim().to_owned();
            let mebibytes = files::number(&dir.join(dimm).join("size")).unwrap_or(0);
            let entry: &mut (u64, u64) = found.entry(kind).or_default();
            *entry = (entry.0 + 1, entry.1 + (mebibytes << 20));
        }
    }
    found
}

/// Row of `/proc/diskstats`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Disk {
    pub(crate) name: String,
    /// The eleven columns every kernel has.
    pub(crate) columns: [u64; 11],
}

/// Block devices by their number.
pub(crate) fn disks(proc: &Path) -> BTreeMap<(u32, u32), Disk> {
    let text = text(&proc.join("diskstats")).unwrap_or_default();
    let row = |line: &str| {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        let [major, minor, name, numbers @ ..] = &words[..] else { return None };
        let numbers: Vec<u64> = numbers.iter().filter_map(|word| word.parse().ok()).collect();
        let disk = Disk { name: (*name).to_owned(), columns: *numbers.first_chunk::<11>()? };
        Some(((major.parse().ok()?, minor.parse().ok()?), disk))
    };
    text.lines().filter_map(row).collect()
}

/// How full a file system on a block device is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FileSystem {
    pub(crate) device: String,
    pub(crate) number: (u32, u32),
    pub(crate) capacity: u64,
    pub(crate) free: u64,
    pub(crate) files: u64,
    pub(crate) files_free: u64,
}

/// File systems on block devices, each once. Network file systems, which may hang, are not asked.
pub(crate) fn file_systems(config: &Config) -> Vec<FileSystem> {
    let own = || text(&config.proc.join("self/mountinfo"));
    let mounts = text(&config.proc.join("1/mountinfo")).or_else(own).unwrap_or_default();
    let mut found = BTreeMap::<String, FileSystem>::new();
    for line in mounts.lines() {
        let words: Vec<_> = line.split(' ').collect();
        let (Some(number), Some(mount_point)) = (words.get(2), words.get(4)) else { continue };
        let [.., "-", _, device, _] = &words[..] else { continue };
        if !device.starts_with("/dev/") || found.contains_key(*device) {
            continue;
        }
        let mount_point = mount_point.replace("\\040", " ").replace("\\011", "\t");
        let path = config.root.join(mount_point.trim_start_matches('/'));
        let (Ok(sizes), Some((major, minor))) = (rustix::fs::statvfs(&path), number.split_once(':')) else {
            continue;
        };
        let file_system = FileSystem {
            device: (*device).to_owned(),
            number: (major.parse().unwrap_or(0), minor.parse().unwrap_or(0)),
            capacity: sizes.f_blocks.saturating_mul(sizes.f_frsize),
            free: sizes.f_bfree.saturating_mul(sizes.f_frsize),
            files: sizes.f_files,
            files_free: sizes.f_ffree,
        };
        found.insert((*device).to_owned(), file_system);
    }
    found.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_counted_once() {
        let cpu = |n: u32, package: u32, core: u32| {
            format!("processor\t: {n}\nphysical id\t: {package}\ncore id\t\t: {core}\n\n")
        };
        let text = [cpu(0, 0, 0), cpu(1, 0, 1), cpu(2, 0, 0), cpu(3, 1, 0)].concat();
        assert_eq!(count_cores(&text), (4, 3, 2));
        assert_eq!(count_cores("processor : 0\nprocessor : 1\n"), (2, 2, 1));
    }
}
