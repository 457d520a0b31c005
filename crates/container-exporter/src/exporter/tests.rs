//! Hosts made of files: both versions of control groups, both drivers, with a runtime and without.

use std::path::{Path, PathBuf};

use wf_exposition::text::write_page;

use super::*;
use crate::runtime::tests::{Cri, Docker};

pub(crate) const APP: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(crate) const PAUSE: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const UID: &str = "11111111-2222-3333-4444-555555555555";

struct Host {
    dir: tempfile::TempDir,
    config: Config,
}

impl Host {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let below = |name: &str| dir.path().join(name);
        let config = Config {
            cgroups: below("cgroup"),
            proc: below("proc"),
            sys: below("sys"),
            root: below("root"),
            cri_sockets: vec![below("cri.sock")],
            docker_socket: below("docker.sock"),
            max_age: Duration::ZERO,
            ..Config::default()
        };
        let host = Self { dir, config };
        host.write("proc/meminfo", "MemTotal: 1000 kB\nSwapTotal: 10 kB\nSwapFree: 4 kB\n");
        host.write("proc/cpuinfo", "processor: 0\nphysical id: 0\ncore id: 0\n");
        host.write("proc/diskstats", "8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n");
        host.write("root/etc/machine-id", "m1\n");
        host
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// A process with one interface.
    fn process(&self, pid: u32, comm: &str, received: u32) {
        self.write(&format!("proc/{pid}/comm"), &format!("{comm}\n"));
        let device = format!(
            "eth0: {received} 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n  lo: 1 1 1 1 0 0 0 0 1 1 1 1 0 0 0 0\n"
        );
        self.write(&format!("proc/{pid}/net/dev"), &format!("Inter-|\n face |\n  {device}"));
        self.write(
            &format!("proc/{pid}/limits"),
            "Limit Soft Hard Units\nMax open files  1024  4096  files\n",
        );
    }

    fn page(&self, exporter: &ContainerExporter) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { page(exporter).await })
    }

    fn exporter(&self) -> ContainerExporter {
        ContainerExporter::new(self.config.clone())
    }
}

async fn page(exporter: &ContainerExporter) -> String {
    let mut page = String::new();
    write_page(&mut page, &exporter.gather().await.unwrap());
    page
}

/// Values of a family's series that hold all of these texts, without their times.
fn values(page: &str, name: &str, parts: &[&str]) -> Vec<f64> {
    let is_it =
        |line: &&str| line.starts_with(&format!("{name}{{")) && parts.iter().all(|part| line.contains(part));
    let value = |line: &str| {
        let rest = line.rsplit_once("} ").unwrap().1;
        rest.split(' ').next().unwrap().parse().unwrap()
    };
    page.lines().filter(is_it).map(value).collect()
}

fn unified(host: &Host, group: &str, pid: u32) {
    let file = |name: &str, content: &str| host.write(&format!("cgroup{group}/{name}"), content);
    file(
        "cpu.stat",
        "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\nnr_periods 10\nnr_throttled 2\nthrottled_usec 300000\nnr_bursts 1\nburst_usec 1000\n",
    );
    file("cpu.max", "50000 100000\n");
    file("cpu.weight", "100\n");
    file("memory.current", "1000\n");
    file("memory.max", "4096\n");
    file("memory.swap.max", "max\n");
    file("memory.min", "0\n");
    file(
        "memory.stat",
        "anon 300\nfile 600\ninactive_file 1200\nactive_file 50\nfile_mapped 20\npgfault 9\npgmajfault 1\n",
    );
    file("memory.events", "low 0\nhigh 3\nmax 4\noom 0\n");
    file("io.stat", "8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n");
    file("pids.current", "3\n");
    file("pids.max", "max\n");
    file(
        "cpu.pressure",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
    );
    file("cgroup.procs", &format!("{pid}\n"));
}

/// A pod of two containers under the systemd driver.
fn systemd_pod(host: &Host, class: &str) -> String {
    let dashed = if class.is_empty() { String::new() } else { format!("-{class}") };
    let above = if class.is_empty() { String::new() } else { format!("/kubepods-{class}.slice") };
    let pod = format!("/kubepods.slice{above}/kubepods{dashed}-pod{}.slice", UID.replace('-', "_"));
    host.write("cgroup/cgroup.controllers", "cpu memory io pids\n");
    unified(host, &format!("{pod}/cri-containerd-{APP}.scope"), 11);
    unified(host, &format!("{pod}/cri-containerd-{PAUSE}.scope"), 12);
    host.process(1, "systemd", 900);
    host.process(11, "app", 100);
    host.process(12, "pause", 200);
    pod
}

