//! What a container exporter tells of a machine with Docker and Kubernetes.

use super::sites::MARKUP;

const MIB: u64 = 1 << 20;

/// A container: labels, millionths of a CPU, MiB in use, MiB of its limit (0: none), periods of ten it is held back.
struct Container {
    labels: String,
    cpu: u64,
    memory: u64,
    limit: u64,
    throttled: u64,
}

/// Four containers, one of them in want of memory and one of CPU; a pod's sandbox owns its network.
pub(super) fn page(number: u64) -> String {
    let id = |digit: &str| digit.repeat(64);
    let pod = "namespace=\"shop\",pod=\"web-6d5f-x2\"";
    let docker = |digit: &str, name: &str, image: &str| {
        format!("id=\"/docker/{}\",name=\"{name}\",image=\"{image}\"", id(digit))
    };
    let member = |digit: &str, name: &str, image: &str| {
        format!(
            "id=\"/kubepods/pod1/{0}\",name=\"{0}\",container=\"{name}\",image=\"{image}\",{pod}",
            id(digit)
        )
    };
    let containers = [
        Container {
            labels: docker("1", "orders-db", "docker.io/library/postgres:17.2"),
            cpu: 340_000,
            memory: 470,
            limit: 512,
            throttled: 0,
        },
        Container {
            labels: docker("2", "nightly-report", MARKUP),
            cpu: 95_000,
            memory: 88,
            limit: 0,
            throttled: 0,
        },
        Container {
            labels: member("3", "app", "registry.example/shop/web:2.14.0"),
            cpu: 810_000,
            memory: 233,
            limit: 1024,
            throttled: 4,
        },
        Container {
            labels: member("4", "proxy", "docker.io/envoyproxy/envoy:v1.32"),
            cpu: 42_000,
            memory: 31,
            limit: 64,
            throttled: 0,
        },
    ];
    let mut page =
        String::from("container_scrape_error 0\nmachine_cpu_cores 8\nmachine_memory_bytes 17179869184\n");
    for container in &containers {
        push(&mut page, container, number);
    }
    let oom = &containers[0].labels;
    page.push_str(&format!("container_oom_events_total{{{oom}}} {}\n", number / 20));
    page.push_str(&format!("container_start_time_seconds{{id=\"/kubepods/pod1\",{pod}}} 1.79e+09\n"));
    for (direction, rate) in [("receive", 240_000), ("transmit", 910_000)] {
        let name = format!("container_network_{direction}_bytes_total");
        page.push_str(&format!(
            "{name}{{id=\"/kubepods/pod1\",{pod},interface=\"eth0\"}} {}\n",
            number * rate
        ));
        page.push_str(&format!("{name}{{{oom},interface=\"eth0\"}} {}\n", number * rate / 9));
    }
    page
}

fn push(page: &mut String, container: &Container, number: u64) {
    let Container { labels, cpu, memory, limit, throttled } = container;
    let mut add =
        |name: &str, value: String| page.push_str(&format!("container_{name}{{{labels}}} {value}\n"));
    let seconds = |share: u64| format!("{}", (number * cpu * share / 100) as f64 / 1e6);
    let bytes = memory * MIB + (number % 7) * MIB / 2;
    add("cpu_user_seconds_total", seconds(70));
    add("cpu_system_seconds_total", seconds(30));
    add("memory_working_set_bytes", bytes.to_string());
    add("memory_rss", (bytes * 3 / 4).to_string());
    add("memory_cache", (bytes / 3).to_string());
    add("spec_memory_limit_bytes", (limit * MIB).to_string());
    add("start_time_seconds", "1790000000".to_owned());
    add("last_seen", "1790000000".to_owned());
    add("processes", "7".to_owned());
    add("threads", "31".to_owned());
    if *throttled > 0 {
        add("spec_cpu_period", "100000".to_owned());
        add("spec_cpu_quota", "100000".to_owned());
        add("cpu_cfs_periods_total", (number * 10).to_string());
        add("cpu_cfs_throttled_periods_total", (number * throttled).to_string());
    }
    page.push_str(&format!("container_cpu_usage_seconds_total{{{labels},cpu=\"total\"}} {}\n", seconds(100)));
    for (name, rate) in [("reads", 4_000), ("writes", 61_000)] {
        let value = number * rate * memory / 40;
        page.push_str(&format!("container_fs_{name}_bytes_total{{{labels},device=\"/dev/sda\"}} {value}\n"));
    }
}
