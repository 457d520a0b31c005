//! `watchfire node-exporter`: the host exporter alone, with the original's flags.

use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::ValueEnum;
use tokio_util::sync::CancellationToken;
use tracing::info;
use wf_httpkit::component::Group;
use wf_httpkit::server::{Listener, ServerOptions, WebPolicy, serve};
use wf_node_exporter::{Command, Config, NodeExporter};

use crate::logging::{LogFormat, LogLevel, LogOptions};
use crate::server::{STOP_WITHIN, announce, build_info, prepare, runtime, signals, web_policy};

/// Options of the host exporter: it reads its own, in the original's spelling.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct ExporterOptions {
    /// Flags of `node_exporter`; see --help
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) flags: Vec<String>,
}

pub(crate) fn main(options: &ExporterOptions) -> ExitCode {
    let config = match Config::from_flags(&options.flags) {
        Ok(Command::Run(config)) => *config,
        Ok(Command::Help(text)) => {
            crate::say(&text);
            return ExitCode::SUCCESS;
        }
        Ok(Command::Version) => {
            crate::say(&crate::cli::version("node_exporter"));
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            crate::complain(&error.to_string());
            return ExitCode::from(2);
        }
    };
    crate::logging::start(LogOptions {
        level: LogLevel::from_str(&config.log_level, true).unwrap_or_default(),
        format: LogFormat::from_str(&config.log_format, true).unwrap_or_default(),
    });
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
    let addresses = config.listen_addresses.clone();
    let web = web_policy(&config.web_config_file)?;
    let exporter = NodeExporter::with_build_info(config, &build_info())?;
    for address in &addresses {
        let listener = Listener::bind(address).await?;
        announce(&listener, web.as_deref());
        spawn_listener(&mut group, listener, &exporter, web.clone());
    }
    spawn_exporter(&mut group, exporter);
    group.spawn("signals", |ended| signals(stop, ended, None));
    group.wait(STOP_WITHIN).await?;
    info!("see you next time");
    Ok(())
}

/// Starts a host exporter with its defaults on `listener`, as a part of `up`.
pub(crate) fn spawn(group: &mut Group, listener: Listener) -> Result<()> {
    // Inside `up` the server tells about the process: telling it twice would only cost samples.
    let config = Config { disable_exporter_metrics: true, ..Config::default() };
    let exporter = NodeExporter::with_build_info(config, &build_info())?;
    spawn_listener(group, listener, &exporter, None);
    spawn_exporter(group, exporter);
    Ok(())
}

fn spawn_listener(
    group: &mut Group,
    listener: Listener,
    exporter: &NodeExporter,
    web: Option<Arc<WebPolicy>>,
) {
    let router = exporter.router();
    let options = ServerOptions { web, ..ServerOptions::default() };
    group.spawn("exporter http", |stop| serve(listener, router, stop, options));
}

pub(crate) fn spawn_exporter(group: &mut Group, exporter: NodeExporter) {
    group.spawn("exporter", |stop| async move {
        exporter.run(stop).await;
        Ok::<(), Infallible>(())
    });
}
