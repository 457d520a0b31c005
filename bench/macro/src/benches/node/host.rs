//! A big host as files: `/proc`, `/sys` and udev's data in the kernel's documented forms, the same in every run.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// How big the host is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) n_cpus: u64,
    pub(super) n_networks: u64,
    pub(super) n_disks: u64,
}

/// Mounts of the host; each is asked for its size.
const N_MOUNTS: u64 = 20;

/// Sensors of each of the two temperature chips.
const N_SENSORS: u64 = 32;

/// Files of `/proc` whose size does not depend on the host's: taken from the machine that measures.
const SAME_EVERYWHERE: [&str; 17] = [
    "loadavg",
    "meminfo",
    "vmstat",
    "net/netstat",
    "net/snmp",
    "net/snmp6",
    "net/sockstat",
    "net/sockstat6",
    "net/udp",
    "net/udp6",
    "pressure/cpu",
    "pressure/io",
    "pressure/memory",
    "sys/fs/file-nr",
    "sys/kernel/random/entropy_avail",
    "sys/kernel/random/poolsize",
    "cpuinfo",
];

/// A host's files; removed when dropped.
#[derive(Debug)]
pub(super) struct Recorded {
    root: PathBuf,
}

impl Recorded {
    /// Writes the host into a folder of its own: in memory where the machine has such a folder, since the kernel's own
    /// files do not wait for disks either.
    pub(super) fn new(size: Size) -> Result<Self> {
        let memory = PathBuf::from("/dev/shm");
        let parent = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let host = Self { root: parent.join(format!("wf-macrobench-host-{}", std::process::id())) };
        write(&host.root, size)?;
        Ok(host)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        // A folder left behind is a nuisance, no error.
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// Writes the host below `root`.
fn write(root: &Path, size: Size) -> Result<()> {
    let tree = Tree { root: root.to_owned() };
    for name in SAME_EVERYWHERE {
        // A kernel without one of them has nothing to show on either side.
        if let Ok(bytes) = fs::read(Path::new("/proc").join(name)) {
            tree.write(&format!("proc/{name}"), bytes)?;
        }
    }
    cpus(&tree, size.n_cpus)?;
    networks(&tree, size.n_networks)?;
    disks(&tree, size.n_disks)?;
    mounts(&tree)?;
    (0..2).try_for_each(|chip| sensors(&tree, chip))
}

struct Tree {
    root: PathBuf,
}

impl Tree {
    fn write(&self, path: &str, content: impl AsRef<[u8]>) -> Result<()> {
        let path = self.root.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        }
        fs::write(&path, content).with_context(|| format!("write {}", path.display()))
    }

    fn folder(&self, path: &str) -> Result<PathBuf> {
        let path = self.root.join(path);
        fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(path)
    }
}

/// Writes `(name, content)` as files of an existing folder.
fn attributes<'a>(folder: &Path, files: impl IntoIterator<Item = (&'a str, String)>) -> Result<()> {
    for (name, content) in files {
        let path = folder.join(name);
        fs::write(&path, content + "\n").with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

fn cpus(tree: &Tree, n_cpus: u64) -> Result<()> {
    let (mut stat, mut schedule, mut softnet) =
        (String::new(), "version 15\ntimestamp 4295\n".to_owned(), String::new());
    let mut conntrack =
        "entries  searched found new invalid ignore delete delete_list insert insert_failed drop \
                         early_drop icmp_error  expect_new expect_create expect_delete search_restart\n"
            .to_owned();
    writeln!(stat, "cpu  {} 0 9 7 5 0 3 0 0 0", n_cpus * 1_000)?;
    for cpu in 0..n_cpus {
        let busy = 1_000_000 + cpu * 7_919;
        writeln!(stat, "cpu{cpu} {busy} 170 {} {} 901 0 {} 12 0 0", busy / 3, busy * 40, busy / 90)?;
        writeln!(schedule, "cpu{cpu} 0 0 0 0 0 0 {} {} {}", busy * 10_000_000, busy * 90_000, busy * 40)?;
        writeln!(
            softnet,
            "{:08x} 00000000 {:08x} 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 {cpu:08x}",
            busy,
            cpu % 3
        )?;
        writeln!(
            conntrack,
            "{:08x} 00000000 00000000 00000000 00000017 0000f1a2 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000003",
            4_711
        )?;
        cpu_folder(tree, cpu)?;
    }
    let interrupts: String = (0..2_000_u64).map(|number| format!(" {}", number * number % 9_973)).collect();
    writeln!(stat, "intr 9876543210{interrupts}\nctxt 38014093\nbtime 1418183276\nprocesses 26442")?;
    writeln!(
        stat,
        "procs_running 2\nprocs_blocked 0\nsoftirq 5057579 250191 1481983 1647 211099 186066 0 1783454 622196 12499 508444"
    )?;
    tree.write("proc/stat", stat)?;
    tree.write("proc/schedstat", schedule)?;
    tree.write("proc/net/softnet_stat", softnet)?;
    tree.write("proc/net/stat/nf_conntrack", conntrack)?;
    tree.write("proc/sys/net/netfilter/nf_conntrack_count", "4711\n")?;
    tree.write("proc/sys/net/netfilter/nf_conntrack_max", "262144\n")?;
    tree.write("sys/devices/system/cpu/isolated", "\n")?;
    tree.write("sys/devices/system/cpu/offline", "\n")
}

/// Two packages, two threads a core.
fn cpu_folder(tree: &Tree, cpu: u64) -> Result<()> {
    let base = format!("sys/devices/system/cpu/cpu{cpu}");
    let (package, core) = (cpu % 2, cpu / 4);
    let topology = tree.folder(&format!("{base}/topology"))?;
    attributes(&topology, [("physical_package_id", package.to_string()), ("core_id", core.to_string())])?;
    let throttle = tree.folder(&format!("{base}/thermal_throttle"))?;
    attributes(
        &throttle,
        [("core_throttle_count", (cpu % 5).to_string()), ("package_throttle_count", "30".to_owned())],
    )?;
    let frequency = tree.folder(&format!("{base}/cpufreq"))?;
    let now = 1_200_000 + cpu * 1_000;
    attributes(
        &frequency,
        [
            ("cpuinfo_cur_freq", now.to_string()),
            ("cpuinfo_max_freq", "3700000".to_owned()),
            ("cpuinfo_min_freq", "800000".to_owned()),
            ("cpuinfo_transition_latency", "0".to_owned()),
            ("related_cpus", cpu.to_string()),
            ("scaling_available_governors", "performance powersave".to_owned()),
            ("scaling_driver", "intel_pstate".to_owned()),
            ("scaling_governor", "powersave".to_owned()),
            ("scaling_cur_freq", now.to_string()),
            ("scaling_max_freq", "3700000".to_owned()),
            ("scaling_min_freq", "800000".to_owned()),
            ("scaling_setspeed", "<unsupported>".to_owned()),
        ],
    )
}

fn networks(tree: &Tree, n_networks: u64) -> Result<()> {
    let mut table = "Inter-|   Receive                                                |  Transmit\n \
                     face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo \
                     colls carrier compressed\n"
        .to_owned();
    let mut neighbours =
        "IP address       HW type     Flags       HW address            Mask     Device\n".to_owned();
    for number in 0..n_networks {
        let name = format!("veth{number:08x}");
        let bytes = 10_000_019 * (number + 1);
        writeln!(
            table,
            "{name}: {bytes} {} 0 {} 0 0 0 0 {} {} 0 0 0 0 0 0",
            bytes / 900,
            number % 7,
            bytes / 2,
            bytes / 1_700
        )?;
        let (high, low) = (number / 256, number % 256);
        writeln!(
            neighbours,
            "10.1.{high}.{low}         0x1         0x2         02:42:0a:01:{high:02x}:{low:02x}     *        {name}"
        )?;
        attributes(&tree.folder(&format!("sys/class/net/{name}"))?, network_attributes(number))?;
    }
    tree.write("proc/net/dev", table)?;
    tree.write("proc/net/arp", neighbours)
}

fn network_attributes(number: u64) -> [(&'static str, String); 23] {
    let (high, low) = (number / 256, number % 256);
    [
        ("addr_assign_type", "3".to_owned()),
        ("addr_len", "6".to_owned()),
        ("address", format!("02:42:ac:11:{high:02x}:{low:02x}")),
        ("broadcast", "ff:ff:ff:ff:ff:ff".to_owned()),
        ("carrier", "1".to_owned()),
        ("carrier_changes", "2".to_owned()),
        ("carrier_down_count", "1".to_owned()),
        ("carrier_up_count", "1".to_owned()),
        ("dev_id", "0x0".to_owned()),
        ("dormant", "0".to_owned()),
        ("duplex", "full".to_owned()),
        ("flags", "0x1303".to_owned()),
        ("ifalias", String::new()),
        ("ifindex", (number + 3).to_string()),
        ("iflink", (number + 2).to_string()),
        ("link_mode", "0".to_owned()),
        ("mtu", "1500".to_owned()),
        ("name_assign_type", "3".to_owned()),
        ("netdev_group", "0".to_owned()),
        ("operstate", "up".to_owned()),
        ("speed", "10000".to_owned()),
        ("tx_queue_len", "1000".to_owned()),
        ("type", "1".to_owned()),
    ]
}

fn disks(tree: &Tree, n_disks: u64) -> Result<()> {
    let mut table = String::new();
    for number in 0..n_disks {
        let (name, reads) = (format!("nvme{number}n1"), 59_910 + number * 1_013);
        writeln!(
            table,
            " 259 {number:7} {name} {reads} 474 {} 3142 {} 4321 {} 88345 0 40780 91487 0 0 0 0 {} 7",
            reads * 32,
            reads * 2,
            reads * 90,
            reads / 3
        )?;
        let queue = tree.folder(&format!("sys/block/{name}/queue"))?;
        attributes(&queue, [("rotational", "0".to_owned())])?;
        let properties = format!(
            "S:disk/by-id/nvme-eui.{number:016x}\nW:{number}\nI:3187\nE:ID_PATH=pci-0000:{:02x}:00.0-nvme-1\nE:ID_WWN=eui.{number:016x}\n\
             E:ID_MODEL=SAMSUNG MZVLB512HAJQ\nE:ID_SERIAL_SHORT=S3W8NX0M{number:06}\nE:ID_SERIAL=SAMSUNG_MZVLB512HAJQ_S3W8NX0M{number:06}\n\
             E:ID_REVISION=EXA7301Q\nE:ID_FS_TYPE=ext4\nE:ID_FS_USAGE=filesystem\nE:ID_FS_VERSION=1.0\n\
             E:ID_FS_UUID=7f28fa40-0000-4000-8000-{number:012x}\nG:systemd\n",
            number % 256
        );
        tree.write(&format!("udev/b259:{number}"), properties)?;
    }
    tree.write("proc/diskstats", table)
}

fn mounts(tree: &Tree) -> Result<()> {
    let (mut info, mut table) = (String::new(), String::new());
    for number in 0..N_MOUNTS {
        let point = format!("srv/data{number}");
        tree.folder(&point)?;
        writeln!(
            info,
            "{} 1 259:{number} / {} rw,relatime shared:{number} - ext4 /dev/nvme{number}n1 rw",
            number + 30,
            tree.root.join(&point).display()
        )?;
        writeln!(table, "/dev/nvme{number}n1 {} ext4 rw,relatime 0 0", tree.root.join(&point).display())?;
    }
    tree.write("proc/1/mountinfo", info)?;
    tree.write("proc/1/mounts", table)
}

fn sensors(tree: &Tree, chip: u64) -> Result<()> {
    let base = tree.folder(&format!("sys/class/hwmon/hwmon{chip}"))?;
    attributes(&base, [("name", format!("coretemp{chip}"))])?;
    for sensor in 1..=N_SENSORS {
        let file = |what: &str| format!("temp{sensor}_{what}");
        let names = ["input", "label", "max", "crit", "crit_alarm"].map(file);
        let values = [
            (40_000 + sensor * 250).to_string(),
            format!("Core {sensor}"),
            "84000".to_owned(),
            "100000".to_owned(),
            "0".to_owned(),
        ];
        attributes(&base, names.iter().map(String::as_str).zip(values))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_host_has_what_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), Size { n_cpus: 3, n_networks: 2, n_disks: 4 }).unwrap();
        let lines = |path: &str| fs::read_to_string(folder.path().join(path)).unwrap().lines().count();
        assert_eq!(lines("proc/net/dev") - 2, 2);
        assert_eq!(lines("proc/diskstats"), 4);
        assert_eq!(lines("proc/schedstat") - 2, 3);
        let devices = fs::read_dir(folder.path().join("sys/class/net")).unwrap();
        assert_eq!(devices.count(), 2);
    }
}
