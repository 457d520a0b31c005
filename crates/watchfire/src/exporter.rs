//! `watchfire node-exporter`: the host exporter alone, with the original's flags.

use std::convert::Infallible;
use std::path::Path;
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
        let addresses = if config.systemd_socket { Vec::new() } else { config.listen_addresses.clone() };
        let sockets = if config.systemd_socket { crate::sockets::inherited()? } else { Vec::new() };
        let exporter = NodeExporter::with_build_info(config, &build_info())?;
        for socket in sockets {
            parts.serve_on(socket, exporter.router());
        }
        for address in &addresses {
            parts.serve(address, "--web.listen-address", exporter.router()).await?;
        }
        spawn_exporter(&mut parts.group, exporter);
        Ok(())
    })
}

/// Starts a host exporter on `listener`, as a part of `up`; `beside` is served there too.
pub(crate) fn spawn(group: &mut Group, listener: Listener, beside: axum::Router) -> Result<()> {
    let exporter = NodeExporter::with_build_info(config_of_up(Path::exists), &build_info())?;
    let router = exporter.router().merge(beside);
    group.spawn("exporter http", |stop| serve(listener, router, stop, ServerOptions::default()));
    spawn_exporter(group, exporter);
    Ok(())
}

/// The defaults, and units where systemd can be asked: over the bus, else itself.
fn config_of_up(exists: fn(&Path) -> bool) -> Config {
    // Inside `up` the server tells about the process: telling it twice would only cost samples.
    let mut config = Config { disable_exporter_metrics: true, ..Config::default() };
    let has_bus = exists(Path::new(&config.systemd.bus_socket));
    if has_bus || exists(Path::new(&config.systemd.private_socket)) {
        config.collectors.insert("systemd");
        config.systemd.is_private = !has_bus;
    }
    config
}

pub(crate) fn spawn_exporter(group: &mut Group, exporter: NodeExporter) {
    group.spawn("exporter", |stop| async move {
        exporter.run(stop).await;
        Ok::<(), Infallible>(())
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_shown_where_systemd_can_be_asked() {
        let check = |exists: fn(&Path) -> bool, want: Option<bool>| {
            let config = config_of_up(exists);
            let is_private = config.collectors.contains("systemd").then_some(config.systemd.is_private);
            assert_eq!(is_private, want);
        };
        check(|_| false, None);
        check(|_| true, Some(false));
        check(|path| path.ends_with("private"), Some(true));
    }
}