#[test]
fn every_class_of_pod_is_named_by_the_runtime() {
    for class in ["", "burstable", "besteffort"] {
        let host = Host::new();
        let pod = systemd_pod(&host, class);
        let cri = Cri::new(&host.path("cri.sock"), UID);
        let exporter = host.exporter();
        let page = cri.serve(async { page(&exporter).await });
        let app = format!(
            "{{container=\"app\",cpu=\"total\",id=\"{pod}/cri-containerd-{APP}.scope\",image=\"registry/app:1\",name=\"{APP}\",namespace=\"shop\",pod=\"web-0\"}} 2.5 "
        );
        assert!(page.contains(&format!("container_cpu_usage_seconds_total{app}")), "{page}");
        let pause = [PAUSE, "image=\"registry/pause:3\"", "container=\"\"", "pod=\"web-0\""];
        assert_eq!(values(&page, "container_memory_rss", &pause), [300.0]);
        // The group around the pod has its name and nothing else.
        let around = [format!("id=\"{pod}\""), "pod=\"web-0\"".to_owned(), "image=\"\"".to_owned()];
        let around: Vec<_> = around.iter().map(String::as_str).collect();
        assert_eq!(values(&page, "container_last_seen", &around).len(), 1, "{page}");
        // Creation is the runtime's, in seconds.
        assert_eq!(
            values(&page, "container_creation_time_seconds", &["container=\"app\""]),
            [1_700_000_000.0]
        );
        let received = "container_network_receive_bytes_total";
        assert_eq!(values(&page, received, &["pod=\"web-0\""]), [200.0], "the sandbox alone has the network");
        assert_eq!(values(&page, received, &["id=\"/\"", "interface=\"eth0\""]), [900.0]);
        assert_eq!(values(&page, received, &["interface=\"lo\""]), [0.0; 0]);
    }
}

#[test]
fn the_unified_hierarchy_gives_the_documented_values() {
    let host = Host::new();
    systemd_pod(&host, "burstable");
    let page = host.page(&host.exporter());
    let check = |name: &str, own: &[&str], want: f64| {
        let parts: Vec<_> = [APP].iter().chain(own).copied().collect();
        assert_eq!(values(&page, name, &parts), [want], "{name}");
    };
    check("container_cpu_user_seconds_total", &[], 2.0);
    check("container_cpu_cfs_throttled_periods_total", &[], 2.0);
    check("container_cpu_cfs_throttled_seconds_total", &[], 0.3);
    check("container_cpu_cfs_burst_seconds_total", &[], 0.001);
    check("container_spec_cpu_quota", &[], 50_000.0);
    check("container_spec_cpu_shares", &[], 2597.0);
    check("container_memory_usage_bytes", &[], 1000.0);
    // Never below zero.
    check("container_memory_working_set_bytes", &[], 0.0);
    check("container_memory_cache", &[], 600.0);
    check("container_memory_swap", &[], 0.0);
    check("container_memory_events_max_total", &[], 4.0);
    check("container_memory_failures_total", &["pgmajfault", "scope=\"hierarchy\""], 1.0);
    check("container_spec_memory_limit_bytes", &[], 4096.0);
    check("container_spec_memory_swap_limit_bytes", &[], 0.0);
    check("container_fs_reads_bytes_total", &["device=\"/dev/sda\""], 4096.0);
    check("container_blkio_device_usage_total", &["operation=\"Write\"", "major=\"8\",minor=\"0\""], 8192.0);
    check("container_threads", &[], 3.0);
    check("container_threads_max", &[], 0.0);
    check("container_processes", &[], 1.0);
    check("container_ulimits_soft", &["max_open_files"], 1024.0);
    check("container_pressure_cpu_waiting_seconds_total", &[], 1.5);
    check("container_oom_events_total", &[], 0.0);
    // Samples have a time, descriptions have none.
    let line = |name: &str| page.lines().find(|line| line.starts_with(&format!("{name}{{"))).unwrap();
    assert_eq!(line("container_cpu_user_seconds_total").rsplit("} ").next().unwrap().split(' ').count(), 2);
    assert_eq!(line("container_spec_cpu_shares").rsplit("} ").next().unwrap().split(' ').count(), 1);
    assert!(
        page.contains("machine_memory_bytes{boot_id=\"\",machine_id=\"m1\",system_uuid=\"\"} 1.024e+06 "),
        "{page}"
    );
    assert!(page.contains("\ncontainer_scrape_error 0\n"));
}

