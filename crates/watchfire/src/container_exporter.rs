//! `watchfire container-exporter`: the container exporter alone, with cAdvisor's flags.

use std::net::SocketAddr;
use std::process::ExitCode;

use wf_container_exporter::{Config, ContainerExporter};

use crate::exporters::{self, Asked, ExporterOptions};
use crate::logging::LogOptions;

pub(crate) fn main(options: &ExporterOptions) -> ExitCode {
    let asked = Config::from_flags(&options.flags).map(Asked::from);
    let config = match Asked::or_end(asked, "cadvisor") {
        Ok(config) => config,
        Err(code) => return code,
    };
    let web_config_file = config.web_config_file.clone();
    exporters::run(LogOptions::default(), &web_config_file, async |parts| {
        let address = SocketAddr::new(config.listen_ip, config.port).to_string();
        parts.serve(&address, "--port", ContainerExporter::new(config).router()).await
    })
}
