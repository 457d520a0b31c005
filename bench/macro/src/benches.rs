//! What is measured: a name, a sentence, a function. A new bench is a file here and a line in [`ALL`].

pub mod alertmanager;
pub mod api;
pub mod blocks;
pub mod load;

pub mod node;
pub mod promql_queries;
pub mod rules_many;
pub mod rules_mixin;
pub mod scrape_500;
pub mod tsdb_append;
pub mod tsdb_blocks;
pub mod tsdb_cut;
pub mod tsdb_memory;
pub mod tsdb_restart;

use anyhow::Result;

pub use tsdb_restart::{FILL as FILL_LOG, fill_and_die as fill_log};

use crate::{Env, Options, Report};

/// A bench.
#[derive(Clone, Copy, Debug)]
pub struct Bench {
    /// As in `make bench NAME=…`.
    pub name: &'static str,
    /// What it tells, and its options.
    pub about: &'static str,
    /// Measures.
    pub run: fn(&Env, &Options) -> Result<Report>,
}

/// All benches, in the order in which they are listed.
pub const ALL: &[Bench] = &[
    tsdb_memory::BENCH,
    tsdb_memory::BENCH_200K,
    tsdb_append::BENCH,
    tsdb_restart::BENCH,
    tsdb_cut::BENCH,
    tsdb_blocks::BENCH,
    promql_queries::BENCH,
    scrape_500::BENCH,
    node::BENCH,
    alertmanager::BENCH,
    api::BENCH,
    rules_mixin::BENCH,
    rules_many::BENCH,
];

/// Finds a bench by its name.
pub fn find(name: &str) -> Option<&'static Bench> {
    ALL.iter().find(|bench| bench.name == name)
}
