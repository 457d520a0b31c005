//! Which series a target exposes: eight kinds of target, as a Kubernetes cluster has them.

use std::fmt::Write;

use super::page::Builder;
use super::values::{CONSTANT_PERCENT, Class, N_BUCKETS};
use super::{kubernetes, mixed, mixed2};

/// A kind of target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// A host's exporter: 1,100 series.
    Node,
    /// A kubelet's containers: 8,000 series of 12 labels, job and instance included; long values.
    Cadvisor,
    /// The state of a cluster: 60,000 series.
    Ksm,
    /// An API server: 800 histograms, 20,000 series.
    Apiserver,
    /// A small program: 200 series.
    App,
    /// A small program that speaks OpenMetrics with exemplars: 200 series, half of them of histograms.
    OpenMetrics,
    /// A small program that speaks protobuf: 150 counters and 50 native histograms.
    Native,
    /// A node's share of a cluster, under the names that the stock rules of Kubernetes read: see `kubernetes`.
    Kubernetes,
}

impl Profile {
    /// All profiles.
    pub const ALL: [Self; 8] = [
        Self::Node,
        Self::Cadvisor,
        Self::Ksm,
        Self::Apiserver,
        Self::App,
        Self::OpenMetrics,
        Self::Native,
        Self::Kubernetes,
    ];

    /// Returns the name, as specs and job labels spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Cadvisor => "cadvisor",
            Self::Ksm => "ksm",
            Self::Apiserver => "apiserver",
            Self::App => "app",
            Self::OpenMetrics => "openmetrics",
            Self::Native => "native",
            Self::Kubernetes => "kubernetes",
        }
    }

    /// Returns the number of series one target exposes.
    pub fn n_series(self) -> u64 {
        match self {
            Self::Node => 1_100,
            Self::Cadvisor => 8_000,
            Self::Ksm => 60_000,
            Self::Apiserver => 20_000,
            Self::App | Self::OpenMetrics | Self::Native => 200,
            Self::Kubernetes => kubernetes::N_SERIES,
        }
    }

    /// Writes the page of target number `target` into `page`. Native targets have a page of their own (`native`).
    pub(crate) fn build(self, target: u64, page: &mut Builder) {
        match self {
            Self::Node => families(page, self, 55, &|idx| node_labels(idx)),
            Self::Cadvisor => families(page, self, 80, &|idx| cadvisor_labels(target, idx)),
            Self::Ksm => families(page, self, 120, &|idx| ksm_labels(target, idx)),
            Self::App => families(page, self, 40, &|idx| app_labels(idx)),
            Self::Apiserver => histograms(page, 8, 100),
            Self::OpenMetrics => {
                for family in 0..10 {
                    counters_with_exemplars(page, family);
                }
                histograms(page, 1, 4);
                page.end();
            }
            Self::Native => {}
            Self::Kubernetes => kubernetes::build(target, page),
        }
    }
}

/// What families are called: enough words that names differ as in life.
const WORDS: [&str; 12] = [
    "cpu_usage_seconds",
    "memory_working_set_bytes",
    "network_receive_bytes",
    "network_transmit_packets",
    "fs_reads_bytes",
    "disk_io_time_seconds",
    "http_requests",
    "queue_depth",
    "status_phase",
    "resource_limits",
    "start_time_seconds",
    "threads",
];

/// Writes `n_families` families that share the profile's series evenly.
fn families(page: &mut Builder, profile: Profile, n_families: u64, labels: &dyn Fn(u64) -> String) {
    for family in 0..n_families {
        let class = Class::of_family(family);
        let word =
            usize::try_from(family).ok().and_then(|idx| WORDS.get(idx % WORDS.len())).unwrap_or(&"other");
        let (suffix, kind) = if class.is_counter() { ("_total", "counter") } else { ("", "gauge") };
        let name = format!("{}_{word}_{family}{suffix}", profile.name());
        page.family(&name, kind);
        for idx in 0..profile.n_series() / n_families {
            let labels = labels(idx);
            let dice = mixed2(mixed(family), idx);
            if dice % 100 < CONSTANT_PERCENT {
                page.constant(idx, &name, &labels, constant(dice >> 8));
            } else {
                page.moving(idx, &name, &labels, class, family << 32 | idx);
            }
        }
    }
}

/// What stands still is mostly 0 or 1: idle counters, phases, conditions.
fn constant(dice: u64) -> u64 {
    match dice % 10 {
        0..4 => 0,
        4..7 => 1,
        7 => dice % 1_000,
        _ => (dice % 4_096) << 20,
    }
}

