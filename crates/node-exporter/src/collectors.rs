//! One module a collector, each a straight line from files to families.
//!
//! # Source
//! `spec/exporters-linux.md` A4 and A5, a section or table row each.

pub mod bonding;
pub mod cpu;
pub mod cpufreq;
pub mod diskstats;
pub mod filesystem;
pub mod kernel_files;
pub mod loadavg;
pub mod mdadm;
pub mod meminfo;
pub mod netclass;
pub mod netdev;
pub mod netstat;
pub mod os;
pub mod pressure;
pub mod sockstat;
pub mod softnet;
pub mod stat;
pub mod thermal_zone;
pub mod time;
pub mod uname;
pub mod vmstat;
