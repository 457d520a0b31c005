//! Collectors that read a number or two: `filefd`, `entropy`, `kernel_hung`, `conntrack`, `schedstat`, `udp_queues`.

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, counter, gauge, push_counter, push_gauge};
use crate::context::Context;
use crate::parse;

/// Reads a file below `/proc` that holds one number.
fn number(ctx: &mut Context, path: &'static str) -> Result<f64, CollectError> {
    let text = ctx.proc(path)?;
    parse::number(text.trim_ascii()).ok_or_else(|| CollectError::parse(path, text))
}

/// `filefd`: open files of the whole host.
#[derive(Debug)]
pub struct FileFd;

impl Collector for FileFd {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let text = ctx.proc("sys/fs/file-nr")?;
        let numbers: Option<Vec<_>> = parse::words(text).map(parse::number).collect();
        let Some([allocated, _, maximum]) = numbers.as_deref() else {
            return Err(CollectError::parse("sys/fs/file-nr", text));
        };
        push_gauge(out, "node_filefd_allocated", "Open files of the host.", *allocated);
        push_gauge(out, "node_filefd_maximum", "Limit of open files of the host.", *maximum);
        Ok(())
    }
}

/// `entropy`: the kernel's random numbers.
#[derive(Debug)]
pub struct Entropy;

impl Collector for Entropy {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let available = number(ctx, "sys/kernel/random/entropy_avail")?;
        push_gauge(out, "node_entropy_available_bits", "Bits of available entropy.", available);
        let pool = number(ctx, "sys/kernel/random/poolsize")?;
        push_gauge(out, "node_entropy_pool_size_bits", "Bits of the entropy pool.", pool);
        Ok(())
    }
}

/// `kernel_hung`: tasks the kernel found hanging.
#[derive(Debug)]
pub struct KernelHung;

impl Collector for KernelHung {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let count = number(ctx, "sys/kernel/hung_task_detect_count")?;
        push_counter(out, "node_kernel_hung_tasks_total", "Tasks found hanging since boot.", count);
        Ok(())
    }
}

/// `conntrack`: connections the firewall tracks.
#[derive(Debug)]
pub struct ConnTrack;

/// Heading of the column and metric; gauges, as upstream has them.
const CONNTRACK: [(&str, &str); 8] = [
    ("found", "node_nf_conntrack_stat_found"),
    ("invalid", "node_nf_conntrack_stat_invalid"),
    ("ignore", "node_nf_conntrack_stat_ignore"),
    ("insert", "node_nf_conntrack_stat_insert"),
    ("insert_failed", "node_nf_conntrack_stat_insert_failed"),
    ("drop", "node_nf_conntrack_stat_drop"),
    ("early_drop", "node_nf_conntrack_stat_early_drop"),
    ("search_restart", "node_nf_conntrack_stat_search_restart"),
];

impl Collector for ConnTrack {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let entries = number(ctx, "sys/net/netfilter/nf_conntrack_count")?;
        push_gauge(out, "node_nf_conntrack_entries", "Connections tracked.", entries);
        let limit = number(ctx, "sys/net/netfilter/nf_conntrack_max")?;
        push_gauge(out, "node_nf_conntrack_entries_limit", "Limit of connections tracked.", limit);
        let text = ctx.proc("net/stat/nf_conntrack")?;
        let headings: Vec<_> = parse::lines(text).next().into_iter().flat_map(parse::words).collect();
        let mut sums = vec![0_u64; headings.len()];
        // A line a CPU.
        for line in parse::lines(text).skip(1) {
            for (sum, word) in sums.iter_mut().zip(parse::words(line)) {
                let value =
                    parse::hex(word).ok_or_else(|| CollectError::parse("net/stat/nf_conntrack", line))?;
                *sum = sum.saturating_add(value);
            }
        }
        for (heading, name) in CONNTRACK {
            let column = headings.iter().position(|have| *have == heading.as_bytes());
            let sum = column.and_then(|column| sums.get(column)).copied().unwrap_or(0);
            push_gauge(out, name, "Statistic of connection tracking.", sum as f64);
        }
        Ok(())
    }
}

/// `schedstat`: how long tasks ran and waited.
#[derive(Debug)]
pub struct SchedStat;

impl Collector for SchedStat {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let mut running = counter("node_schedstat_running_seconds_total", "Seconds the CPU ran tasks.");
        let mut waiting =
            counter("node_schedstat_waiting_seconds_total", "Seconds tasks waited for the CPU.");
        let mut slices = counter("node_schedstat_timeslices_total", "Time slices the CPU gave.");
        for line in parse::lines(ctx.proc("schedstat")?) {
            let mut words = parse::words(line);
            let Some(cpu) = words.next().and_then(|word| word.strip_prefix(b"cpu")).map(parse::text) else {
                continue;
            };
            let mut values = words.skip(6).map(parse::number);
            let mut next = || values.next().flatten().ok_or_else(|| CollectError::parse("schedstat", line));
            let labels = [("cpu", cpu.as_str())];
            running.push(&labels, next()? / 1e9);
            waiting.push(&labels, next()? / 1e9);
            slices.push(&labels, next()?);
        }
        out.extend([running, waiting, slices]);
        Ok(())
    }
}

/// `udp_queues`: bytes that wait in UDP sockets.
#[derive(Debug)]
pub struct UdpQueues;

impl Collector for UdpQueues {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let mut family = gauge("node_udp_queues", "Bytes waiting in UDP sockets.");
        for (path, version) in [("net/udp", "v4"), ("net/udp6", "v6")] {
            let text = match ctx.proc(path) {
                Err(error) if error.is_no_data() => continue,
                text => text?,
            };
            let (mut sent, mut received) = (0_u64, 0_u64);
            for line in parse::lines(text).skip(1) {
                let queues = parse::words(line).nth(4).and_then(|word| word.split_at_checked(8));
                let queues =
                    queues.and_then(|(tx, rx)| Some((parse::hex(tx)?, parse::hex(rx.strip_prefix(b":")?)?)));
                let (tx, rx) = queues.ok_or_else(|| CollectError::parse(path, line))?;
                sent = sent.saturating_add(tx);
                received = received.saturating_add(rx);
            }
            family.push(&[("ip", version), ("queue", "tx")], sent as f64);
            family.push(&[("ip", version), ("queue", "rx")], received as f64);
        }
        if family.metrics.is_empty() {
            return Err(CollectError::NoData { why: "this host has no UDP".to_owned() });
        }
        out.push(family);
        Ok(())
    }
}
