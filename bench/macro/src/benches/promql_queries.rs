//! Dashboards' queries over one data set: latency, CPU and memory of the three.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Bench;
use crate::servers::{QueryRange, idle_config};
use crate::sim::cluster_blocks::{ClusterData, SERIES_PER_POD};
use crate::{Env, Options, Report, Server, Subject, Unit, calibrate, latency, order};

pub(crate) const BENCH: Bench = Bench {
    name: "promql-queries",
    about: "dashboard queries over blocks [--series 100000 --hours 6 --step 15 --n 5 --ranges 0,1,6 --only text]",
    run,
};

const HOUR_MS: u64 = 3_600_000;

/// What dashboards ask; the name is the row in the table.
const QUERIES: &[(&str, &str)] = &[
    ("cluster CPU", "sum by (namespace) (rate(container_cpu_usage_seconds_total[5m]))"),
    (
        "usage over requests",
        "sum by (namespace, pod) (rate(container_cpu_usage_seconds_total[5m])) / on (namespace, pod) sum by (namespace, pod) (kube_pod_container_resource_requests)",
    ),
    (
        "memory deduplicated",
        "sum by (namespace) (max by (namespace, pod, container) (container_memory_working_set_bytes))",
    ),
    ("network", "sum by (instance) (irate(container_network_receive_bytes_total[5m])) * 8"),
    ("disk by regex", "sum by (device) (rate(container_fs_reads_total{device=~\"sda|sdb|nvme.+\"}[5m]))"),
    (
        "throttling",
        "sum by (namespace) (increase(container_cpu_cfs_throttled_periods_total[5m])) / sum by (namespace) (increase(container_cpu_cfs_periods_total[5m])) > 0.01",
    ),
    (
        "histogram quantile",
        "histogram_quantile(0.99, sum by (le, namespace) (rate(http_request_duration_seconds_bucket[5m])))",
    ),
    ("rate over all buckets", "sum by (namespace) (rate(http_request_duration_seconds_bucket[5m]))"),
    (
        "topk and forecast",
        "topk(10, predict_linear(container_memory_working_set_bytes{service=\"kubelet-a\"}[30m], 3600))",
    ),
    (
        "owner join",
        "rate(container_cpu_usage_seconds_total[5m]) * on (namespace, pod) group_left (job) kube_pod_container_resource_requests",
    ),
    ("count of everything", "count({job=\"cadvisor\"})"),
    ("quantile over pods", "quantile by (namespace) (0.9, rate(container_cpu_usage_seconds_total[5m]))"),
    (
        "regex of pods",
        "sum(container_memory_working_set_bytes{pod=~\"app-[1-3]-.*\",namespace!~\"team-0.*\"})",
    ),
    ("subquery", "max_over_time(sum(rate(container_cpu_usage_seconds_total[5m]))[1h:1m])"),
    ("extremes", "sum(max_over_time(container_memory_working_set_bytes[30m]))"),
];

/// Hours and step of the windows of the dashboards, seconds; an instant query for zero.
const RANGES: &[(u64, u64)] = &[(0, 0), (1, 15), (6, 30), (24, 120), (168, 600), (720, 3_600)];

