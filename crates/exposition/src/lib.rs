//! Metric text formats: parse pages that targets expose, write pages of our own.
//!
//! [`MetricFamily`] is what an exporter or a registry gathers; [`text::write_page`] turns families into text 0.0.4.
#![warn(missing_docs)]

pub mod family;
pub mod text;

pub use family::{Bucket, Metric, MetricFamily, MetricValue};
