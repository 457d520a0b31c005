//! `perf`: counters of the CPUs and of the kernel.
//!
//! Counters start with the first scrape and count as long as the exporter lives. What a CPU does not have is left out.

mod events;

use std::io;
use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;
use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, Sink};
use crate::config::{Config, FlagError, PerfConfig, Profilers};
use crate::context::Context;
use crate::parse;
use crate::sys::perf::{Counter, Event};

use events::{CACHE, HARDWARE, Named, SOFTWARE};

/// `PERF_TYPE_TRACEPOINT`.
const TRACEPOINT: u32 = 2;

/// Where the kernel numbers its tracepoints.
const TRACING: [&str; 2] = ["kernel/tracing/events", "kernel/debug/tracing/events"];

/// CPUs that can be named; no machine has more.
const CPUS_MAX: usize = 8192;

/// The collector.
#[derive(Debug)]
pub struct Perf {
    /// None: all that are online.
    cpus: Option<Vec<u32>>,
    events: Vec<&'static Named>,
    tracepoints: Vec<Tracepoint>,
    open: Mutex<Option<Vec<Open>>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Tracepoint {
    subsystem: String,
    event: String,
}

#[derive(Debug)]
struct Open {
    metric: String,
    cpu: String,
    counter: Counter,
}

impl Perf {
    /// Takes its options.
    /// # Errors
    /// When CPUs, profilers or tracepoints are not named as they should.
    pub fn new(config: &Config) -> Result<Self, FlagError> {
        let PerfConfig { cpus, tracepoints, hardware, software, cache } = &config.perf;
        let cpus = match cpus.as_str() {
            "" => None,
            list => Some(parse_cpus(list).ok_or_else(|| FlagError::BadValue {
                flag: "--collector.perf.cpus".to_owned(),
                value: list.to_owned(),
                wanted: "a list of CPUs such as 0,2-6 or 1-10:5",
            })?),
        };
        let mut events = Vec::new();
        for (flag, chosen, table) in [
            ("--collector.perf.hardware-profilers", hardware, HARDWARE),
            ("--collector.perf.software-profilers", software, SOFTWARE),
            ("--collector.perf.cache-profilers", cache, CACHE),
        ] {
            events.extend(choose(flag, chosen, table)?);
        }
        let tracepoints = tracepoints.iter().map(|text| parse_tracepoint(text)).collect::<Result<_, _>>()?;
        Ok(Self { cpus, events, tracepoints, open: Mutex::default() })
    }

    fn open(&self, ctx: &mut Context) -> Result<Vec<Open>, CollectError> {
        let cpus = match &self.cpus {
            Some(cpus) => cpus.clone(),
            None => online(ctx)?,
        };
        let mut wanted: Vec<_> = self
            .events
            .iter()
            .map(|named| (format!("node_perf_{}_total", named.metric), named.event))
            .collect();
        for tracepoint in &self.tracepoints {
            wanted.push((tracepoint.metric(), tracepoint.event(ctx)?));
        }
        let mut open = Vec::new();
        for (metric, event) in wanted {
            for cpu in &cpus {
                match Counter::open(event, i32::try_from(*cpu).unwrap_or(i32::MAX)) {
                    Ok(counter) => open.push(Open { metric: metric.clone(), cpu: cpu.to_string(), counter }),
                    Err(error) if is_lacking(&error) => {}
                    Err(source) => {
                        return Err(CollectError::Read { path: "perf_event_open".to_owned(), source });
                    }
                }
            }
        }
        if open.is_empty() {
            return Err(CollectError::NoData { why: "neither CPU nor kernel has the counters".to_owned() });
        }
        Ok(open)
    }
}

impl Collector for Perf {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let counters = match &mut *open {
            Some(counters) => counters,
            none => none.insert(self.open(ctx)?),
        };
        let mut sink = Sink::new(out);
        for Open { metric, cpu, counter } in counters {
            // A CPU that was taken out does not answer.
            let Ok(count) = counter.read() else { continue };
            sink.counter(metric.clone(), "Count of a performance event.", &[("cpu", cpu)], count);
        }
        Ok(())
    }
}

/// Whether CPU or kernel lack the event, or the CPU itself is not there.
fn is_lacking(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::NOENT | Errno::NODEV | Errno::OPNOTSUPP | Errno::INVAL | Errno::NXIO))
}

fn online(ctx: &mut Context) -> Result<Vec<u32>, CollectError> {
    let list = ctx.sys("devices/system/cpu/online")?;
    let numbers =
        parse::ranges(list).ok_or_else(|| CollectError::parse("devices/system/cpu/online", list))?;
    Ok(numbers.into_iter().filter_map(|number| u32::try_from(number).ok()).collect())
}

