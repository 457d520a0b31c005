//! `watchfire node-exporter`: the host exporter alone, with the original's flags.

use std::convert::Infallible;
use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;
use wf_httpkit::component::Group;
use wf_httpkit::server::{Listener, ServerOptions, serve};
use wf_node_exporter::{Config, NodeExporter};

use crate::exporters::{self, Asked, ExporterOptions};
use crate::logging::{LogFormat, LogLevel, LogOptions};
use crate::server::build_info;

pub(crate) fn main(options: &ExporterOptions) -> ExitCode {
    let asked = Config::from_flags(&options.flags).map(Asked::from);
    let config = match Asked::or_end(asked, "node_exporter") {
        Ok(config) => config,
        Err(code) => return code,
    };
    let log = LogOptions {
        level: LogLevel::from_str(&config.log_level, true).unwrap_or_default(),
        format: LogFormat::from_str(&config.log_format, true).unwrap_or_default(),
    };
    let web_config_file = config.web_config_file.clone();
    exporters::run(log, &web_config_file, async |parts| {
        let addresses = config.listen_addresses.clone();
        let exporter = NodeExporter::with_build_info(config, &build_info())?;
        for address in &addresses {
            parts.serve(address, "--web.listen-address", exporter.router()).await?;
        }
        spawn_exporter(&mut parts.group, exporter);
        Ok(())
    })
}

/// Starts a host exporter with its defaults on `listener`, as a part of `up`; `beside` is served there too.
pub(crate) fn spawn(group: &mut Group, listener: Listener, beside: axum::Router) -> Result<()> {
    // Inside `up` the server tells about the process: telling it twice would only cost samples.
    let config = Config { disable_exporter_metrics: true, ..Config::default() };
    let exporter = NodeExporter::with_build_info(config, &build_info())?;
    let router = exporter.router().merge(beside);
    group.spawn("exporter http", |stop| serve(listener, router, stop, ServerOptions::default()));
    spawn_exporter(group, exporter);
    Ok(())
}

pub(crate) fn spawn_exporter(group: &mut Group, exporter: NodeExporter) {
    group.spawn("exporter", |stop| async move {
        exporter.run(stop).await;
        Ok::<(), Infallible>(())
    });
}
