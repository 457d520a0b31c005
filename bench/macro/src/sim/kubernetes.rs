//! One node's share of a Kubernetes cluster, under the names and labels that the stock rules of Kubernetes read.
//!
//! A page holds what five exporters say about one node: its containers, the state of its pods, its kubelet, its host, and
//! its part of what the API servers count. The labels `job` and `instance` stand on the page: scrape it with `honor_labels`.

use super::page::Builder;
use super::values::{Class, N_BUCKETS};

/// Series of one page.
pub(super) const N_SERIES: u64 = 4_737;

const N_PODS: u64 = 40;
const N_CONTAINERS: u64 = 2;
/// Pods of a deployment that are on this node.
const PODS_PER_DEPLOYMENT: u64 = 2;
const N_VOLUMES: u64 = 10;
const N_CPUS: u64 = 8;

/// How a series moves.
#[derive(Clone, Copy, Debug)]
enum Moves {
    As(Class),
    Still(u64),
}

const COUNTS: Moves = Moves::As(Class::Counter);
const WANDERS: Moves = Moves::As(Class::Walk);
const YES: Moves = Moves::Still(1);
const NO: Moves = Moves::Still(0);

/// What cadvisor says about a container.
const OF_CONTAINER: [(&str, Moves); 30] = [
    ("container_cpu_usage_seconds_total", Moves::As(Class::Cpu)),
    ("container_cpu_user_seconds_total", Moves::As(Class::Cpu)),
    ("container_cpu_system_seconds_total", Moves::As(Class::Cpu)),
    ("container_cpu_cfs_periods_total", COUNTS),
    ("container_cpu_cfs_throttled_periods_total", NO),
    ("container_cpu_cfs_throttled_seconds_total", NO),
    ("container_memory_working_set_bytes", WANDERS),
    ("container_memory_rss", WANDERS),
    ("container_memory_cache", WANDERS),
    ("container_memory_usage_bytes", WANDERS),
    ("container_memory_max_usage_bytes", WANDERS),
    ("container_memory_mapped_file", WANDERS),
    ("container_memory_swap", NO),
    ("container_memory_failcnt", NO),
    ("container_memory_failures_total", COUNTS),
    ("container_spec_cpu_period", Moves::Still(100_000)),
    ("container_spec_cpu_quota", Moves::Still(200_000)),
    ("container_spec_cpu_shares", Moves::Still(1_024)),
    ("container_spec_memory_limit_bytes", Moves::Still(1 << 31)),
    ("container_start_time_seconds", Moves::Still(1_700_000_000)),
    ("container_last_seen", Moves::As(Class::Monotonic)),
    ("container_fs_reads_total", COUNTS),
    ("container_fs_writes_total", COUNTS),
    ("container_fs_reads_bytes_total", COUNTS),
    ("container_fs_writes_bytes_total", COUNTS),
    ("container_processes", Moves::Still(3)),
    ("container_threads", WANDERS),
    ("container_sockets", WANDERS),
    ("container_file_descriptors", WANDERS),
    ("container_oom_events_total", NO),
];

const OF_NETWORK: [&str; 8] = [
    "container_network_receive_bytes_total",
    "container_network_receive_packets_total",
    "container_network_receive_errors_total",
    "container_network_receive_packets_dropped_total",
    "container_network_transmit_bytes_total",
    "container_network_transmit_packets_total",
    "container_network_transmit_errors_total",
    "container_network_transmit_packets_dropped_total",
];

const OF_DEPLOYMENT: [(&str, u64); 8] = [
    ("kube_deployment_spec_replicas", PODS_PER_DEPLOYMENT),
    ("kube_deployment_status_replicas", PODS_PER_DEPLOYMENT),
    ("kube_deployment_status_replicas_available", PODS_PER_DEPLOYMENT),
    ("kube_deployment_status_replicas_updated", PODS_PER_DEPLOYMENT),
    ("kube_deployment_status_replicas_unavailable", 0),
    ("kube_deployment_status_observed_generation", 4),
    ("kube_deployment_metadata_generation", 4),
    ("kube_deployment_created", 1_700_000_000),
];

