//! What the processes of exporters share: reading flags in the original's spelling, one thread, a small footprint.

use std::fmt::Display;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::Router;
use tokio_util::sync::CancellationToken;
use tracing::info;
use wf_httpkit::component::Group;
use wf_httpkit::server::{Listener, ServerOptions, WebPolicy, serve};

use crate::footprint::Rest;
use crate::logging::LogOptions;
use crate::server::{STOP_WITHIN, announce, prepare, signals};

/// Options of an exporter: it reads its own, in the original's spelling.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct ExporterOptions {
    /// Flags of the original; see --help
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) flags: Vec<String>,
}

/// What an exporter's command line asks for.
pub(crate) enum Asked<C> {
    Run(Box<C>),
    Help(String),
    Version,
}

impl<C> Asked<C> {
    /// Returns the configuration to run with; anything else is done here and is the end. `original` names the program
    /// whose version is asked for.
    pub(crate) fn or_end<E: Display>(asked: Result<Self, E>, original: &str) -> Result<C, ExitCode> {
        match asked {
            Ok(Self::Run(config)) => Ok(*config),
            Ok(Self::Help(text)) => {
                crate::say(&text);
                Err(ExitCode::SUCCESS)
            }
            Ok(Self::Version) => {
                crate::say(&crate::cli::version(original));
                Err(ExitCode::SUCCESS)
            }
            Err(error) => {
                crate::complain(&error.to_string());
                Err(ExitCode::from(2))
            }
        }
    }
}

impl From<wf_node_exporter::Command> for Asked<wf_node_exporter::Config> {
    fn from(command: wf_node_exporter::Command) -> Self {
        match command {
            wf_node_exporter::Command::Run(config) => Self::Run(config),
            wf_node_exporter::Command::Help(text) => Self::Help(text),
            wf_node_exporter::Command::Version => Self::Version,
        }
    }
}

impl From<wf_container_exporter::Command> for Asked<wf_container_exporter::Config> {
    fn from(command: wf_container_exporter::Command) -> Self {
        match command {
            wf_container_exporter::Command::Run(config) => Self::Run(config),
            wf_container_exporter::Command::Help(text) => Self::Help(text),
            wf_container_exporter::Command::Version => Self::Version,
        }
    }
}

/// The parts of an exporter's process.
pub(crate) struct Parts {
    pub(crate) group: Group,
    stop: CancellationToken,
    rest: Rest,
    web: Option<Arc<WebPolicy>>,
}

/// Runs an exporter's process to its end: logs, a runtime of one thread, the parts that `start` adds.
pub(crate) fn run(
    log: LogOptions,
    web_config_file: &std::path::Path,
    start: impl AsyncFnOnce(&mut Parts) -> Result<()>,
) -> ExitCode {
    crate::logging::start(log);
    prepare();
    let run = async || -> Result<()> {
        let stop = CancellationToken::new();
        let web = crate::server::web_policy(web_config_file)?;
        let mut parts = Parts { group: Group::new(stop.clone()), stop, rest: Rest::default(), web };
        start(&mut parts).await?;
        parts.wait().await
    };
    match runtime().and_then(|runtime| runtime.block_on(run())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => crate::fail(&error),
    }
}

/// A scrape is the work of one thread at a time; those for blocking work live from one scrape to the next.
fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(16)
        .thread_keep_alive(std::time::Duration::from_secs(90))
        .thread_name("watchfire")
        .enable_all()
        .build()
        .context("start the runtime")
}

impl Parts {
    /// Serves `router` on `address`, with TLS and users where the process was given any; `flag` names where the address
    /// came from.
    pub(crate) async fn serve(&mut self, address: &str, flag: &'static str, router: Router) -> Result<()> {
        self.serve_on(Listener::bind_with_flag(address, flag).await?, router);
        Ok(())
    }

    /// Serves `router` on a socket that somebody opened; see [`Parts::serve`].
    pub(crate) fn serve_on(&mut self, listener: Listener, router: Router) {
        announce(&listener, self.web.as_deref());
        let (router, web) = (self.rest.watch(router), self.web.clone());
        let options = ServerOptions { web, ..ServerOptions::default() };
        self.group.spawn("http", |stop| serve(listener, router, stop, options));
    }

    async fn wait(mut self) -> Result<()> {
        let (rest, stop) = (self.rest, self.stop);
        self.group.spawn("rest", |stop| rest.run(stop));
        self.group.spawn("signals", |ended| signals(stop, ended, None));
        self.group.wait(STOP_WITHIN).await?;
        info!("see you next time");
        Ok(())
    }
}
