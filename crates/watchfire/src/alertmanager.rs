//! `watchfire alertmanager`: routes, groups, silences and sends alerts, with the original's flags.

mod cluster;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;
use wf_alertmanager::{Alertmanager, Mode, Options, go_duration};
use wf_httpkit::Registry;
use wf_httpkit::component::Group;
use wf_httpkit::process;
use wf_httpkit::server::{GuardOptions, HttpMetrics, Listener, ServerOptions, serve};

use crate::footprint::Rest;
use crate::logging::LogOptions;
use crate::server::{STOP_WITHIN, announce, build_info, path_or_none, prepare, runtime, web_policy};
use crate::sockets;

/// Options of the Alertmanager, under the original's names.
#[derive(Debug, Args)]
pub(crate) struct AlertmanagerOptions {
    /// Configuration file
    #[arg(long = "config.file", default_value = "alertmanager.yml")]
    config_file: PathBuf,
    /// Directory of the notification log and the silences
    #[arg(long = "storage.path", default_value = "data/")]
    storage_path: PathBuf,
    /// How long data is kept
    #[arg(long = "data.retention", default_value = "120h", value_parser = go_duration)]
    retention: Duration,
    /// Time between cleanings and snapshots
    #[arg(long = "data.maintenance-interval", default_value = "15m", value_parser = go_duration)]
    maintenance_interval: Duration,
    /// Most silences, expired ones among them; 0 for any number
    #[arg(long = "silences.max-silences", default_value_t = 0)]
    silences_max: usize,
    /// Most bytes of a silence; 0 for any
    #[arg(long = "silences.max-silence-size-bytes", default_value_t = 0)]
    silence_bytes_max: usize,
    /// How long before a silence ends the alert SilenceEndsSoon says so; 0 for never
    #[arg(long = "silences.remind-before", default_value = "0s", value_parser = go_duration)]
    remind_before: Duration,
    /// How long it is remembered what became of alerts; 0 for no history
    #[arg(long = "history.retention", default_value = "168h", value_parser = go_duration)]
    history_retention: Duration,
    /// Most bytes of history on disk; 0 for no history
    #[arg(long = "history.max-bytes", default_value_t = 64 << 20)]
    history_bytes_max: u64,
    /// Log changes of silences
    #[arg(long = "log.silences")]
    log_silences: bool,
    /// Time between cleanings of alerts
    #[arg(long = "alerts.gc-interval", default_value = "30m", value_parser = go_duration)]
    alerts_gc_interval: Duration,
    /// Most alerts of one name; 0 for any number
    #[arg(long = "alerts.per-alertname-limit", default_value_t = 0)]
    alerts_per_name_max: usize,
    /// Time between removals of empty groups: they go at once, the flag is taken for compatibility
    #[arg(long = "dispatch.maintenance-interval", default_value = "30s", value_parser = go_duration, hide = true)]
    _dispatch_maintenance: Duration,
    /// How long after the start groups wait at least
    #[arg(long = "dispatch.start-delay", default_value = "0s", value_parser = go_duration)]
    dispatch_start_delay: Duration,
    /// Address to listen on; repeatable
    #[arg(long = "web.listen-address", default_value = ":9093")]
    listen: Vec<String>,
    /// Where others reach this Alertmanager
    #[arg(long = "web.external-url", default_value = "")]
    external_url: String,
    /// Path under which everything is served; that of the external URL unless given
    #[arg(long = "web.route-prefix")]
    route_prefix: Option<String>,
    /// Most GET requests at a time; 0 for one per core, at least 8
    #[arg(long = "web.get-concurrency", default_value_t = 0)]
    get_concurrency: usize,
    /// Longest time of a request; 0 for any
    #[arg(long = "web.timeout", default_value = "0s", value_parser = go_duration)]
    web_timeout: Duration,
    /// File with TLS, users and headers of the listeners; read again when it changes
    #[arg(long = "web.config.file", default_value = "", value_parser = path_or_none)]
    web_config: PathBuf,
    /// Listen on the sockets that systemd passes, and nowhere else
    #[arg(long = "web.systemd-socket")]
    systemd_socket: bool,
    #[command(flatten)]
    cluster: cluster::ClusterFlags,
    /// Of no meaning without a garbage collector
    #[arg(long = "auto-gomemlimit.ratio", hide = true)]
    _gomemlimit_ratio: Option<f64>,
    /// Features to switch on, separated by commas
    #[arg(long = "enable-feature", value_delimiter = ',')]
    features: Vec<String>,
    #[command(flatten)]
    log: LogOptions,
}