#[test]
fn without_a_runtime_containers_are_told_by_their_ids() {
    let host = Host::new();
    systemd_pod(&host, "burstable");
    let page = host.page(&host.exporter());
    let pod = format!("pod=\"{UID}\"");
    let app = [format!("container=\"{}\"", APP.get(..12).unwrap()), format!("name=\"{APP}\""), pod.clone()];
    let app: Vec<_> = app.iter().map(String::as_str).collect();
    assert_eq!(values(&page, "container_memory_rss", &app), [300.0]);
    assert_eq!(
        values(&page, "container_network_receive_bytes_total", &[&pod]),
        [200.0],
        "the pause container's"
    );
}

#[test]
fn a_hierarchy_for_each_controller_gives_the_documented_values() {
    let host = Host::new();
    let group = format!("/kubepods/besteffort/pod{UID}/{APP}");
    let file = |controller: &str, name: &str, content: &str| {
        host.write(&format!("cgroup/{controller}{group}/{name}"), content);
    };
    file("cpu,cpuacct", "cpuacct.usage", "2500000000\n");
    file("cpu,cpuacct", "cpuacct.stat", "user 200\nsystem 50\n");
    file("cpu,cpuacct", "cpu.stat", "nr_periods 10\nnr_throttled 2\nthrottled_time 300000000\n");
    file("cpu,cpuacct", "cpu.cfs_quota_us", "-1\n");
    file("cpu,cpuacct", "cpu.cfs_period_us", "100000\n");
    file("cpu,cpuacct", "cpu.shares", "512\n");
    file("cpu,cpuacct", "cgroup.procs", "11\n");
    file("memory", "memory.usage_in_bytes", "1000\n");
    file(
        "memory",
        "memory.stat",
        "cache 1\nrss 2\ntotal_cache 600\ntotal_rss 300\ntotal_inactive_file 100\ntotal_swap 7\n",
    );
    file("memory", "memory.limit_in_bytes", "9223372036854771712\n");
    file("memory", "memory.failcnt", "5\n");
    file("blkio", "blkio.io_service_bytes_recursive", "Total 0\n");
    file(
        "blkio",
        "blkio.throttle.io_service_bytes",
        "8:0 Read 4096\n8:0 Write 8192\n8:0 Total 12288\nTotal 12288\n",
    );
    file("blkio", "blkio.throttle.io_serviced", "8:0 Read 1\n8:0 Write 2\nTotal 3\n");
    file("pids", "pids.current", "3\n");
    host.process(11, "app", 100);
    let page = host.page(&host.exporter());
    let check =
        |name: &str, own: &str, want: &[f64]| assert_eq!(values(&page, name, &[APP, own]), want, "{name}");
    check("container_cpu_usage_seconds_total", "cpu=\"total\"", &[2.5]);
    check("container_cpu_user_seconds_total", "", &[2.0]);
    check("container_cpu_cfs_periods_total", "", &[]);
    check("container_spec_cpu_shares", "", &[512.0]);
    check("container_memory_working_set_bytes", "", &[900.0]);
    check("container_memory_rss", "", &[300.0]);
    check("container_memory_swap", "", &[7.0]);
    check("container_memory_failcnt", "", &[5.0]);
    check("container_spec_memory_limit_bytes", "", &[0.0]);
    check("container_fs_writes_total", "device=\"/dev/sda\"", &[2.0]);
    check("container_blkio_device_usage_total", "operation=\"Total\"", &[12288.0]);
    check("container_threads", "", &[3.0]);
    check("container_pressure_cpu_waiting_seconds_total", "", &[0.0]);
}

