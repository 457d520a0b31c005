//! `watchfire agent`: host and containers in one process, for one pod on each node.
//!
//! The agent's own address serves the host at `/metrics`, as `node_exporter` does, and containers at
//! `/metrics/cadvisor`, as the kubelet does. Containers have an address of their own too, where they are at `/metrics`,
//! as with cAdvisor.

use std::process::ExitCode;

use anyhow::Result;
use tokio_util::sync::CancellationToken;
use tracing::info;
use wf_container_exporter::{Config as ContainerConfig, ContainerExporter};
use wf_httpkit::component::Group;
use wf_httpkit::server::{Listener, ServerOptions, serve};
use wf_node_exporter::{Command, Config as HostConfig, NodeExporter};

use crate::logging::LogOptions;
use crate::server::{STOP_WITHIN, announce, build_info, prepare, runtime, signals, web_policy};

/// Options of `agent`.
#[derive(Debug, clap::Args)]
pub(crate) struct AgentOptions {
    /// Address of the host's and the containers' metrics
    #[arg(long, default_value = ":9100")]
    listen: String,
    /// Address where containers have `/metrics` to themselves; empty for none
    #[arg(long, default_value = ":8080")]
    containers_listen: String,
    #[command(flatten)]
    log: LogOptions,
    /// Flags of `node_exporter`; its --path.* and --web.config.file hold for containers too
    #[arg(last = true)]
    host_flags: Vec<String>,
}

pub(crate) fn main(options: &AgentOptions) -> ExitCode {
    let host = match HostConfig::from_flags(&options.host_flags) {
        Ok(Command::Run(config)) => *config,
        Ok(Command::Help(text)) => {
            crate::say(&text);
            return ExitCode::SUCCESS;
        }
        Ok(Command::Version) => {
            crate::say(&crate::cli::version("watchfire"));
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            crate::complain(&error.to_string());
            return ExitCode::from(2);
        }
    };
    crate::logging::start(options.log);
    match run(options, host) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => crate::fail(&error),
    }
}

fn run(options: &AgentOptions, host: HostConfig) -> Result<()> {
    prepare();
    runtime()?.block_on(serve_forever(options, host))
}

async fn serve_forever(options: &AgentOptions, host: HostConfig) -> Result<()> {
    let stop = CancellationToken::new();
    let mut group = Group::new(stop.clone());
    let web = web_policy(&host.web_config_file)?;
    let http = || ServerOptions { web: web.clone(), ..ServerOptions::default() };
    let containers = ContainerExporter::new(container_config(&host));
    let exporter = NodeExporter::with_build_info(host, &build_info())?;
    let listener = Listener::bind_with_flag(&options.listen, "--listen").await?;
    announce(&listener, web.as_deref());
    let router = exporter.router().merge(containers.kubelet_router());
    let http_options = http();
    group.spawn("agent http", |stop| serve(listener, router, stop, http_options));
    if !options.containers_listen.is_empty() {
        let listener = Listener::bind_with_flag(&options.containers_listen, "--containers-listen").await?;
        announce(&listener, web.as_deref());
        let router = containers.router();
        let http_options = http();
        group.spawn("containers http", |stop| serve(listener, router, stop, http_options));
    }
    crate::exporter::spawn_exporter(&mut group, exporter);
    group.spawn("signals", |ended| signals(stop, ended, None));
    group.wait(STOP_WITHIN).await?;
    info!("see you next time");
    Ok(())
}

/// The same trees as the host exporter's: in a pod they are mounts of the host's.
fn container_config(host: &HostConfig) -> ContainerConfig {
    let defaults = ContainerConfig::default();
    let root = &host.paths.root;
    let below = |path: &std::path::PathBuf| root.join(path.strip_prefix("/").unwrap_or(path));
    ContainerConfig {
        proc: host.paths.proc.clone(),
        sys: host.paths.sys.clone(),
        root: root.clone(),
        cgroups: host.paths.sys.join("fs/cgroup"),
        cri_sockets: defaults.cri_sockets.iter().map(below).collect(),
        docker_socket: below(&defaults.docker_socket),
        ..defaults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_looked_for_where_the_host_is_mounted() {
        let flags = ["--path.procfs=/host/proc", "--path.sysfs=/host/sys", "--path.rootfs=/host/disk"];
        let Ok(Command::Run(host)) = HostConfig::from_flags(&flags) else { panic!("flags ask to run") };
        let config = container_config(&host);
        assert_eq!(config.cgroups.to_str(), Some("/host/sys/fs/cgroup"));
        assert_eq!(config.docker_socket.to_str(), Some("/host/disk/run/docker.sock"));
    }
}
