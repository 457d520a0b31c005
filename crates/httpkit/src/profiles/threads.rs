//! Threads and memory as profiles: what a process can say of itself without counting calls or allocations.

use std::collections::BTreeMap;
use std::fs;

use super::MemoryPart;
use super::format::{Place, Profile, Unit};

/// Returns how many threads there are of each name, and how many tasks of the runtime.
pub(super) fn threads(kind: &'static str) -> Profile {
    let mut profile = Profile::new(&[(kind, Unit::Count)]);
    let mut n_of: BTreeMap<String, u64> = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        // One that ends meanwhile is not counted.
        let Ok(name) = fs::read_to_string(task.path().join("comm")) else { continue };
        *n_of.entry(name.trim_end().to_owned()).or_default() += 1;
    }
    for (name, n) in n_of {
        profile.push([Place::named(&name), Place::named("threads")], &[n], "");
    }
    if let (Ok(runtime), "goroutine") = (tokio::runtime::Handle::try_current(), kind) {
        let n = runtime.metrics().num_alive_tasks() as u64;
        profile.push([Place::named("tasks of the asynchronous runtime")], &[n], "");
    }
    profile
}

/// Returns who holds how much memory: `parts`, and what is resident besides them.
pub(super) fn memory(parts: &[MemoryPart]) -> Profile {
    let mut profile = Profile::new(&[("inuse_space", Unit::Bytes)]);
    profile
        .comment("parts of the program as they account for their memory, not single allocations".to_owned());
    for (names, bytes) in parts {
        profile.push(names.iter().rev().map(|name| Place::named(name)), &[*bytes], "");
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = |field: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kibibytes = line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<u64>().ok());
        kibibytes.unwrap_or(0).saturating_mul(1024)
    };
    let known: u64 = parts.iter().map(|(_, bytes)| bytes).sum();
    let rest = resident("RssAnon:").saturating_sub(known);
    profile.push([Place::named("not accounted for by a part, or free in the allocator")], &[rest], "");
    let files = resident("RssFile:").saturating_add(resident("RssShmem:"));
    profile.push([Place::named("program code and mapped files")], &[files], "");
    profile
}
