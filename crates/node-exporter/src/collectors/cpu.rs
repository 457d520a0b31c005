//! `cpu`: where CPU time goes, what the CPUs are and whether they are throttled.
//!
//! # Invariants
//! - Counters do not fall while a CPU stays: the kernel's idle and iowait times sometimes do, by rounding.

mod info;
mod times;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, counter, gauge};
use crate::config::{Config, FlagError};
use crate::context::{Context, names_in};
use crate::parse;

use info::Info;
use times::{MODES, Times};

/// The collector.
#[derive(Debug)]
pub struct Cpu {
    has_guest: bool,
    info: Option<Info>,
    /// CPUs kept from the scheduler; fixed at boot, so read once.
    isolated: Vec<u64>,
    times: Mutex<Times>,
}

impl Cpu {
    /// Takes its options and reads what does not change.
    /// # Errors
    /// When a pattern is not a regular expression.
    pub fn new(config: &Config) -> Result<Self, FlagError> {
        let isolated =
            std::fs::read(config.paths.sys.join("devices/system/cpu/isolated")).unwrap_or_default();
        Ok(Self {
            has_guest: config.cpu_guest,
            info: Info::new(config)?,
            isolated: parse::ranges(&isolated).unwrap_or_default(),
            times: Mutex::default(),
        })
    }

    fn push_times(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.update(ctx.stat()?)?;
        let mut seconds = counter("node_cpu_seconds_total", "Seconds the CPUs spent in each mode.");
        let mut guest = counter("node_cpu_guest_seconds_total", "Seconds the CPUs spent in guests.");
        for (cpu, values) in times.iter() {
            let cpu = &cpu.to_string();
            for (mode, value) in MODES.iter().zip(values) {
                seconds.push(&[("cpu", cpu), ("mode", mode)], *value);
            }
            if let [.., user, nice] = values
                && self.has_guest
            {
                guest.push(&[("cpu", cpu), ("mode", "user")], *user);
                guest.push(&[("cpu", cpu), ("mode", "nice")], *nice);
            }
        }
        out.push(seconds);
        out.push(guest);
        Ok(())
    }

    fn push_isolated(&self, out: &mut Vec<MetricFamily>) {
        let mut family = gauge("node_cpu_isolated", "Whether a CPU is kept from the scheduler.");
        for cpu in &self.isolated {
            family.push(&[("cpu", &cpu.to_string())], 1.0);
        }
        out.push(family);
    }
}

impl Collector for Cpu {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        if let Some(info) = &self.info {
            info.push(ctx, out)?;
        }
        self.push_times(ctx, out)?;
        self.push_isolated(out);
        let dirs = cpu_dirs(&ctx.paths.sys.join("devices/system/cpu"));
        push_throttles(ctx, &dirs, out);
        push_online(ctx, &dirs, out);
        Ok(())
    }
}

/// `(number, directory)` of each CPU.
fn cpu_dirs(base: &Path) -> Vec<(u64, PathBuf)> {
    let number = |name: &str| parse::u64(name.strip_prefix("cpu")?.as_bytes());
    names_in(base, "cpu").iter().filter_map(|name| Some((number(name)?, base.join(name)))).collect()
}

fn push_throttles(ctx: &mut Context, dirs: &[(u64, PathBuf)], out: &mut Vec<MetricFamily>) {
    let mut cores = counter("node_cpu_core_throttles_total", "Times a core was throttled for heat.");
    let mut packages = counter("node_cpu_package_throttles_total", "Times a package was throttled for heat.");
    let (mut seen_cores, mut seen_packages) = (BTreeSet::new(), BTreeSet::new());
    for (_, dir) in dirs {
        let throttle = dir.join("thermal_throttle");
        // Virtual machines have none: one look is cheaper than reading the topology first.
        if !throttle.is_dir() {
            continue;
        }
        let mut number = |path: PathBuf| ctx.attribute(&path).and_then(parse::u64);
        let Some(package) = number(dir.join("topology/physical_package_id")) else { continue };
        let Some(core) = number(dir.join("topology/core_id")) else { continue };
        let (core_label, package_label) = (core.to_string(), package.to_string());
        if !seen_cores.contains(&(package, core))
            && let Some(count) = number(throttle.join("core_throttle_count"))
        {
            seen_cores.insert((package, core));
            cores.push(&[("core", &core_label), ("package", &package_label)], count as f64);
        }
        if !seen_packages.contains(&package)
            && let Some(count) = number(throttle.join("package_throttle_count"))
        {
            seen_packages.insert(package);
            packages.push(&[("package", &package_label)], count as f64);
        }
    }
    out.push(cores);
    out.push(packages);
}

fn push_online(ctx: &mut Context, dirs: &[(u64, PathBuf)], out: &mut Vec<MetricFamily>) {
    let mut family = gauge("node_cpu_online", "Whether a CPU is online.");
    // Where CPU 0 cannot be switched off it has no such file, and nobody looks at the others.
    if !dirs.iter().any(|(number, dir)| *number == 0 && dir.join("online").exists()) {
        return;
    }
    for (number, dir) in dirs {
        if let Some(online) = ctx.attribute(&dir.join("online")).and_then(parse::number) {
            family.push(&[("cpu", &number.to_string())], online);
        }
    }
    out.push(family);
}
