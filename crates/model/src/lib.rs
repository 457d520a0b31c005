//! The field's nouns: label sets, matchers, samples, histograms, metadata, and numbers as Go writes them.
//!
//! Everything above speaks in these types; nothing here knows I/O, time of day or a runtime.
//!
//! # Reading order
//! `labels` (our manners in small), `matcher`, `regex`, `relabel`, `sample`, `histogram`, `metadata`, then the
//! spelling helpers `duration`, `float`, `quote`.
//! # Not here
//! What storage and its users agree on is `wf-series`; metric text formats are `wf-exposition`.
#![warn(missing_docs)]

pub mod duration;
pub mod float;
pub mod histogram;
pub mod labels;
pub mod matcher;
pub mod metadata;
pub mod quote;
pub mod regex;
pub mod relabel;
pub mod sample;

pub use float::FloatError;
pub use histogram::{FloatHistogram, Histogram};
pub use labels::{Labels, LabelsBuilder, METRIC_NAME, NameScheme};
pub use matcher::{MatchOp, Matcher};
pub use metadata::{Metadata, MetricType};
pub use regex::{AnchoredRegex, RegexError};
pub use sample::{STALE_NAN, TimeRange, is_stale_nan};
