//! Chores with an `if` in them, so that the Makefile stays a list of one-line verbs.
//!
//! [`tidy`] checks the house rules, [`build`] makes the UI and the binary, [`suite`] runs the tests and lists what was
//! skipped, [`peers`] unpacks the originals we compare with, [`show`] reruns an issue's evidence, [`instructions`] holds hot
//! paths to their instruction counts, [`bench`] runs whole servers beside the originals, [`install`] puts the binary in place.

pub mod bench;
pub mod build;
pub mod command;
pub mod install;
pub mod instructions;
pub mod peers;
pub mod show;
pub mod suite;
pub mod tidy;
pub mod workspace;
