//! Whole servers under the same load, beside each other.
//!
//! A bench is a function from [`Env`] and [`Options`] to a [`Report`]. It starts one [`Simulator`] and one
//! [`Server`] at a time, waits until the load is in, and reads the [`meter`]. [`order::passes`] decides who is measured when
//! (A B C, C B A, …), so that a machine that slows down hurts all alike, and [`calibrate::run`] notes beside each run how
//! fast the machine was just then. [`Report`] turns runs into a table (median, min, max, ratio), JSON, and verdicts on floors.
//!
//! ```text
//! wf-macrobench list
//! wf-macrobench run NAME [--key value …]   table to stdout, JSON to target/bench/NAME.json; --record PAGE: table there too
//! wf-macrobench simulate SPEC              targets alone: prints its port, ends when stdin closes
//! ```
//! # The same load for all
//! Everybody scrapes the simulator, the one door all three have. Pages depend on seed, target and number of the scrape
//! alone, never on time, so the third scrape of a target is the same text for each server. A load is made fast by short
//! intervals: a series costs by its samples, not by the time between them.
//!
//! Hours of data are backfilled instead ([`sim::backfill`]): blocks from a file for those who read blocks, an import for
//! VictoriaMetrics. Scraped pages with timestamps of a faster clock ([`sim::Clock`]) do not help there: servers stamp `up` with
//! the real time and refuse samples an hour older than their newest.
//! # Invariants
//! - Every process started here is ended by its id when its handle is dropped; the simulator also ends with its parent.
//! - A peer is what `cargo xtask peers` unpacked, with its default settings unless [`servers`] says otherwise and why.
//! # Reading order: `benches` (what is measured), `sim`, `servers`, `process`, `meter`, `latency`, `order`, `stats`, `report`.
//! # Not here: instruction counts (`bench/src`), which gate regressions; these figures compare.

pub mod benches;
pub mod sim;

pub mod http;
pub mod meter;
pub mod process;
pub mod servers;

pub mod calibrate;
pub mod env;
pub mod latency;
pub mod order;
pub mod progress;
pub mod report;
pub mod stats;

pub use env::{Env, Options};
pub use report::{Report, Unit};
pub use servers::{Server, Subject};
pub use sim::process::Simulator;
