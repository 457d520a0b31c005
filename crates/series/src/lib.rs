//! What storage and its users agree on.
//!
//! A writer asks a [`SampleSink`] for the [`SeriesRef`] of a label set once, then hands over a [`WriteBatch`] of
//! columns: one batch becomes visible as a whole. A reader asks a [`SeriesSource`] for a [`Selection`], random access
//! by series index, and decodes one series at a time into [`SampleColumns`]; label strings are made only on request,
//! grouping works on the dictionary codes of a [`LabelColumn`].
//!
//! # Invariants
//! - All timestamps are milliseconds since the Unix epoch.
//! - A selection is a snapshot: what was appended after `select` returned is not seen through it.
//! - Decoded samples are in strictly ascending time order.
//! # Reading order: `write`, `read`, `exemplar`, `memory`.
//! # Not here: where samples live (`wf-tsdb`), how they are queried (`wf-promql`).
#![warn(missing_docs)]

pub mod exemplar;
pub mod memory;
pub mod read;
pub mod write;

pub use exemplar::{Exemplar, ExemplarQuery, ExemplarSource, SeriesExemplars};
pub use read::{
    LabelColumn, LabelQuery, LabelValues, SampleColumns, SelectError, SelectRequest, Selection, SeriesSource,
};
pub use write::{
    Acknowledge, AppendError, AppendOutcome, ExemplarRejection, HistogramRejection, HistogramSample,
    HistogramValue, Rejection, SampleSink, SeriesRef, WriteBatch,
};