fn choose(
    flag: &str,
    profilers: &Profilers,
    table: &'static [Named],
) -> Result<Vec<&'static Named>, FlagError> {
    let find = |name: &String| {
        let unknown = || FlagError::BadValue {
            flag: flag.to_owned(),
            value: name.clone(),
            wanted: "a profiler of this kind, such as CpuCycles, PageFault or L1DataReadHit",
        };
        table.iter().find(|named| named.profiler == name).ok_or_else(unknown)
    };
    let chosen = profilers.chosen.iter().map(find).collect::<Result<Vec<_>, _>>()?;
    Ok(match (profilers.is_off, chosen.is_empty()) {
        (true, _) => Vec::new(),
        (false, true) => table.iter().collect(),
        (false, false) => chosen,
    })
}

/// Reads `0,2-6,1-10:5`: numbers, ranges, ranges with a stride.
fn parse_cpus(list: &str) -> Option<Vec<u32>> {
    let mut cpus = Vec::new();
    for item in list.split(',') {
        let (range, stride) = match item.split_once(':') {
            Some((range, stride)) => (range, stride.parse().ok().filter(|stride| *stride > 0)?),
            None => (item, 1),
        };
        let (first, last): (u32, u32) = match range.split_once('-') {
            Some((first, last)) => (first.parse().ok()?, last.parse().ok()?),
            None => (range.parse().ok()?, range.parse().ok()?),
        };
        if first > last || usize::try_from(last).ok()? >= CPUS_MAX {
            return None;
        }
        cpus.extend((first..=last).step_by(stride));
    }
    cpus.sort_unstable();
    cpus.dedup();
    Some(cpus)
}

fn parse_tracepoint(text: &str) -> Result<Tracepoint, FlagError> {
    let is_word = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    match text.split_once(':') {
        Some((subsystem, event)) if is_word(subsystem) && is_word(event) => {
            Ok(Tracepoint { subsystem: subsystem.to_owned(), event: event.to_owned() })
        }
        _ => Err(FlagError::BadValue {
            flag: "--collector.perf.tracepoint".to_owned(),
            value: text.to_owned(),
            wanted: "a tracepoint such as sched:sched_process_exec",
        }),
    }
}

impl Tracepoint {
    fn metric(&self) -> String {
        parse::metric_name(&format!("node_perf_{}_{}", self.subsystem, self.event))
    }

    fn event(&self, ctx: &mut Context) -> Result<Event, CollectError> {
        let id = TRACING.iter().find_map(|tracing| {
            let path = ctx.paths.sys.join(tracing).join(&self.subsystem).join(&self.event).join("id");
            ctx.attribute(&path).and_then(parse::u64)
        });
        let why = || format!("the kernel has no tracepoint {}:{}, or hides it", self.subsystem, self.event);
        id.map(|config| Event { kind: TRACEPOINT, config }).ok_or_else(|| CollectError::NoData { why: why() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only_software() -> PerfConfig {
        let off = Profilers { is_off: true, chosen: Vec::new() };
        PerfConfig { hardware: off.clone(), cache: off, ..PerfConfig::default() }
    }

    #[test]
    fn cpus_are_named_by_numbers_ranges_and_strides() {
        assert_eq!(parse_cpus("0,2-4"), Some(vec![0, 2, 3, 4]));
        assert_eq!(parse_cpus("1-10:5"), Some(vec![1, 6]));
        assert_eq!(parse_cpus("3,1,3"), Some(vec![1, 3]));
        for bad in ["", "a", "4-2", "1-", "1-9:0", "0-99999999"] {
            assert_eq!(parse_cpus(bad), None, "{bad}");
        }
    }

    #[test]
    fn profilers_and_tracepoints_are_named_or_refused() {
        let build = |perf: PerfConfig| Perf::new(&Config { perf, ..Config::default() });
        let only = |name: &str| Profilers { is_off: false, chosen: vec![name.to_owned()] };
        let chosen = build(PerfConfig { software: only("PageFault"), ..only_software() }).unwrap();
        assert_eq!(chosen.events.iter().map(|named| named.metric).collect::<Vec<_>>(), ["page_faults"]);
        assert!(build(PerfConfig { software: only("CpuCycles"), ..only_software() }).is_err());
        for bad in ["sched", "sched:", "../x:y", "a:b/c"] {
            assert!(
                build(PerfConfig { tracepoints: vec![bad.to_owned()], ..only_software() }).is_err(),
                "{bad}"
            );
        }
        let tracepoint = parse_tracepoint("sched:sched_process_exec").unwrap();
        assert_eq!(tracepoint.metric(), "node_perf_sched_sched_process_exec");
    }

    #[test]
    fn faults_of_this_machine_are_counted() {
        let collector = Perf::new(&Config { perf: only_software(), ..Config::default() }).unwrap();
        let mut ctx = Context::new(crate::context::Paths::default());
        let mut out = Vec::new();
        match collector.collect(&mut ctx, &mut out) {
            Ok(()) => {
                assert!(out.iter().any(|family| family.name == "node_perf_page_faults_total"), "{out:?}");
            }
            // Many a machine allows it to the privileged only.
            Err(error) => println!("SKIPPED: perf: {error}"),
        }
    }
}
