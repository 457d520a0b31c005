//! `watchfire agent`: host and containers in one process, for one pod on each node.
//!
//! The agent's own address serves the host at `/metrics`, as `node_exporter` does, and containers at
//! `/metrics/cadvisor`, as the kubelet does. Containers have an address of their own too, where they are at `/metrics`,
//! as with cAdvisor.

use std::process::ExitCode;

use wf_container_exporter::{Config as ContainerConfig, ContainerExporter};
use wf_node_exporter::{Config as HostConfig, NodeExporter};

use crate::exporters::{self, Asked};
use crate::logging::LogOptions;
use crate::server::build_info;

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
    let asked = HostConfig::from_flags(&options.host_flags).map(Asked::from);
    let host = match Asked::or_end(asked, "watchfire") {
        Ok(host) => host,
        Err(code) => return code,
    };
    let web_config_file = host.web_config_file.clone();
    exporters::run(options.log, &web_config_file, async |parts| {
        let containers = ContainerExporter::new(container_config(&host));
        let exporter = NodeExporter::with_build_info(host, &build_info())?;
        let router = exporter.router().merge(containers.kubelet_router());
        parts.serve(&options.listen, "--listen", router).await?;
        if !options.containers_listen.is_empty() {
            parts.serve(&options.containers_listen, "--containers-listen", containers.router()).await?;
        }
        crate::exporter::spawn_exporter(&mut parts.group, exporter);
        Ok(())
    })
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
    use wf_node_exporter::Command;

    #[test]
    fn containers_are_looked_for_where_the_host_is_mounted() {
        let flags = ["--path.procfs=/host/proc", "--path.sysfs=/host/sys", "--path.rootfs=/host/disk"];
        let Ok(Command::Run(host)) = HostConfig::from_flags(&flags) else { panic!("flags ask to run") };
        let config = container_config(&host);
        assert_eq!(config.cgroups.to_str(), Some("/host/sys/fs/cgroup"));
        assert_eq!(config.docker_socket.to_str(), Some("/host/disk/run/docker.sock"));
    }
}
