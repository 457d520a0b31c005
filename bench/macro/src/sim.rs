//! Simulated targets: deterministic pages over HTTP on loopback.
//!
//! [`Spec`] names targets, seed, churn and clock; [`page::Page`] is one target's page, patched in place between scrapes:
//! each value keeps its number of digits, so a scrape costs the simulator some nanoseconds per moving value and one
//! write. A counter that outgrows its digits starts anew, which is a counter reset as in life.
//!
//! # Reading order: `spec`, `profile` (which series), `kubernetes` (those the stock rules read), `values` (how they move), `page`, `native` (protobuf), `serve`, `process`;
//! `backfill` writes hours of the same pages to a file.

pub mod spec;

mod kubernetes;
pub mod native;
pub mod page;
pub mod profile;
pub mod values;

pub mod backfill;
pub mod cluster;
pub mod cluster_blocks;
pub mod process;
pub mod serve;

pub use profile::Profile;
pub use spec::{Churn, Clock, Spec};

/// A bijection that scatters its input (splitmix64): randomness that is the same in every run.
pub(crate) fn mixed(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

/// Scatters two numbers into one.
pub(crate) fn mixed2(a: u64, b: u64) -> u64 {
    mixed(mixed(a).wrapping_add(b))
}