const OF_VOLUME: [(&str, Moves); 6] = [
    ("kubelet_volume_stats_available_bytes", Moves::Still(80 << 30)),
    ("kubelet_volume_stats_capacity_bytes", Moves::Still(100 << 30)),
    ("kubelet_volume_stats_used_bytes", WANDERS),
    ("kubelet_volume_stats_inodes", Moves::Still(6_000_000)),
    ("kubelet_volume_stats_inodes_free", Moves::Still(5_000_000)),
    ("kubelet_volume_stats_inodes_used", WANDERS),
];

const OF_MEMORY: [&str; 20] = [
    "MemTotal",
    "MemFree",
    "MemAvailable",
    "Buffers",
    "Cached",
    "Slab",
    "SwapCached",
    "Active",
    "Inactive",
    "Unevictable",
    "Mlocked",
    "SwapTotal",
    "SwapFree",
    "Dirty",
    "Writeback",
    "AnonPages",
    "Mapped",
    "Shmem",
    "KernelStack",
    "PageTables",
];

const PHASES: [&str; 5] = ["Running", "Pending", "Succeeded", "Failed", "Unknown"];
const VERBS: [&str; 6] = ["LIST", "GET", "POST", "PUT", "PATCH", "DELETE"];
const SCOPES: [&str; 3] = ["resource", "namespace", "cluster"];
const CODES: [&str; 5] = ["200", "201", "404", "409", "500"];

/// Boundaries of request durations, as API servers have them.
const BOUNDS: [&str; 22] = [
    "0.05", "0.1", "0.2", "0.4", "0.6", "0.8", "1", "1.25", "1.5", "2", "3", "4", "5", "6", "8", "10", "15",
    "20", "30", "45", "60", "+Inf",
];

/// Writes the page of node `target`.
pub(super) fn build(target: u64, page: &mut Builder) {
    let mut node = Node { number: target, page, n_series: 0 };
    node.containers();
    node.pods();
    node.deployments();
    node.state();
    node.kubelet();
    node.host();
    node.requests();
    debug_assert_eq!(node.n_series, N_SERIES);
}

/// A node, and the page it is written to.
struct Node<'a> {
    number: u64,
    page: &'a mut Builder,
    n_series: u64,
}