#[test]
fn what_is_gone_is_gone_at_the_next_scrape() {
    let host = Host::new();
    let pod = systemd_pod(&host, "burstable");
    let exporter = host.exporter();
    assert_eq!(values(&host.page(&exporter), "container_cpu_cfs_periods_total", &[APP]), [10.0]);
    host.write(&format!("cgroup{pod}/cri-containerd-{APP}.scope/cpu.max"), "max 100000\n");
    assert_eq!(values(&host.page(&exporter), "container_cpu_cfs_periods_total", &[APP]), [0.0; 0]);
    std::fs::remove_dir_all(host.path(&format!("cgroup{pod}/cri-containerd-{APP}.scope"))).unwrap();
    let page = host.page(&exporter);
    assert!(!page.contains(APP) && page.contains(PAUSE), "{page}");
}

#[test]
fn docker_names_its_containers() {
    let host = Host::new();
    host.write("cgroup/cgroup.controllers", "cpu\n");
    unified(&host, &format!("/system.slice/docker-{APP}.scope"), 11);
    unified(&host, &format!("/system.slice/docker-{APP}.scope/init.scope"), 11);
    host.process(11, "app", 100);
    let docker = Docker::new(&host.path("docker.sock"));
    let exporter = host.exporter();
    let page = docker.serve(async { page(&exporter).await });
    let parts = ["name=\"shop\"", "image=\"shop:2\"", "pod=\"\""];
    assert_eq!(values(&page, "container_memory_rss", &parts), [300.0], "{page}");
    assert_eq!(values(&page, "container_network_receive_bytes_total", &parts), [100.0]);
    assert_eq!(values(&page, "container_memory_rss", &["init.scope", "name=\"\""]), [300.0]);
}

/// Arguments of a stand-alone cAdvisor.
fn with_flags(host: &mut Host, flags: &[&str]) {
    let crate::Command::Run(config) = Config::from_flags(flags).unwrap() else { panic!("flags ask to run") };
    (host.config.shown, host.config.kinds) = (config.shown, config.kinds);
}

#[test]
fn labels_and_variables_of_containers_are_shown_on_request() {
    let mut host = Host::new();
    host.write("cgroup/cgroup.controllers", "cpu\n");
    unified(&host, &format!("/system.slice/docker-{APP}.scope"), 11);
    host.process(11, "app", 100);
    with_flags(&mut host, &["-store_container_labels", "-env_metadata_whitelist=HTTP_"]);
    let docker = Docker::new(&host.path("docker.sock"));
    let exporter = host.exporter();
    let wanted = ["container_label_com_shop_team=\"web\"", "container_env_http_port=\"80\""];
    // The second page is made of what was learned for the first.
    let (first, second) = docker.serve(async { (page(&exporter).await, page(&exporter).await) });
    for page in [first, second] {
        assert_eq!(values(&page, "container_memory_rss", &wanted), [300.0], "{page}");
        assert!(!page.contains("container_env_path"));
    }
    let mut host = Host::new();
    systemd_pod(&host, "burstable");
    let names = "-whitelisted_container_labels=io.kubernetes.pod.name,team";
    with_flags(&mut host, &[names, "-env_metadata_whitelist=HTTP_"]);
    let cri = Cri::new(&host.path("cri.sock"), UID);
    let exporter = host.exporter();
    let page = cri.serve(async { page(&exporter).await });
    let pod = "container_label_io_kubernetes_pod_name=\"web-0\"";
    let app = ["container=\"app\"", "container_env_http_port=\"80\"", pod, "namespace=\"shop\""];
    assert_eq!(values(&page, "container_memory_rss", &app), [300.0], "{page}");
    assert_eq!(values(&page, "container_memory_rss", &[PAUSE, pod]), [300.0]);
    assert!(!page.contains("container_label_io_kubernetes_pod_namespace"));
}

