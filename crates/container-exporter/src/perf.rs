//! Events that the CPU and the kernel count for each control group: cycles, cache misses, page faults.
//!
//! A file names the events, in cAdvisor's format. A counter a group, event and CPU is opened when the group appears and
//! stays open: it counts from then on.
//!
//! # Source
//! cAdvisor's `docs/runtime_options.md`, "Perf Events"; Linux `include/uapi/linux/perf_event.h` for names and numbers.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat};
use serde_json::Value;

use crate::files;
use crate::sys::{Count, Counter, Event};

const PERF_TYPE_HARDWARE: u32 = 0;
const PERF_TYPE_SOFTWARE: u32 = 1;

/// Events that every kernel knows by number, under the names that `perf list` gives them.
#[rustfmt::skip]
const GENERIC: [(&str, u32, u64); 28] = [
    ("cpu-cycles", PERF_TYPE_HARDWARE, 0), ("cycles", PERF_TYPE_HARDWARE, 0),
    ("instructions", PERF_TYPE_HARDWARE, 1),
    ("cache-references", PERF_TYPE_HARDWARE, 2),
    ("cache-misses", PERF_TYPE_HARDWARE, 3),
    ("branch-instructions", PERF_TYPE_HARDWARE, 4), ("branches", PERF_TYPE_HARDWARE, 4),
    ("branch-misses", PERF_TYPE_HARDWARE, 5),
    ("bus-cycles", PERF_TYPE_HARDWARE, 6),
    ("stalled-cycles-frontend", PERF_TYPE_HARDWARE, 7), ("idle-cycles-frontend", PERF_TYPE_HARDWARE, 7),
    ("stalled-cycles-backend", PERF_TYPE_HARDWARE, 8), ("idle-cycles-backend", PERF_TYPE_HARDWARE, 8),
    ("ref-cycles", PERF_TYPE_HARDWARE, 9),
    ("cpu-clock", PERF_TYPE_SOFTWARE, 0),
    ("task-clock", PERF_TYPE_SOFTWARE, 1),
    ("page-faults", PERF_TYPE_SOFTWARE, 2), ("faults", PERF_TYPE_SOFTWARE, 2),
    ("context-switches", PERF_TYPE_SOFTWARE, 3), ("cs", PERF_TYPE_SOFTWARE, 3),
    ("cpu-migrations", PERF_TYPE_SOFTWARE, 4), ("migrations", PERF_TYPE_SOFTWARE, 4),
    ("minor-faults", PERF_TYPE_SOFTWARE, 5),
    ("major-faults", PERF_TYPE_SOFTWARE, 6),
    ("alignment-faults", PERF_TYPE_SOFTWARE, 7),
    ("emulation-faults", PERF_TYPE_SOFTWARE, 8),
    ("bpf-output", PERF_TYPE_SOFTWARE, 10),
    ("cgroup-switches", PERF_TYPE_SOFTWARE, 11),
];

/// Counters open at a time; each is a file.
const COUNTERS_MAX: usize = 8192;

/// A file of events is short.
const EVENTS_MAX: usize = 64;

/// An event to count, by its name in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedEvent {
    pub(crate) name: String,
    pub(crate) event: Event,
}

/// What an event came to on one CPU.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    pub(crate) event: String,
    pub(crate) cpu: u32,
    pub(crate) count: Count,
}