pub(crate) fn main(options: &AlertmanagerOptions) -> ExitCode {
    crate::logging::start(options.log);
    prepare();
    let result = runtime().and_then(|runtime| runtime.block_on(serve_forever(options)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => crate::fail(&error),
    }
}

async fn serve_forever(flags: &AlertmanagerOptions) -> Result<()> {
    let options = options(flags)?;
    let registry = Registry::new();
    process::register(&registry);
    process::register_build_info(&registry, "alertmanager", &build_info());
    let route_prefix = options.route_prefix.clone();
    let host = options.external_url.split_once("://").map_or("", |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or("").to_owned();
    let web = web_policy(&flags.web_config)?;
    let http = ServerOptions {
        web: web.clone(),
        guard: GuardOptions { allowed_hosts: vec![host], ..GuardOptions::default() },
        metrics: Some(HttpMetrics::new(&registry, "alertmanager")),
        route_prefix,
        ..ServerOptions::default()
    };
    let cluster = flags.cluster.join(&registry).await?;
    let alertmanager = Alertmanager::new(options, registry, Arc::new(jiff::Timestamp::now), cluster)?;
    let ui = crate::ui::embedded_for("alertmanager").context("serve the web UI")?;
    let (stop, rest) = (CancellationToken::new(), Rest::default());
    let mut group = Group::new(stop.clone());
    let mut listeners = if flags.systemd_socket { sockets::inherited()? } else { Vec::new() };
    if !flags.systemd_socket {
        for address in &flags.listen {
            listeners.push(Listener::bind(address).await?);
        }
    }
    for listener in listeners {
        announce(&listener, web.as_deref());
        let (router, http) = (rest.watch(alertmanager.router_with(ui.clone())), http.clone());
        group.spawn("http", |stop| serve(listener, router, stop, http));
    }
    group.spawn("rest", |stop| rest.run(stop));
    let reloaded = alertmanager.clone();
    group.spawn("alertmanager", |stop| alertmanager.run(stop));
    group.spawn("signals", |ended| signals(stop.clone(), ended, reloaded));
    group.wait(STOP_WITHIN).await?;
    info!("see you next time");
    Ok(())
}

/// Ends the program on SIGTERM and SIGINT, reloads on SIGHUP.
async fn signals(
    stop: CancellationToken,
    ended: CancellationToken,
    alertmanager: Alertmanager,
) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        let name = tokio::select! {
            () = ended.cancelled() => return Ok(()),
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            _ = hangup.recv() => "SIGHUP",
        };
        if name == "SIGHUP" {
            let alertmanager = alertmanager.clone();
            // The outcome is in the log; nobody waits for it here.
            let _ = tokio::task::spawn_blocking(move || alertmanager.reload().is_ok()).await;
            continue;
        }
        info!(signal = name, "received a signal, exiting gracefully");
        stop.cancel();
        ended.cancelled().await;
        return Ok(());
    }
}

fn options(flags: &AlertmanagerOptions) -> Result<Options> {
    let external_url = match flags.external_url.as_str() {
        "" => default_url(flags.listen.first().map_or("", String::as_str)),
        url if url.starts_with("http://") || url.starts_with("https://") => url.to_owned(),
        url => bail!("--web.external-url {url:?}: write it as http(s)://host/path"),
    };
    let path = external_url
        .split_once("://")
        .and_then(|(_, rest)| rest.split_once('/'))
        .map_or("", |(_, path)| path);
    let prefix = flags.route_prefix.as_deref().unwrap_or(path).trim_matches('/');
    Ok(Options {
        config_file: flags.config_file.clone(),
        storage_path: flags.storage_path.clone(),
        retention: flags.retention,
        maintenance_interval: flags.maintenance_interval,
        n_silences_max: flags.silences_max,
        silence_bytes_max: flags.silence_bytes_max,
        logs_silences: flags.log_silences,
        alerts_gc_interval: flags.alerts_gc_interval,
        alerts_per_name_max: flags.alerts_per_name_max,
        dispatch_start_delay: flags.dispatch_start_delay,
        route_prefix: if prefix.is_empty() { String::new() } else { format!("/{prefix}") },
        external_url,
        get_concurrency: flags.get_concurrency,
        web_timeout: flags.web_timeout,
        history_retention: flags.history_retention,
        history_bytes_max: flags.history_bytes_max,
        remind_before: flags.remind_before,
        mode: mode(&flags.features).context("--enable-feature")?,
        build: build_info(),
    })
}

/// `http://<this host>:<port of the first listener>/`
fn default_url(listen: &str) -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let port = listen.rsplit_once(':').map_or("9093", |(_, port)| port);
    format!("http://{host}:{port}/")
}

fn mode(features: &[String]) -> Result<Mode> {
    let has = |wanted: &str| features.iter().any(|feature| feature.trim() == wanted);
    for feature in features.iter().map(|feature| feature.trim()).filter(|feature| !feature.is_empty()) {
        match feature {
            "classic-mode" | "utf8-strict-mode" | "auto-gomemlimit" => {}
            "alert-names-in-metrics"
            | "receiver-name-in-metrics"
            | "group-key-in-metrics"
            | "event-recorder" => {
                bail!("feature {feature} is not supported yet: remove it")
            }
            _ => bail!("unknown option {feature:?}"),
        }
    }
    match (has("classic-mode"), has("utf8-strict-mode")) {
        (true, true) => bail!("classic-mode and utf8-strict-mode cannot be used together"),
        (true, false) => Ok(Mode::Classic),
        (false, true) => Ok(Mode::Utf8),
        (false, false) => Ok(Mode::Fallback),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_choose_how_matchers_are_read() {
        let mode_of =
            |features: &[&str]| mode(&features.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
        assert_eq!(mode_of(&[]).unwrap(), Mode::Fallback);
        assert_eq!(mode_of(&["classic-mode", "auto-gomemlimit"]).unwrap(), Mode::Classic);
        assert!(mode_of(&["classic-mode", "utf8-strict-mode"]).is_err());
        assert!(mode_of(&["event-recorder"]).unwrap_err().to_string().contains("not supported yet"));
        assert!(mode_of(&["nope"]).is_err());
    }
}