#[test]
fn a_monitoring_group_is_its_containers() {
    let mut host = Host::new();
    systemd_pod(&host, "burstable");
    let data = |group: &str, file: &str| format!("sys/fs/resctrl/{group}mon_data/mon_L3_01/{file}");
    host.write(&data("", "llc_occupancy"), "4096\n");
    host.write("sys/fs/resctrl/mon_groups/app/tasks", "11\n");
    host.write(&data("mon_groups/app/", "llc_occupancy"), "1024\n");
    host.write(&data("mon_groups/app/", "mbm_total_bytes"), "77\n");
    with_flags(&mut host, &["-enable_metrics=resctrl"]);
    let page = host.page(&host.exporter());
    assert_eq!(values(&page, "container_llc_occupancy_bytes", &[APP, "node_id=\"1\""]), [1024.0], "{page}");
    assert_eq!(values(&page, "container_llc_occupancy_bytes", &["id=\"/\""]), [4096.0]);
    assert_eq!(values(&page, "container_memory_bandwidth_bytes", &[]), [77.0]);
    assert!(!page.contains("container_memory_rss"));
}

#[test]
fn a_host_without_control_groups_says_so() {
    let host = Host::new();
    let page = host.page(&host.exporter());
    assert!(page.contains("container_scrape_error 1\n") && page.contains("machine_cpu_cores"), "{page}");
}

#[test]
fn five_hundred_containers_are_read() {
    let host = Host::new();
    host.write("cgroup/cgroup.controllers", "cpu\n");
    for n in 0..500 {
        host.write(&format!("cgroup/docker/{n:064}/cpu.stat"), "usage_usec 1\n");
    }
    let page = host.page(&host.exporter());
    assert_eq!(values(&page, "container_cpu_usage_seconds_total", &["/docker/0"]).len(), 500);
}

/// Groups of this machine, where the sandbox lets us make some.
#[test]
fn a_group_made_here_appears_and_vanishes() {
    let made =
        ["memory", "cpuacct", ""].map(|controller| Path::new("/sys/fs/cgroup").join(controller)).into_iter();
    let id = format!("{:064}", std::process::id());
    let made = made
        .map(|root| root.join(format!("watchfire-{id}.scope")))
        .find(|dir| std::fs::create_dir(dir).is_ok());
    let Some(dir) = made else {
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            b"SKIPPED: cgroup: no group can be made here\n",
        );
        return;
    };
    let config = Config { max_age: Duration::ZERO, ..Config::default() };
    let exporter = ContainerExporter::new(config);
    let host = Host::new();
    let before = host.page(&exporter);
    std::fs::remove_dir(&dir).unwrap();
    let after = host.page(&exporter);
    assert!(values(&before, "container_last_seen", &[&id]).len() == 1 && !after.contains(&id), "{before}");
}

#[test]
fn what_the_kubelet_does_not_serve_is_shown_on_request() {
    let mut host = Host::new();
    let group = format!("/docker/{APP}");
    host.write("cgroup/cgroup.controllers", "cpu memory hugetlb\n");
    unified(&host, &group, 11);
    host.process(11, "app", 100);
    host.write(&format!("cgroup{group}/hugetlb.2MB.current"), "4194304\n");
    host.write(&format!("cgroup{group}/hugetlb.2MB.events"), "max 2\n");
    host.write("proc/11/schedstat", "2000000000 1000000000 7\n");
    host.write("proc/11/smaps_rollup", "Rss: 9 kB\nReferenced:  8 kB\n");
    host.write("proc/11/net/tcp", "heading\n 0: 0:16 0:0 0A 0:0 0:0 0 0 0 1\n");
    let hidden = host.page(&host.exporter());
    assert!(!hidden.contains("container_hugetlb") && !hidden.contains("container_network_tcp_usage_total"));
    host.config.kinds.extend(crate::config::KINDS_ON_REQUEST);
    let page = host.page(&host.exporter());
    let check =
        |name: &str, parts: &[&str], want: f64| assert_eq!(values(&page, name, parts), [want], "{name}");
    check("container_hugetlb_usage_bytes", &["pagesize=\"2MB\""], 4_194_304.0);
    check("container_hugetlb_failcnt", &[APP], 2.0);
    check("container_cpu_schedstat_runqueue_seconds_total", &[APP], 1.0);
    check("container_cpu_schedstat_run_periods_total", &[APP], 7.0);
    check("container_referenced_bytes", &[APP], 8192.0);
    check("container_network_tcp_usage_total", &[APP, "tcp_state=\"listen\""], 1.0);
    check("container_cpu_usage_seconds_total", &[APP, "cpu=\"total\""], 2.5);
}
