//! Events that every kernel knows by number, and the names of the original for them.
//!
//! # Source
//! `spec/exporters-linux.md` A6; numbers from Linux `include/uapi/linux/perf_event.h`.

use crate::sys::perf::Event;

/// An event under its names.
#[derive(Debug)]
pub(super) struct Named {
    /// In flags.
    pub(super) profiler: &'static str,
    /// Between `node_perf_` and `_total`.
    pub(super) metric: &'static str,
    pub(super) event: Event,
}

const fn named(profiler: &'static str, metric: &'static str, kind: u32, config: u64) -> Named {
    Named { profiler, metric, event: Event { kind, config } }
}

const fn hardware(profiler: &'static str, metric: &'static str, config: u64) -> Named {
    named(profiler, metric, 0, config)
}

const fn software(profiler: &'static str, metric: &'static str, config: u64) -> Named {
    named(profiler, metric, 1, config)
}

/// `config` of a cache: which, reading 0 or writing 1, access 0 or miss 1.
const fn cache(profiler: &'static str, metric: &'static str, which: u64, write: u64, miss: u64) -> Named {
    named(profiler, metric, 3, which | write << 8 | miss << 16)
}

const L1D: u64 = 0;
const L1I: u64 = 1;
const LAST_LEVEL: u64 = 2;
const DATA_TLB: u64 = 3;
const INSTRUCTION_TLB: u64 = 4;
const BRANCHES: u64 = 5;

/// `PERF_TYPE_HARDWARE`.
pub(super) const HARDWARE: &[Named] = &[
    hardware("CpuCycles", "cpucycles", 0),
    hardware("CpuInstr", "instructions", 1),
    hardware("CacheRef", "cache_refs", 2),
    hardware("CacheMisses", "cache_misses", 3),
    hardware("BranchInstr", "branch_instructions", 4),
    hardware("BranchMisses", "branch_misses", 5),
    hardware("StalledCyclesFrontend", "stalled_cycles_frontend", 7),
    hardware("StalledCyclesBackend", "stalled_cycles_backend", 8),
    hardware("RefCpuCycles", "ref_cpucycles", 9),
];

/// `PERF_TYPE_SOFTWARE`.
pub(super) const SOFTWARE: &[Named] = &[
    software("PageFault", "page_faults", 2),
    software("ContextSwitch", "context_switches", 3),
    software("CpuMigration", "cpu_migrations", 4),
    software("MinorFault", "minor_faults", 5),
    software("MajorFault", "major_faults", 6),
];

/// `PERF_TYPE_HW_CACHE`.
pub(super) const CACHE: &[Named] = &[
    cache("L1DataReadHit", "cache_l1d_read_hits", L1D, 0, 0),
    cache("L1DataReadMiss", "cache_l1d_read_misses", L1D, 0, 1),
    cache("L1DataWriteHit", "cache_l1d_write_hits", L1D, 1, 0),
    cache("L1InstrReadMiss", "cache_l1_instr_read_misses", L1I, 0, 1),
    cache("InstrTLBReadHit", "cache_tlb_instr_read_hits", INSTRUCTION_TLB, 0, 0),
    cache("InstrTLBReadMiss", "cache_tlb_instr_read_misses", INSTRUCTION_TLB, 0, 1),
    cache("DataTLBReadHit", "cache_tlb_data_read_hits", DATA_TLB, 0, 0),
    cache("DataTLBReadMiss", "cache_tlb_data_read_misses", DATA_TLB, 0, 1),
    cache("DataTLBWriteHit", "cache_tlb_data_write_hits", DATA_TLB, 1, 0),
    cache("DataTLBWriteMiss", "cache_tlb_data_write_misses", DATA_TLB, 1, 1),
    cache("LLReadHit", "cache_ll_read_hits", LAST_LEVEL, 0, 0),
    cache("LLReadMiss", "cache_ll_read_misses", LAST_LEVEL, 0, 1),
    cache("LLWriteHit", "cache_ll_write_hits", LAST_LEVEL, 1, 0),
    cache("LLWriteMiss", "cache_ll_write_misses", LAST_LEVEL, 1, 1),
    cache("BPUReadHit", "cache_bpu_read_hits", BRANCHES, 0, 0),
    cache("BPUReadMiss", "cache_bpu_read_misses", BRANCHES, 0, 1),
];