/// Reads a file of events.
/// # Errors
/// A text that says what in it is not understood.
pub fn events(content: &str) -> Result<Vec<NamedEvent>, String> {
    let file: Value = serde_json::from_str(content).map_err(|error| error.to_string())?;
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let uncore = file.get("uncore");
    if ["events", "custom_events"]
        .iter()
        .any(|key| !list(uncore.and_then(|uncore| uncore.get(key))).is_empty())
    {
        return Err("uncore events are not counted: remove them".to_owned());
    }
    let core = file.get("core");
    let mut custom = BTreeMap::new();
    for value in list(core.and_then(|core| core.get("custom_events"))) {
        let event =
            custom_event(&value).ok_or_else(|| format!("custom event {value} lacks type, config or name"))?;
        custom.insert(event.name.clone(), event);
    }
    let mut found: Vec<NamedEvent> = Vec::new();
    for value in list(core.and_then(|core| core.get("events"))) {
        // Events in a list of their own are meant to be counted together: each has its own counter here.
        let names = match value {
            Value::Array(names) => names,
            name => vec![name],
        };
        for name in names {
            let name = name.as_str().ok_or_else(|| format!("event {name} is not a name"))?;
            found.push(custom.remove(name).map_or_else(|| generic(name), Ok)?);
        }
    }
    // A custom event counts though nothing refers to it.
    found.extend(custom.into_values());
    if found.len() > EVENTS_MAX {
        return Err(format!("{} events are more than {EVENTS_MAX}", found.len()));
    }
    Ok(found)
}

fn custom_event(value: &Value) -> Option<NamedEvent> {
    let kind = u32::try_from(value.get("type")?.as_u64()?).ok()?;
    let config = match value.get("config")? {
        Value::Array(words) => words.first()?,
        word => word,
    };
    let config = match config {
        Value::Number(number) => number.as_u64()?,
        word => u64::from_str_radix(word.as_str()?.trim_start_matches("0x"), 16).ok()?,
    };
    Some(NamedEvent { name: value.get("name")?.as_str()?.to_owned(), event: Event { kind, config } })
}

fn generic(name: &str) -> Result<NamedEvent, String> {
    let plain = name.to_ascii_lowercase().replace('_', "-");
    let plain =
        plain.strip_prefix("perf-count-hw-").or(plain.strip_prefix("perf-count-sw-")).unwrap_or(&plain);
    let known = GENERIC.iter().find(|(known, ..)| *known == plain);
    let (_, kind, config) = known.ok_or_else(|| {
        format!("event {name} is not one of the kernel's own: give its type and config as a custom event")
    })?;
    Ok(NamedEvent { name: name.to_owned(), event: Event { kind: *kind, config: *config } })
}

/// Counters of all groups.
#[derive(Debug, Default)]
pub(crate) struct Perf {
    events: Vec<NamedEvent>,
    cpus: Vec<u32>,
    groups: BTreeMap<String, Vec<Open>>,
    n_open: usize,
    has_complained: bool,
}

#[derive(Debug)]
struct Open {
    event: usize,
    cpu: u32,
    counter: Counter,
}

impl Perf {
    /// Takes what is to be counted, on the CPUs that are online.
    pub(crate) fn new(events: Vec<NamedEvent>, sys: &Path) -> Self {
        let online = files::text(&sys.join("devices/system/cpu/online")).unwrap_or_default();
        Self { events, cpus: cpus(&online), ..Self::default() }
    }

    /// Forgets groups that are not among `groups`, which are sorted: their counters are closed.
    pub(crate) fn retain(&mut self, groups: &[String]) {
        self.groups.retain(|group, _| groups.binary_search(group).is_ok());
        self.n_open = self.groups.values().map(Vec::len).sum();
    }

    /// Reads what a group's processes came to; its directory is one where the kernel takes perf events.
    pub(crate) fn read(&mut self, group: &str, dir: &Path) -> Vec<Reading> {
        if self.events.is_empty() {
            return Vec::new();
        }
        if !self.groups.contains_key(group) {
            let opened = self.open(dir);
            self.n_open += opened.len();
            self.groups.insert(group.to_owned(), opened);
        }
        let reading = |open: &Open| {
            let event = self.events.get(open.event)?.name.clone();
            Some(Reading { event, cpu: open.cpu, count: open.counter.read().ok()? })
        };
        self.groups.get(group).into_iter().flatten().filter_map(reading).collect()
    }