impl Node<'_> {
    /// Writes a family: a series for each set of labels.
    fn family(&mut self, name: &str, moves: Moves, rows: impl IntoIterator<Item = String>) {
        let is_counter = name.ends_with("_total");
        self.page.family(name, if is_counter { "counter" } else { "gauge" });
        rows.into_iter().for_each(|labels| self.series(name, &labels, moves));
    }

    fn series(&mut self, name: &str, labels: &str, moves: Moves) {
        self.n_series += 1;
        match moves {
            Moves::As(class) => self.page.moving(0, name, labels, class, self.n_series),
            Moves::Still(value) => self.page.constant(0, name, labels, value),
        }
    }

    fn histogram(&mut self, name: &str, rows: &[String]) {
        self.page.family(name, "histogram");
        for labels in rows {
            // Buckets of one histogram share their number.
            let id = 1 << 32 | self.n_series;
            for (bucket, bound) in (0..).zip(BOUNDS) {
                let bucket = if bound == "+Inf" { N_BUCKETS - 1 } else { bucket };
                let labels = format!("{labels},le=\"{bound}\"");
                self.page.moving(0, &format!("{name}_bucket"), &labels, Class::Bucket { bucket }, id);
            }
            let count = Class::Bucket { bucket: N_BUCKETS - 1 };
            self.page.moving(0, &format!("{name}_sum"), labels, Class::Sum, id);
            self.page.moving(0, &format!("{name}_count"), labels, count, id);
            self.n_series += BOUNDS.len() as u64 + 2;
        }
    }

    /// Labels of a pod, on this node's own exporters or on that of the cluster's state.
    fn pod(&self, pod: u64) -> String {
        let (node, deployment) = (self.number, pod / PODS_PER_DEPLOYMENT);
        format!(
            "namespace=\"team-{:02}\",pod=\"app-{node}-{deployment}-7d9f8b6c5d-{pod:05}\"",
            (node + deployment) % 20
        )
    }

    fn of_kubelet(&self, job: &str) -> String {
        let node = self.number;
        let path = if job == "cadvisor" { "/metrics/cadvisor" } else { "/metrics" };
        format!(
            "instance=\"10.0.{}.{}:10250\",job=\"{job}\",metrics_path=\"{path}\",node=\"node-{node}\"",
            node / 250,
            node % 250
        )
    }

    fn containers(&mut self) {
        let own = self.of_kubelet("cadvisor");
        let pods: Vec<String> = (0..N_PODS).map(|pod| self.pod(pod)).collect();
        let mut rows = Vec::new();
        for (pod, labels) in pods.iter().enumerate() {
            rows.extend((0..N_CONTAINERS).map(|container| {
                format!(
                    "container=\"c{container}\",id=\"/kubepods/burstable/pod{pod:08x}/{container:032x}\",\
                     image=\"registry.example.com/team/service-{pod}:v1\",name=\"{pod:016x}{container:016x}\",{labels},{own}"
                )
            }));
        }
        for (name, moves) in OF_CONTAINER {
            self.family(name, moves, rows.iter().cloned());
        }
        for name in OF_NETWORK {
            let moves = if name.contains("error") || name.contains("dropped") { NO } else { COUNTS };
            self.family(name, moves, pods.iter().map(|pod| format!("interface=\"eth0\",{pod},{own}")));
        }
    }

    fn pods(&mut self) {
        let node = self.number;
        let pods: Vec<String> = (0..N_PODS).map(|pod| format!("{},{STATE}", self.pod(pod))).collect();
        let each = |more: String| pods.iter().map(move |pod| format!("{more},{pod}")).collect::<Vec<_>>();
        self.family("kube_pod_info", YES, each(format!("host_ip=\"10.0.0.{node}\",node=\"node-{node}\"")));
        let owners = pods.iter().zip(0..).map(|(labels, pod)| {
            let owner = format!("app-{node}-{}-7d9f8b6c5d", pod / PODS_PER_DEPLOYMENT);
            format!("owner_is_controller=\"true\",owner_kind=\"ReplicaSet\",owner_name=\"{owner}\",{labels}")
        });
        self.family("kube_pod_owner", YES, owners);
        for (name, key, values) in [
            ("kube_pod_status_phase", "phase", &PHASES[..]),
            ("kube_pod_status_ready", "condition", &["true", "false", "unknown"]),
        ] {
            self.page.family(name, "gauge");
            for (value, moves) in values.iter().zip([YES, NO, NO, NO, NO]) {
                each(format!("{key}=\"{value}\"")).iter().for_each(|labels| self.series(name, labels, moves));
            }
        }
        self.family("kube_pod_created", Moves::Still(1_700_000_000), pods.clone());
        let containers: Vec<String> =
            (0..N_CONTAINERS).flat_map(|container| each(format!("container=\"c{container}\""))).collect();
        for (name, moves) in [
            ("kube_pod_container_info", YES),
            ("kube_pod_container_status_ready", YES),
            ("kube_pod_container_status_running", YES),
            ("kube_pod_container_status_terminated", NO),
            ("kube_pod_container_status_restarts_total", NO),
        ] {
            self.family(name, moves, containers.iter().cloned());
        }
        for (name, cpu, memory) in [
            ("kube_pod_container_resource_requests", 1, 256 << 20),
            ("kube_pod_container_resource_limits", 2, 512 << 20),
        ] {
            self.page.family(name, "gauge");
            for (more, value) in
                [("resource=\"cpu\",unit=\"core\"", cpu), ("resource=\"memory\",unit=\"byte\"", memory)]
            {
                for labels in &containers {
                    self.series(name, &format!("{labels},node=\"node-{node}\",{more}"), Moves::Still(value));
                }
            }
        }
    }

    fn deployments(&mut self) {
        let node = self.number;
        let namespace =
            |deployment: u64| format!("namespace=\"team-{:02}\",{STATE}", (node + deployment) % 20);
        let n_deployments = N_PODS / PODS_PER_DEPLOYMENT;
        for (name, value) in OF_DEPLOYMENT {
            let rows =
                (0..n_deployments).map(|one| format!("deployment=\"app-{node}-{one}\",{}", namespace(one)));
            self.family(name, Moves::Still(value), rows);
        }
        let replica_sets = (0..n_deployments).map(|one| {
            let name = format!("app-{node}-{one}");
            let owner = format!("owner_kind=\"Deployment\",owner_name=\"{name}\"");
            format!("{owner},replicaset=\"{name}-7d9f8b6c5d\",{}", namespace(one))
        });
        self.family("kube_replicaset_owner", YES, replica_sets);
    }

    /// What the cluster's state says about the node itself.
    fn state(&mut self) {
        let own = format!("node=\"node-{}\",{STATE}", self.number);
        self.family("kube_node_info", YES, [format!("kernel_version=\"6.1\",{own}")]);
        self.family("kube_node_role", YES, [format!("role=\"worker\",{own}")]);
        self.family("kube_node_spec_unschedulable", NO, [own.clone()]);
        for name in ["kube_node_status_capacity", "kube_node_status_allocatable"] {
            self.page.family(name, "gauge");
            for (resource, value) in [("cpu", 64), ("memory", 256 << 30), ("pods", 110)] {
                self.series(name, &format!("resource=\"{resource}\",{own}"), Moves::Still(value));
            }
        }
        let name = "kube_node_status_condition";
        self.page.family(name, "gauge");
        for condition in ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"] {
            for status in ["true", "false", "unknown"] {
                let moves = if (status == "true") == (condition == "Ready") && status != "unknown" {
                    YES
                } else {
                    NO
                };
                self.series(name, &format!("condition=\"{condition}\",{own},status=\"{status}\""), moves);
            }
        }
    }

    fn kubelet(&mut self) {
        let own = self.of_kubelet("kubelet");
        self.family("kubelet_node_name", YES, [own.clone()]);
        self.family("kubelet_running_pods", Moves::Still(N_PODS), [own.clone()]);
        for name in ["kubelet_pleg_relist_duration_seconds", "kubelet_pod_worker_duration_seconds"] {
            self.histogram(name, std::slice::from_ref(&own));
        }
        for (name, moves) in OF_VOLUME {
            let rows = (0..N_VOLUMES).map(|volume| {
                format!(
                    "namespace=\"team-{:02}\",persistentvolumeclaim=\"data-{}-{volume}\",{own}",
                    volume % 20,
                    self.number
                )
            });
            self.family(name, moves, rows.collect::<Vec<_>>());
        }
    }

    fn host(&mut self) {
        let own = format!("instance=\"node-{}:9100\",job=\"node-exporter\"", self.number);
        let modes = ["idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"];
        let cpus =
            (0..N_CPUS).flat_map(|cpu| modes.map(|mode| format!("cpu=\"{cpu}\",{own},mode=\"{mode}\"")));
        self.family("node_cpu_seconds_total", Moves::As(Class::Cpu), cpus);
        for name in OF_MEMORY {
            self.family(&format!("node_memory_{name}_bytes"), WANDERS, [own.clone()]);
        }
    }

    /// This node's part of what three API servers count.
    fn requests(&mut self) {
        let own = format!(
            "instance=\"10.9.0.{}:6443\",job=\"kube-apiserver\",resource=\"r{}\",version=\"v1\"",
            self.number % 3,
            self.number
        );
        let each = |more: &[&str], key: &str| {
            let row = |verb: &str, other: &str| format!("{key}=\"{other}\",{own},verb=\"{verb}\"");
            VERBS.iter().flat_map(|verb| more.iter().map(|other| row(verb, other))).collect::<Vec<_>>()
        };
        self.family("apiserver_request_total", COUNTS, each(&CODES, "code"));
        self.histogram("apiserver_request_sli_duration_seconds", &each(&SCOPES, "scope"));
    }
}

/// Labels of the exporter of the cluster's state.
const STATE: &str = "instance=\"10.9.1.1:8080\",job=\"kube-state-metrics\"";
