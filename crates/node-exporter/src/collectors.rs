//! One module a collector, each a straight line from files to families.
//!
//! # Source
//! `spec/exporters-linux.md` A4 and A5, a section or table row each.

pub mod cpu;
pub mod diskstats;
pub mod filesystem;
pub mod loadavg;
pub mod meminfo;
pub mod netdev;
pub mod pressure;
pub mod stat;
pub mod time;
pub mod uname;
pub mod vmstat;
