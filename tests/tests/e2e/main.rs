//! The real binary, started on free ports: what a user, a crash, a peer and an attacker would see.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod alert_clients;
mod alerts;
mod bad_input;
mod browser;
mod cluster;
mod conformance;
mod crash;
mod differential;
mod discovery;
mod federation;
mod grafana;
mod grammar;
mod hostile_targets;
mod install;
mod mail;
mod profiles;
mod promtool;
mod python;
mod reads;
mod rules;
mod security;
mod self_metrics;
mod service;
mod setup;
mod startup;
mod swap;
mod tool;
mod tool_tsdb;
