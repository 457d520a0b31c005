//! `watchfire node-exporter`: the host exporter alone.

use std::process::ExitCode;

use anyhow::Result;
use wf_httpkit::component::Group;
use wf_httpkit::server::{Listener, ServerOptions, serve};

use crate::logging::LogOptions;

/// Options of the host exporter.
#[derive(Debug, clap::Args)]
pub(crate) struct ExporterOptions {
    /// Addresses on which to expose metrics
    #[arg(long = "web.listen-address", default_value = ":9100")]
    pub(crate) listen: Vec<String>,
    #[command(flatten)]
    pub(crate) log: LogOptions,
}

pub(crate) fn main(options: &ExporterOptions) -> ExitCode {
    crate::logging::start(options.log);
    crate::complain("the host exporter is not wired yet");
    ExitCode::FAILURE
}

/// Starts the host exporter on `listener`.
pub(crate) fn spawn(group: &mut Group, listener: Listener) -> Result<()> {
    group.spawn("exporter", |stop| serve(listener, axum::Router::new(), stop, ServerOptions::default()));
    Ok(())
}
