//! Tests of the database from outside: against the original, and through kills.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod blocks;
mod faults;
mod kill;
mod kill_database;
mod kill_late;
mod million;
mod peers;
mod peers_compact;
mod peers_histograms;
mod peers_late;
mod tools;
