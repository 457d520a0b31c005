//! The life of data: head to block, blocks to larger blocks, blocks to nothing.
//!
//! # Reading order: `plan`.
//! # Not here: the bytes of a block (`block`), how long data is kept (`retention`).
//! Source: `spec/prometheus-core.md` §7.9, `spec/performance-design.md` §7, §10.

pub(crate) mod dense_xor;
pub mod plan;
