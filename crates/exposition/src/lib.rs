//! Metric text formats: parse pages that targets expose, write pages of our own.
//!
//! [`parse::Parser`] reads a text page entry by entry without copying, [`protobuf::ProtobufParser`] a protobuf page; [`MetricFamily`] is what an exporter or a registry
//! gathers, and [`text::write_page`] turns families into text 0.0.4.
//!
//! # Not here
//! Fetching pages and what samples mean to a target (`wf-scrape`).
#![warn(missing_docs)]

pub mod escape;
pub mod family;
pub mod fuzz;
pub mod lint;
pub mod parse;
pub mod protobuf;
pub mod text;

pub use escape::Escaping;
pub use family::{Bucket, LabelPair, Metric, MetricFamily, MetricLabels, MetricValue};
pub use parse::{Entry, Format, ParseError, Parser, Sample, SeriesText};