fn run(env: &Env, options: &Options) -> Result<Report> {
    options.only(&["series", "hours", "step", "n", "ranges", "only"])?;
    let (n_hours, step_s) = (options.number("hours", 6)?, options.number("step", 15)?);
    let n_series = options.number("series", 100_000)?;
    ensure!(n_hours >= 2 && step_s > 0 && n_series >= SERIES_PER_POD, "a data set of nothing");
    let now_ms = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    // Blocks end with the day before yesterday, so that no head is in the way.
    let end_ms = (now_ms / HOUR_MS / 24 - 1) * 24 * HOUR_MS;
    let block_ms = if n_hours > 48 { 24 * HOUR_MS } else { 2 * HOUR_MS };
    let (start_ms, step_ms) = (end_ms - n_hours * HOUR_MS, step_s * 1_000);
    let data = ClusterData { n_pods: n_series / SERIES_PER_POD, start_ms, end_ms, step_ms, block_ms };
    let setup = format!("{n_series} series, {n_hours} h every {step_s} s: {} samples.", data.n_samples());
    let mut report = Report::new("promql-queries", setup);
    report.note("Per query and window one warm-up, then the median of some answers. Extra memory is the highest over all queries.");
    let answers = env.out.join("answers");
    std::fs::create_dir_all(&answers).context("create the folder of answers")?;
    let subjects = options.subjects(&Subject::ALL)?;
    for (_, subject) in order::passes(&subjects, options.number("passes", 1)?.try_into()?) {
        report.calibrated(calibrate::run());
        let mut server = start(env, subject, &data)?;
        ask_all(&mut server, &data, options, &mut report)?;
        server.stop()?;
    }
    report.floor("all p50", Subject::Prometheus, 0.2);
    report.floor("rate over all buckets p50", Subject::Prometheus, 0.1);
    report.floor("extra memory", Subject::Prometheus, 0.2);
    Ok(report)
}

fn start(env: &Env, subject: Subject, data: &ClusterData) -> Result<Server> {
    let folder = env.fresh_folder(&format!("promql-queries-{}", subject.name()))?.join("data");
    if subject != Subject::VictoriaMetrics {
        data.write_blocks(&folder)?;
        // A limit on samples is not what is measured.
        let flags = ["--query.max-samples=500000000"];
        return Server::start(env, subject, &folder, &idle_config(), &flags);
    }
    let server = Server::start(env, subject, &folder, &idle_config(), &[])?;
    let mut importer = super::tsdb_blocks::Importer::new(&server);
    data.write_text(&mut importer)?;
    Ok(server)
}

fn ask_all(server: &mut Server, data: &ClusterData, options: &Options, report: &mut Report) -> Result<()> {
    let subject = server.subject;
    let n = u32::try_from(options.number("n", 5)?)?;
    let only = options.text("only").unwrap_or("");
    let wanted: Vec<u64> = options
        .text("ranges")
        .unwrap_or("0,1,6")
        .split(',')
        .map(|text| text.parse().context("read --ranges"))
        .collect::<Result<_>>()?;
    let (mut all_p50, mut all_cpu, mut memory) = (0.0, 0.0, 0.0_f64);
    for (name, query) in QUERIES.iter().filter(|(name, _)| name.contains(only)) {
        let (mut p50, mut p99, mut cpu) = (0.0, 0.0, 0.0);
        for (hours, step_s) in RANGES.iter().filter(|(hours, _)| wanted.contains(hours)) {
            let end_s = data.end_ms / 1_000 - 60;
            let start_s = (end_s - hours * 3_600).max(data.start_ms / 1_000 + 3_600);
            let range = if *hours == 0 {
                QueryRange::instant(end_s)
            } else {
                QueryRange { start_s, end_s, step_s: *step_s }
            };
            let cost =
                latency::measure(server, query, range, 1, n).with_context(|| format!("{name}, {hours} h"))?;
            let answer: Value = serde_json::from_str(&cost.body).context("read the answer")?;
            let n_results = answer.pointer("/data/result").and_then(Value::as_array).map_or(0, Vec::len);
            ensure!(n_results > 0, "{name}, {hours} h: {} answers nothing", subject.name());
            p50 += cost.p50_s;
            p99 += cost.p99_s;
            cpu += cost.cpu_s;
            memory = memory.max(cost.extra_peak_bytes);
        }
        report.add(leak(format!("{name} p50")), Unit::Seconds, subject, p50);
        report.add(leak(format!("{name} p99")), Unit::Seconds, subject, p99);
        report.add(leak(format!("{name} CPU")), Unit::Seconds, subject, cpu);
        all_p50 += p50;
        all_cpu += cpu;
    }
    report.add("all p50", Unit::Seconds, subject, all_p50);
    report.add("all CPU", Unit::Seconds, subject, all_cpu);
    report.add("extra memory", Unit::Bytes, subject, memory);
    Ok(())
}

/// Names of figures live as long as the program: there are a few dozen.
fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}
