//! `watchfire up`: this machine, watched, without a word of configuration.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio_util::sync::CancellationToken;
use tracing::info;
use wf_config::{GlobalConfig, ScrapeConfig, StaticGroup};
use wf_container_exporter::{Config as ContainerConfig, ContainerExporter};
use wf_httpkit::component::Group;
use wf_httpkit::server::{GuardOptions, HttpMetrics, Listener, ServerOptions as HttpOptions, serve};
use wf_server::{Config, ConfigSource, Server};
use wf_tsdb::TsdbOptions;

use crate::cli::UpOptions;
use crate::server::{STOP_WITHIN, announce, facts, prepare, runtime, self_metrics, signals, system_clock};

/// A machine is watched more closely than a fleet.
const SCRAPE_INTERVAL: Duration = Duration::from_secs(5);

pub(crate) fn main(options: &UpOptions) -> ExitCode {
    crate::logging::start(options.log);
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => crate::fail(&error),
    }
}

fn run(options: &UpOptions) -> Result<()> {
    prepare();
    runtime()?.block_on(watch(options))
}

async fn watch(options: &UpOptions) -> Result<()> {
    let stop = CancellationToken::new();
    let mut group = Group::new(stop.clone());
    let web = Listener::bind_with_flag(&options.listen, "--listen").await?;
    let exporter = Listener::bind_with_flag(&options.exporter_listen, "--exporter-listen").await?;
    let (web_address, exporter_address) = (reachable(web.local_addr()), reachable(exporter.local_addr()));

    let registry = self_metrics();
    let url = format!("http://{web_address}");
    let config = config(options, &url, web_address, exporter_address);
    let server = Server::new(config, registry.clone(), system_clock())?;
    crate::exporter::spawn(&mut group, exporter, containers())?;

    announce(&web, None);
    let http = HttpOptions {
        guard: GuardOptions {
            read_only_posts: wf_server::READ_ONLY_POSTS.to_vec(),
            ..GuardOptions::default()
        },
        metrics: Some(HttpMetrics::new(&registry, "prometheus")),
        ..HttpOptions::default()
    };
    let (router, control, quit) = (server.router(), server.control(), stop.clone());
    group.spawn("http", |stop| serve(web, router, stop, http));
    group.spawn("server", |stop| server.run(stop, quit));
    group.spawn("signals", |ended| signals(stop, ended, Some(control)));
    crate::say(&format!("\n  Watchfire is watching this machine. Open {url} (Ctrl-C ends it).\n"));
    info!(address = %url, data = %options.data.display(), "open this address in a browser");
    group.wait(STOP_WITHIN).await.context("watch this machine")?;
    info!("stopped, everything is flushed");
    Ok(())
}

/// Containers' metrics. Groups that are no containers, of which a machine with systemd has hundreds, are left out.
fn containers() -> axum::Router {
    let config = ContainerConfig { containers_only: true, ..ContainerConfig::default() };
    ContainerExporter::new(config).kubelet_router()
}

/// Address under which this machine reaches a listener, which may listen on all of its addresses.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        return SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port());
    }
    address
}

fn config(options: &UpOptions, url: &str, web: SocketAddr, exporter: SocketAddr) -> Config {
    let source = match &options.config {
        Some(path) => ConfigSource::File(path.clone(), wf_config::LoadOptions::default()),
        None => ConfigSource::Fixed(Box::new(default_config(web, exporter))),
    };
    let flags = [
        ("config.file", options.config.as_deref().map_or_else(String::new, shown)),
        ("storage.tsdb.path", shown(&options.data)),
        ("web.listen-address", options.listen.clone()),
        ("web.external-url", url.to_owned()),
        ("web.enable-lifecycle", "false".to_owned()),
        ("web.enable-admin-api", "false".to_owned()),
    ];
    let flags: BTreeMap<String, String> =
        flags.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Config {
        source,
        data: options.data.clone(),
        tsdb: TsdbOptions { memory_bytes_max: crate::server::default_memory_max(), ..TsdbOptions::default() },
        keeps_exemplars: false,
        scrape_features: wf_server::ScrapeFeatures::default(),
        engine: crate::server::engine_options(),
        rules: wf_server::RuleOptions { external_url: url.to_owned(), ..wf_server::RuleOptions::default() },
        range_cache_bytes: crate::server::range_cache_bytes(),
        n_query_slots: 20,
        memory_pressure: crate::memory::pressure(crate::memory::PRESSURE_PERCENT),
        cors_origin: ".*".to_owned(),
        route_prefix: String::new(),
        base_path: "/".to_owned(),
        ui: crate::ui::embedded(),
        facts: facts(flags, false, url),
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// What is scraped when nobody says otherwise: this machine, its containers, and ourselves.
fn default_config(web: SocketAddr, exporter: SocketAddr) -> wf_config::Config {
    let global = GlobalConfig {
        scrape_interval: SCRAPE_INTERVAL,
        scrape_timeout: SCRAPE_INTERVAL,
        evaluation_interval: SCRAPE_INTERVAL,
        ..GlobalConfig::default()
    };
    let job = |name: &str, address: SocketAddr| ScrapeConfig {
        static_groups: vec![StaticGroup { targets: vec![address.to_string()], ..StaticGroup::default() }],
        ..ScrapeConfig::new(name, &global)
    };
    let containers =
        ScrapeConfig { metrics_path: "/metrics/cadvisor".to_owned(), ..job("containers", exporter) };
    let scrape_configs = vec![job("node", exporter), containers, job("watchfire", web)];
    wf_config::Config { scrape_configs, global, ..wf_config::Config::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_configuration_is_one_that_could_be_written() {
        let config = default_config("127.0.0.1:9090".parse().unwrap(), "127.0.0.1:9100".parse().unwrap());
        let text = wf_config::print::to_yaml(&config);
        assert_eq!(wf_config::load(&text, Path::new("prometheus.yml")).unwrap(), config);
    }
}