    fn open(&mut self, dir: &Path) -> Vec<Open> {
        let mut opened = Vec::new();
        let Ok(dir) = openat(CWD, dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        else {
            return opened;
        };
        for (event, named) in self.events.iter().enumerate() {
            for &cpu in &self.cpus {
                if self.n_open + opened.len() >= COUNTERS_MAX {
                    if !std::mem::replace(&mut self.has_complained, true) {
                        tracing::warn!(
                            limit = COUNTERS_MAX,
                            "no more perf events are counted: name fewer events"
                        );
                    }
                    return opened;
                }
                let number = i32::try_from(cpu).unwrap_or(0);
                match Counter::open(named.event, dir.as_fd(), number) {
                    Ok(counter) => opened.push(Open { event, cpu, counter }),
                    Err(error) if !std::mem::replace(&mut self.has_complained, true) => {
                        tracing::warn!(event = named.name, cpu, %error, "a perf event cannot be counted");
                    }
                    Err(_) => {}
                }
            }
        }
        opened
    }
}

/// Where a group's perf events are counted: below its own controller, or in the one tree.
pub(crate) fn dir_of(cgroups: &Path, group: &str) -> PathBuf {
    let own = cgroups.join("perf_event");
    let root = if own.is_dir() { own } else { cgroups.to_owned() };
    root.join(group.trim_start_matches('/'))
}

/// A list such as `0-3,8`.
fn cpus(list: &str) -> Vec<u32> {
    /// No machine has more.
    const CPUS_MAX: u32 = 1 << 14;
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<u32>().ok()?..=last.parse::<u32>().ok()?.min(CPUS_MAX))
    };
    list.trim().split(',').filter_map(range).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_kernels_own_or_given_by_number() {
        let found = events(
            r#"{"core":{"events":["instructions",["PERF_COUNT_HW_CACHE_MISSES","mine"]],
                "custom_events":[{"type":4,"config":["0x5300c0"],"name":"mine"},{"type":1,"config":["0x2"],"name":"faults"}]}}"#,
        );
        let event =
            |name: &str, kind, config| NamedEvent { name: name.to_owned(), event: Event { kind, config } };
        let want = [
            event("instructions", 0, 1),
            event("PERF_COUNT_HW_CACHE_MISSES", 0, 3),
            event("mine", 4, 0x53_00c0),
            event("faults", 1, 2),
        ];
        assert_eq!(found.unwrap(), want);
        assert_eq!(events("{}").unwrap(), []);
    }

    #[test]
    fn what_is_not_understood_is_told() {
        let check = |file: &str, want: &str| {
            let error = events(file).unwrap_err();
            assert!(error.contains(want), "{error}");
        };
        check("{", "EOF");
        check(r#"{"core":{"events":["INST_RETIRED.ANY"]}}"#, "not one of the kernel's own");
        check(r#"{"core":{"events":[1]}}"#, "not a name");
        check(r#"{"core":{"custom_events":[{"type":4}]}}"#, "lacks type");
        check(r#"{"uncore":{"events":["uncore_imc/x"]}}"#, "uncore");
    }

    #[test]
    fn lists_of_cpus_are_read() {
        assert_eq!(cpus("0-2,5\n"), [0, 1, 2, 5]);
        assert_eq!(cpus(""), [0; 0]);
    }

    /// Where the kernel lets us count; it always has software events.
    #[test]
    fn this_machines_groups_are_counted() {
        let events = events(r#"{"core":{"events":["cpu-clock"]}}"#).unwrap();
        let mut perf = Perf::new(events, Path::new("/sys"));
        let readings = perf.read("/", &dir_of(Path::new("/sys/fs/cgroup"), "/"));
        if readings.is_empty() {
            let line = b"SKIPPED: perf: this kernel counts nothing for us\n";
            let _ = std::io::Write::write_all(&mut std::io::stderr(), line);
            return;
        }
        assert!(readings.iter().all(|reading| reading.event == "cpu-clock"), "{readings:?}");
        perf.retain(&[]);
        assert_eq!(perf.n_open, 0);
    }
}
