//! What is measured: a name, a unit, and how to prepare the work.

use anyhow::Result;

/// One hot path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    /// `part/what`; the key in `bench/instructions.toml`.
    pub(crate) name: &'static str,
    /// What a count is divided by, such as "sample".
    pub(crate) unit: &'static str,
    /// How often the work is done in one measurement: enough that rare steps (a chunk is cut) weigh what they weigh
    /// in life, and that the last digit stands still.
    pub(crate) n_rounds: u32,
    /// Builds inputs and state; not measured.
    pub(crate) prepare: fn() -> Result<Work>,
}

/// Prepared work: each call does one round.
pub(crate) struct Work {
    /// Units of one round.
    pub(crate) n_units: usize,
    /// Does a round. Inputs are the same in each process; state may move on from round to round.
    pub(crate) round: Box<dyn FnMut() -> Result<()>>,
}

impl Work {
    /// Wraps a round of `n_units`.
    pub(crate) fn new(n_units: usize, round: impl FnMut() -> Result<()> + 'static) -> Self {
        Self { n_units, round: Box::new(round) }
    }
}

/// Numbers that look random and are the same everywhere: the bits of `idx` well mixed.
pub(crate) fn mixed(idx: u64) -> u64 {
    let mut bits = idx.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}
