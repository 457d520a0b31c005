//! What a group can say, the same for both versions; units are the kernel's of the second.

use std::collections::BTreeMap;

/// Numbers of one group. What a controller does not tell is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// Time and limits of CPUs.
    pub cpu: Option<Cpu>,
    /// Use and limits of memory.
    pub memory: Option<Memory>,
    /// Blocks read and written, by device.
    pub io: BlockIo,
    /// Number of tasks.
    pub process: Option<Process>,
    /// Time lost waiting; 0 where the kernel does not measure it.
    pub pressure: Pressure,
}

/// CPU time in seconds, and limits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cpu {
    /// All of it.
    pub usage: f64,
    /// In user space.
    pub user: f64,
    /// In the kernel.
    pub system: f64,
    /// Periods with a quota that passed.
    pub periods: u64,
    /// Those in which the quota was used up.
    pub throttled_periods: u64,
    /// Time spent waiting for the next one.
    pub throttled: f64,
    /// Periods in which saved quota was used.
    pub burst_periods: u64,
    /// Time of them.
    pub burst: f64,
    /// Microseconds of each period that may be used; none is no limit.
    pub quota_us: Option<u64>,
    /// Length of a period.
    pub period_us: Option<u64>,
    /// Weight in shares of the first version.
    pub shares: Option<u64>,
}

/// Memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Memory {
    /// Charged to the group.
    pub usage: u64,
    /// Highest so far.
    pub max_usage: u64,
    /// Usage without what can be dropped at once.
    pub working_set: u64,
    /// Anonymous.
    pub rss: u64,
    /// Of files.
    pub cache: u64,
    /// Swapped out.
    pub swap: u64,
    /// Mapped files.
    pub mapped_file: u64,
    /// Of the kernel; first version only.
    pub kernel: u64,
    /// Times the limit was hit; first version only.
    pub failcnt: u64,
    /// Files used lately.
    pub active_file: u64,
    /// Files not used lately.
    pub inactive_file: u64,
    /// Page faults.
    pub faults: u64,
    /// Those that read from disk.
    pub major_faults: u64,
    /// Times usage was above `memory.high`; this and what follows is of the second version.
    pub events_high: u64,
    /// Times usage was about to exceed `memory.max`.
    pub events_max: u64,
    /// Files to be written.
    pub file_dirty: u64,
    /// Files being written.
    pub file_writeback: u64,
    /// Pages looked at for reclaim.
    pub scanned: u64,
    /// Pages reclaimed.
    pub stolen: u64,
    /// File pages that were needed again.
    pub refault_file: u64,
    /// Anonymous pages that were needed again.
    pub refault_anon: u64,
    /// `(limit, swap limit, reservation)`; none where the group has no limit files.
    pub limits: Option<(u64, u64, u64)>,
}

/// Block devices by `major:minor`.
pub type BlockIo = BTreeMap<(u32, u32), DeviceIo>;

/// Counts of one device.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceIo {
    /// Read requests.
    pub reads: u64,
    /// Write requests.
    pub writes: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Bytes by the kernel's words: Read, Write, Sync, Async, Discard, Total.
    pub operations: BTreeMap<String, u64>,
    /// What only the schedulers of the first version count.
    pub scheduler: Option<Scheduler>,
    /// µs of `cost.usage`, `cost.wait`, `cost.indebt`, `cost.indelay`, where the cost model is on.
    pub costs: Option<[u64; 4]>,
}

/// Counts of a scheduler: `(reads, writes)` of each.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scheduler {
    /// Sectors.
    pub sectors: (u64, u64),
    /// Requests joined with others.
    pub merged: (u64, u64),
    /// Nanoseconds.
    pub service_ns: (u64, u64),
    /// Requests waiting.
    pub queued: u64,
}

/// Tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Threads.
    pub threads: u64,
    /// Limit of threads; `u64::MAX` is none.
    pub threads_max: u64,
}

/// Seconds lost to CPU, memory and I/O: by some task, by all tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pressure {
    /// Waiting for CPU.
    pub cpu: (f64, f64),
    /// Waiting for memory.
    pub memory: (f64, f64),
    /// Waiting for I/O.
    pub io: (f64, f64),
}
