//! The exporter against others: scrapers, public fixtures with the page they give, and the original on this machine.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up shall stop")]

mod conformance;
mod http;
mod peers;
mod support;
