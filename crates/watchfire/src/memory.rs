//! How much memory there is for this process; who gets which part of it, the budget says.
//!
//! # Source
//! `spec/performance-design.md` §14: the smaller of the cgroup's limit and the machine's memory.

use wf_server::MemoryPressure;
use wf_tsdb::Budget;

/// From this share of time spent waiting for memory on something is given up, percent.
pub(crate) const PRESSURE_PERCENT: f64 = 10.0;

/// Reads a file of `/proc` or `/sys` as text.
pub(crate) type ReadFile<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Divides what this process may have; `None` where the operating system does not say how much that is.
pub(crate) fn budget() -> Option<Budget> {
    let available = available_bytes(&|path| std::fs::read_to_string(path).ok())?;
    Some(Budget::of_machine(available)).filter(|budget| budget.head_bytes() > 0)
}

/// Returns the memory this process can have at most, bytes: that of the machine, or of a cgroup around the process.
fn available_bytes(read: ReadFile<'_>) -> Option<u64> {
    let machine = read("/proc/meminfo").as_deref().and_then(total_of_meminfo);
    machine.into_iter().chain(cgroup_limits(read)).min()
}

/// Watches how scarce memory is; a threshold of 0 means not to.
pub(crate) fn pressure(threshold_percent: f64) -> Option<MemoryPressure> {
    let percent = || pressure_percent(&|path| std::fs::read_to_string(path).ok());
    (threshold_percent > 0.0).then_some(MemoryPressure { percent, threshold_percent })
}

/// Returns the share of the last ten seconds in which some task waited for memory, percent: of this process's cgroup,
/// because one that thrashes elsewhere is no reason to give way; of the machine where cgroups do not say.
fn pressure_percent(read: ReadFile<'_>) -> Option<f64> {
    let groups = read("/proc/self/cgroup").unwrap_or_default();
    let group = groups.lines().find_map(|line| line.strip_prefix("0::"));
    let of_group = group.and_then(|group| {
        let group = group.trim_end_matches('/');
        read(&format!("/sys/fs/cgroup{group}/memory.pressure"))
    });
    let text = of_group.or_else(|| read("/proc/pressure/memory"))?;
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    some.split(' ').find_map(|field| field.strip_prefix("avg10="))?.parse().ok()
}

fn total_of_meminfo(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Returns the limits of the process's memory cgroup and of all around it, bytes. In a container the path may be that of
/// the host; then only the last file, that of the root, is there, and it is the container's.
fn cgroup_limits(read: ReadFile<'_>) -> Vec<u64> {
    let mut limits = Vec::new();
    for line in read("/proc/self/cgroup").unwrap_or_default().lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(hierarchy), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let (root, file) = if hierarchy == "0" && controllers.is_empty() {
            ("/sys/fs/cgroup", "memory.max")
        } else if controllers.split(',').any(|controller| controller == "memory") {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
        } else {
            continue;
        };
        let mut group = path.trim_end_matches('/');
        loop {
            let limit = read(&format!("{root}{group}/{file}"));
            // `max` stands for no limit; version 1 has a very large number instead.
            limits.extend(limit.and_then(|limit| limit.trim().parse::<u64>().ok()));
            match group.rsplit_once('/') {
                Some((around, _)) => group = around,
                None => break,
            }
        }
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;
    const MEMINFO: (&str, &str) = ("/proc/meminfo", "MemTotal:       16777216 kB\nMemFree: 5 kB\n");

    fn check(files: &[(&str, &str)], want: Option<u64>) {
        let read =
            |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned());
        assert_eq!(available_bytes(&read), want, "{files:?}");
    }

    #[test]
    fn without_a_cgroup_the_machine_is_the_limit() {
        check(&[MEMINFO], Some(16 * GIB));
        check(&[], None);
        check(&[("/proc/meminfo", "MemTotal: many kB\n")], None);
    }

    #[test]
    fn the_smallest_limit_around_the_process_counts() {
        let group = ("/proc/self/cgroup", "0::/system.slice/watchfire.service\n");
        let own = ("/sys/fs/cgroup/system.slice/watchfire.service/memory.max", "max\n");
        check(&[MEMINFO, group, own], Some(16 * GIB));
        let around = ("/sys/fs/cgroup/system.slice/memory.max", "2147483648\n");
        check(&[MEMINFO, group, own, around], Some(2 * GIB));
        let container =
            [MEMINFO, ("/proc/self/cgroup", "0::/\n"), ("/sys/fs/cgroup/memory.max", "1073741824\n")];
        check(&container, Some(GIB));
    }

    #[test]
    fn version_1_is_found_under_the_path_of_the_host() {
        let group = ("/proc/self/cgroup", "5:cpu,cpuacct:/\n4:memory:/docker/0123\n0::/\n");
        let container = ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n");
        check(&[MEMINFO, group, container], Some(GIB));
        let unlimited = ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        check(&[MEMINFO, group, unlimited], Some(16 * GIB));
    }

    #[test]
    fn the_pressure_is_that_of_the_group_or_else_of_the_machine() {
        let check = |files: &[(&str, &str)], want| {
            let read =
                |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned());
            assert_eq!(pressure_percent(&read), want, "{files:?}");
        };
        let machine = (
            "/proc/pressure/memory",
            "some avg10=12.50 avg60=3.00 avg300=0.10 total=99\nfull avg10=1.00 avg60=0.00 avg300=0.00 total=9\n",
        );
        let own = ("/proc/self/cgroup", "4:memory:/docker/0123\n0::/pod/container\n");
        check(&[], None);
        check(&[machine], Some(12.5));
        check(&[machine, own], Some(12.5));
        let group = ("/sys/fs/cgroup/pod/container/memory.pressure", "some avg10=0.00 avg60=0.00\n");
        check(&[machine, own, group], Some(0.0));
        check(&[("/proc/pressure/memory", "full avg10=1.00\n")], None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_says_how_much_it_has() {
        assert!(budget().is_some());
    }
}
