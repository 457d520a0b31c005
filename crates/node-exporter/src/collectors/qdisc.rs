//! `qdisc`: queues of network devices.

use std::path::Path;

use serde_json::Value;
use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, Sink};
use crate::config::{Config, FlagError};
use crate::context::Context;
use crate::filter::Filter;
use crate::netlink::{self, attributes, u32_at, u64_at};

const RTM_NEWQDISC: u16 = 36;
const RTM_GETQDISC: u16 = 38;
/// Length of `struct tcmsg`: family u8, padding of 3, device i32, handle, parent, info u32.
const HEADER: usize = 20;
const PARENT_AT: usize = 12;
const TC_H_ROOT: u32 = u32::MAX;
const TCA_KIND: u16 = 1;
const TCA_STATS2: u16 = 7;
const TCA_STATS_BASIC: u16 = 1;
const TCA_STATS_QUEUE: u16 = 3;

const HELP: &str = "Queueing discipline statistic.";

/// The collector.
#[derive(Debug)]
pub struct Qdisc {
    devices: Filter,
    /// Recorded answers, for tests of the page.
    fixtures: String,
}

#[derive(Debug, Default)]
struct Queue {
    device: String,
    kind: String,
    bytes: f64,
    packets: f64,
    drops: f64,
    requeues: f64,
    overlimits: f64,
    length: f64,
    backlog: f64,
}

impl Qdisc {
    /// Takes its options.
    /// # Errors
    /// When a pattern is not a regular expression.
    pub fn new(config: &Config) -> Result<Self, FlagError> {
        let devices = Filter::of("--collector.qdisc.device", &config.qdisc)?;
        Ok(Self { devices, fixtures: config.qdisc_fixtures.clone() })
    }
}

impl Collector for Qdisc {
    fn collect(&self, _ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let queues = match self.fixtures.as_str() {
            "" => ask_kernel()?,
            dir => recorded(&Path::new(dir).join("results.json"))?,
        };
        let mut sink = Sink::new(out);
        for queue in queues.iter().filter(|queue| self.devices.is_wanted(queue.device.as_bytes())) {
            let labels = [("device", queue.device.as_str()), ("kind", &queue.kind)];
            let mut count = |name: &'static str, value| sink.counter(name, HELP, &labels, value);
            count("node_qdisc_bytes_total", queue.bytes);
            count("node_qdisc_packets_total", queue.packets);
            count("node_qdisc_drops_total", queue.drops);
            count("node_qdisc_requeues_total", queue.requeues);
            count("node_qdisc_overlimits_total", queue.overlimits);
            sink.gauge("node_qdisc_current_queue_length", HELP, &labels, queue.length);
            sink.gauge("node_qdisc_backlog", HELP, &labels, queue.backlog);
        }
        Ok(())
    }
}

fn ask_kernel() -> Result<Vec<Queue>, CollectError> {
    let names = netlink::link_names()?;
    let mut queues = Vec::new();
    let request = netlink::Request { kind: RTM_GETQDISC, is_dump: true, body: &[0; HEADER] };
    netlink::ask(None, request, |kind, body| {
        let Some((header, rest)) = body.split_at_checked(HEADER) else { return Ok(()) };
        if kind == RTM_NEWQDISC && u32_at(header, PARENT_AT) == Some(TC_H_ROOT) {
            let device = u32_at(header, 4).and_then(|number| names.get(&number)).cloned();
            queues.extend(device.map(|device| read_queue(device, rest)));
        }
        Ok(())
    })?;
    Ok(queues)
}

fn read_queue(device: String, rest: &[u8]) -> Queue {
    let mut queue = Queue { device, ..Queue::default() };
    for (kind, value) in attributes(rest) {
        match kind {
            TCA_KIND => queue.kind = netlink::text(value),
            TCA_STATS2 => read_statistics(&mut queue, value),
            _ => {}
        }
    }
    queue
}

fn read_statistics(queue: &mut Queue, nested: &[u8]) {
    for (kind, value) in attributes(nested) {
        let word = |idx: usize| f64::from(u32_at(value, idx * 4).unwrap_or(0));
        match kind {
            TCA_STATS_BASIC => {
                queue.bytes = u64_at(value, 0).unwrap_or(0) as f64;
                queue.packets = word(2);
            }
            TCA_STATS_QUEUE => {
                (queue.length, queue.backlog, queue.drops) = (word(0), word(1), word(2));
                (queue.requeues, queue.overlimits) = (word(3), word(4));
            }
            _ => {}
        }
    }
}

fn recorded(path: &Path) -> Result<Vec<Queue>, CollectError> {
    let text = std::fs::read(path).map_err(|source| CollectError::from_io(path, source))?;
    let list: Vec<Value> =
        serde_json::from_slice(&text).map_err(|_| CollectError::parse("qdisc fixtures", &text))?;
    let queue = |entry: &Value| {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let number = |key: &str| entry.get(key).and_then(Value::as_f64).unwrap_or(0.0);
        Queue {
            device: text("IfaceName"),
            kind: text("Kind"),
            bytes: number("Bytes"),
            packets: number("Packets"),
            drops: number("Drops"),
            requeues: number("Requeues"),
            overlimits: number("Overlimits"),
            length: number("Qlen"),
            backlog: number("Backlog"),
        }
    };
    Ok(list.iter().filter(|entry| entry.get("Parent").is_none_or(|parent| parent == 0)).map(queue).collect())
}
