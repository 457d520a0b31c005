//! The series of a cluster: pods on nodes, their labels, and values that depend on series and time alone.
//!
//! A pod has 29 series: CPU, its request, memory seen twice, network, disk, throttling twice, its owner, a histogram of 20
//! bounds. Thirty pods share a node of 36 series. Half of the pods' gauges stand still, counters grow and restart now and then.

use std::fmt::Write as _;

use super::mixed2;

/// Series of one pod.
pub const SERIES_PER_POD: u64 = 29;

/// Series of one node.
pub const SERIES_PER_NODE: u64 = 36;

const PODS_PER_NODE: u64 = 30;

/// Rounds that counters counted before the first sample: near zero at the begin of all data, versions extrapolate differently.
const AGE: u64 = 1_000;

const BOUNDS: [&str; 20] = [
    "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.075", "0.1", "0.15", "0.25", "0.35", "0.5",
    "0.75", "1", "2.5", "5", "7.5", "10", "30", "+Inf",
];

/// Labels, by name.
type Pairs = Vec<(&'static str, String)>;

/// A series: its labels by name, and what its values do.
#[derive(Clone, Debug)]
pub struct Series {
    /// Pairs in the order of names; no value is empty.
    pub labels: Vec<(&'static str, String)>,
    id: u64,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Grows by up to this many hundredths a second.
    Counter(u64),
    /// Grows by a share of what its histogram counts, by bound.
    Bucket(u64),
    /// Every other one stands still, the rest wander.
    Gauge,
    /// Wanders.
    Wander,
    /// One to four times this.
    Constant(f64),
    /// Always one: labels are what it tells.
    Info,
}

/// Returns how many series `n_pods` pods and their nodes have.
pub fn n_series(n_pods: u64) -> u64 {
    n_pods * SERIES_PER_POD + n_pods.div_ceil(PODS_PER_NODE) * SERIES_PER_NODE
}

/// Returns the series of `n_pods` pods and their nodes, pod by pod, then node by node.
pub fn series(n_pods: u64) -> Vec<Series> {
    let nodes = 0..n_pods.div_ceil(PODS_PER_NODE);
    (0..n_pods).flat_map(of_pod).chain(nodes.flat_map(of_node)).collect()
}

fn of_pod(pod: u64) -> Vec<Series> {
    let id = pod * SERIES_PER_POD;
    let device = ["sda", "sdb", "nvme0n1", "dm-0"][usize::try_from(pod % 4).unwrap_or(0)];
    let own = [
        ("container_cpu_usage_seconds_total", ("", String::new()), Kind::Counter(100)),
        ("kube_pod_container_resource_requests", ("", String::new()), Kind::Constant(0.25)),
        ("container_memory_working_set_bytes", ("service", "kubelet-a".to_owned()), Kind::Gauge),
        ("container_memory_working_set_bytes", ("service", "kubelet-b".to_owned()), Kind::Gauge),
        ("container_network_receive_bytes_total", ("", String::new()), Kind::Counter(100_000)),
        ("container_fs_reads_total", ("device", device.to_owned()), Kind::Counter(2_000)),
        ("container_cpu_cfs_throttled_periods_total", ("", String::new()), Kind::Counter(100)),
        ("container_cpu_cfs_periods_total", ("", String::new()), Kind::Counter(1_000)),
        ("kube_pod_owner", ("owner_name", format!("app-{}", pod % 97)), Kind::Info),
    ];
    let own = (0..).zip(own).map(|(place, (name, more, kind))| (name, vec![more], id + place, kind));
    let buckets = (0..).zip(BOUNDS).map(|(place, bound)| {
        let more = vec![("handler", format!("/api/{}", pod % 5)), ("le", bound.to_owned())];
        ("http_request_duration_seconds_bucket", more, id, Kind::Bucket(place))
    });
    let labelled = |(name, more, id, kind): (&str, Pairs, u64, Kind)| {
        let mut labels = vec![
            ("__name__", name.to_owned()),
            ("container", format!("app-{}", pod % 7)),
            ("instance", instance(pod / PODS_PER_NODE)),
            ("job", "cadvisor".to_owned()),
            ("namespace", format!("team-{:02}", pod % 40)),
            ("pod", format!("app-{}-7d9f8b6c5d-{pod:05}", pod % 7)),
        ];
        labels.extend(more.into_iter().filter(|(_, value)| !value.is_empty()));
        labels.sort_unstable();
        Series { labels, id, kind }
    };
    own.chain(buckets).map(labelled).collect()
}

fn of_node(node: u64) -> Vec<Series> {
    // Apart from all pods' numbers.
    let id = (1 << 40) + node * SERIES_PER_NODE;
    let modes = ["idle", "iowait", "system", "user"];
    let cpus = (0..8).flat_map(|cpu| modes.map(|mode| (cpu, mode)));
    let cpus = cpus.map(|(cpu, mode)| {
        let more = vec![("cpu", cpu.to_string()), ("mode", mode.to_owned())];
        ("node_cpu_seconds_total", more, Kind::Counter(100))
    });
    let mounts = [("sda1", "/"), ("sdb1", "/var/lib")];
    let mounts = mounts.into_iter().flat_map(|(device, mountpoint)| {
        let more = vec![("device", device.to_owned()), ("mountpoint", mountpoint.to_owned())];
        let avail = ("node_filesystem_avail_bytes", more.clone(), Kind::Wander);
        [avail, ("node_filesystem_size_bytes", more, Kind::Constant(100e9))]
    });
    let labelled = |(place, (name, more, kind)): (u64, (&str, Pairs, Kind))| {
        let mut labels =
            vec![("__name__", name.to_owned()), ("instance", instance(node)), ("job", "node".to_owned())];
        labels.extend(more);
        labels.sort_unstable();
        Series { labels, id: id + place, kind }
    };
    (0..).zip(cpus.chain(mounts)).map(labelled).collect()
}

fn instance(node: u64) -> String {
    format!("10.1.{}.{}:10250", node / 250, node % 250)
}

impl Series {
    /// Returns the value of sample `round`, counted from 0, when samples are `step_ms` apart.
    pub fn value(&self, round: u64, step_ms: u64) -> f64 {
        let noise = |spread: u64| mixed2(self.id, round) % spread.max(1);
        match self.kind {
            Kind::Info => 1.0,
            Kind::Constant(unit) => unit * (1 + self.id % 4) as f64,
            Kind::Gauge if self.id % 40 < 20 => (50 << 20) as f64 + (self.id % 977) as f64 * 4096.0,
            Kind::Gauge | Kind::Wander => ((80 << 20) + noise(4_096) * 4_096) as f64,
            Kind::Counter(per_second) => {
                let per_round = (1 + mixed2(self.id, 7) % per_second) * step_ms / 1_000;
                // A restart every few days at most, at a round of its own.
                let since = (round + mixed2(self.id, 3) % 20_000) % 20_000;
                ((AGE + since) * per_round + noise(per_round)) as f64 / 100.0
            }
            Kind::Bucket(place) => {
                let seen = (AGE + round) * (1 + self.id % 50) + noise(1 + self.id % 50);
                (seen * (place + 1) / BOUNDS.len() as u64) as f64
            }
        }
    }

    /// Returns the labels as a JSON object.
    pub fn json(&self) -> String {
        let mut text = String::new();
        for (idx, (name, value)) in self.labels.iter().enumerate() {
            let opener = if idx == 0 { '{' } else { ',' };
            // Values need no escapes; writing to a string cannot fail.
            let _ = write!(text, "{opener}\"{name}\":\"{value}\"");
        }
        text.push('}');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_as_many_as_said_and_all_different() {
        let mut all: Vec<_> = series(31).into_iter().map(|one| one.labels).collect();
        assert_eq!(all.len() as u64, n_series(31));
        all.sort();
        all.dedup();
        assert_eq!(all.len() as u64, 31 * SERIES_PER_POD + 2 * SERIES_PER_NODE);
        assert!(all.iter().flatten().all(|(_, value)| !value.is_empty()));
    }

    #[test]
    fn a_histogram_grows_with_its_bounds_and_with_time() {
        let pod = of_pod(7);
        let buckets = pod.get(9..).unwrap();
        for round in 0..50 {
            let now: Vec<f64> = buckets.iter().map(|bucket| bucket.value(round, 15_000)).collect();
            assert!(now.is_sorted(), "{now:?}");
            assert!(buckets.iter().zip(now).all(|(bucket, now)| bucket.value(round + 1, 15_000) >= now));
        }
    }
}
