//! `watchfire container-exporter`: the container exporter alone, with cAdvisor's flags.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Result;
use tokio_util::sync::CancellationToken;
use tracing::info;
use wf_container_exporter::{Command, Config, ContainerExporter};
use wf_httpkit::component::Group;
use wf_httpkit::server::{Listener, ServerOptions, serve};

use crate::exporter::ExporterOptions;
use crate::logging::{LogFormat, LogLevel, LogOptions};
use crate::server::{STOP_WITHIN, announce, prepare, runtime, signals};

pub(crate) fn main(options: &ExporterOptions) -> ExitCode {
    let config = match Config::from_flags(&options.flags) {
        Ok(Command::Run(config)) => *config,
        Ok(Command::Help(text)) => {
            crate::say(&text);
            return ExitCode::SUCCESS;
        }
        Ok(Command::Version) => {
            crate::say(&crate::cli::version("cadvisor"));
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            crate::complain(&error.to_string());
            return ExitCode::from(2);
        }
    };
    crate::logging::start(LogOptions { level: LogLevel::default(), format: LogFormat::default() });
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => crate::fail(&error),
    }
}

fn run(config: Config) -> Result<()> {
    prepare();
    runtime()?.block_on(serve_forever(config))
}

async fn serve_forever(config: Config) -> Result<()> {
    let stop = CancellationToken::new();
    let mut group = Group::new(stop.clone());
    let address = SocketAddr::new(config.listen_ip, config.port).to_string();
    let listener = Listener::bind(&address).await?;
    announce(&listener, None);
    let router = ContainerExporter::new(config).router();
    group.spawn("container exporter http", |stop| serve(listener, router, stop, ServerOptions::default()));
    group.spawn("signals", |ended| signals(stop, ended, None));
    group.wait(STOP_WITHIN).await?;
    info!("see you next time");
    Ok(())
}