fn node_labels(idx: u64) -> String {
    let mode =
        ["idle", "user", "system", "iowait", "irq"].get((idx % 5) as usize).copied().unwrap_or_default();
    format!("cpu=\"{}\",mode=\"{mode}\"", idx / 5)
}

/// Ten labels, with job and instance twelve. The pod carries its generation: it is what churns.
fn cadvisor_labels(target: u64, pod: u64) -> String {
    let dice = mixed2(target, pod);
    let mut labels = String::with_capacity(512);
    // Writing to a string cannot fail.
    let _ = write!(
        labels,
        "container=\"c{}\",cpu=\"total\",id=\"/kubepods/burstable/pod{dice:016x}-@@@@@/{:032x}\",\
         image=\"registry.example.com/team-{}/service-{}:v1.{}\",name=\"{:032x}\",namespace=\"ns-{}\",\
         node=\"node-{target}\",pod=\"service-{}-{:010x}-@@@@@\",pod_uid=\"{dice:016x}-@@@@@\",qos=\"burstable\"",
        pod % 3,
        u128::from(dice) << 60 | u128::from(dice),
        dice % 12,
        dice % 300,
        dice % 20,
        u128::from(mixed(dice)) << 56,
        dice % 40,
        dice % 300,
        dice & 0xff_ffff_ffff,
    );
    labels
}

fn ksm_labels(target: u64, pod: u64) -> String {
    let dice = mixed2(target, pod);
    format!(
        "container=\"main\",namespace=\"ns-{}\",node=\"node-{}\",pod=\"service-{}-{:010x}-@@@@@\",uid=\"{dice:016x}-@@@@@\"",
        dice % 40,
        pod % 50,
        dice % 300,
        dice & 0xff_ffff_ffff,
    )
}

fn app_labels(idx: u64) -> String {
    let code = ["200", "204", "404", "500", "503"].get((idx % 5) as usize).copied().unwrap_or_default();
    format!("code=\"{code}\",handler=\"/api/v1/things\",method=\"GET\"")
}

/// Writes `n_families` histogram families of `n_each` histograms with 23 buckets, sum and count.
fn histograms(page: &mut Builder, n_families: u64, n_each: u64) {
    for family in 0..n_families {
        let name = format!("apiserver_request_duration_{family}_seconds");
        page.family(&name, "histogram");
        for idx in 0..n_each {
            let verb =
                ["GET", "LIST", "WATCH", "PUT", "POST"].get((idx % 5) as usize).copied().unwrap_or_default();
            let labels = format!(
                "component=\"apiserver\",group=\"g{}\",resource=\"r{}\",scope=\"cluster\",verb=\"{verb}\",version=\"v1\"",
                idx % 4,
                idx / 5
            );
            let is_idle = mixed2(mixed(family), idx) % 100 < CONSTANT_PERCENT;
            histogram(page, &name, &labels, family * n_each + idx, is_idle);
        }
    }
}

fn histogram(page: &mut Builder, name: &str, labels: &str, id: u64, is_idle: bool) {
    for bucket in 0..N_BUCKETS {
        let boundary = if bucket + 1 == N_BUCKETS { "+Inf".to_owned() } else { boundary(bucket) };
        let labels = format!("{labels},le=\"{boundary}\"");
        let name = format!("{name}_bucket");
        if is_idle {
            page.constant(0, &name, &labels, u64::from(bucket));
        } else {
            page.exemplified(&name, &labels, Class::Bucket { bucket }, id);
        }
    }
    if is_idle {
        page.constant(0, &format!("{name}_sum"), labels, 11);
        page.constant(0, &format!("{name}_count"), labels, u64::from(N_BUCKETS - 1));
    } else {
        page.moving(0, &format!("{name}_sum"), labels, Class::Sum, id);
        page.moving(0, &format!("{name}_count"), labels, Class::Bucket { bucket: N_BUCKETS - 1 }, id);
    }
}

/// Returns 0.005 doubled again and again, as programs choose them.
fn boundary(bucket: u8) -> String {
    format!("{:.3}", 0.005 * 2_f64.powi(i32::from(bucket)))
}

fn counters_with_exemplars(page: &mut Builder, family: u64) {
    let name = format!("app_events_{family}");
    page.family(&name, "counter");
    for idx in 0..10 {
        let labels = format!("kind=\"k{idx}\",queue=\"q{family}\"");
        page.exemplified(&format!("{name}_total"), &labels, Class::Counter, family << 32 | idx);
    }
}
