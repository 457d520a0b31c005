//! The flags of `watchfire alertmanager` about other members of its cluster.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::{ArgAction, Args};
use wf_alertmanager::{Cluster, ClusterOptions, ClusterTls, go_duration};
use wf_httpkit::Registry;
use wf_httpkit::client::tls_client_config;
use wf_httpkit::server::web::tls_server_config;

use crate::server::path_or_none;

/// Who the others are and how to talk to them, under the original's names.
#[derive(Debug, Args)]
pub(super) struct ClusterFlags {
    /// Address to listen on for other members; empty for no cluster
    #[arg(long = "cluster.listen-address", default_value = "0.0.0.0:9094")]
    cluster_listen: String,
    /// Address to tell other members; found out unless given
    #[arg(long = "cluster.advertise-address", default_value = "")]
    advertise: String,
    /// Member to join, host:port; repeatable; names are looked up again and again
    #[arg(long = "cluster.peer")]
    peers: Vec<String>,
    /// Name of this member; random unless given
    #[arg(long = "cluster.peer-name", default_value = "")]
    peer_name: String,
    /// How long a member waits for each one before it to notify
    #[arg(long = "cluster.peer-timeout", default_value = "15s", value_parser = go_duration)]
    peer_timeout: Duration,
    /// Time between look-ups of the peers' names
    #[arg(long = "cluster.peers-resolve-timeout", default_value = "15s", value_parser = go_duration)]
    resolve_interval: Duration,
    /// Time between rounds of gossip
    #[arg(long = "cluster.gossip-interval", default_value = "200ms", value_parser = go_duration)]
    gossip_interval: Duration,
    /// Time between exchanges of everything with one member; 0 for none
    #[arg(long = "cluster.pushpull-interval", default_value = "1m0s", value_parser = go_duration)]
    pushpull_interval: Duration,
    /// Limit of an exchange
    #[arg(long = "cluster.tcp-timeout", default_value = "10s", value_parser = go_duration)]
    tcp_timeout: Duration,
    /// How long a probed member has to answer
    #[arg(long = "cluster.probe-timeout", default_value = "500ms", value_parser = go_duration)]
    probe_timeout: Duration,
    /// Time between probes
    #[arg(long = "cluster.probe-interval", default_value = "1s", value_parser = go_duration)]
    probe_interval: Duration,
    /// Longest wait for other members after the start, before anything is notified
    #[arg(long = "cluster.settle-timeout", default_value = "1m0s", value_parser = go_duration)]
    settle_timeout: Duration,
    /// Time between attempts to reach lost members
    #[arg(long = "cluster.reconnect-interval", default_value = "10s", value_parser = go_duration)]
    reconnect_interval: Duration,
    /// How long lost members are tried
    #[arg(long = "cluster.reconnect-timeout", default_value = "6h0m0s", value_parser = go_duration)]
    reconnect_timeout: Duration,
    /// File with certificates: everything between members goes over TLS then
    #[arg(long = "cluster.tls-config", default_value = "", value_parser = path_or_none)]
    cluster_tls: PathBuf,
    /// Tell other members a public address when there is no private one
    #[arg(long = "cluster.allow-insecure-public-advertise-address-discovery", action = ArgAction::SetTrue)]
    allows_public_address: bool,
    /// Members of other labels are not talked to
    #[arg(long = "cluster.label", default_value = "")]
    label: String,
}

impl ClusterFlags {
    /// Takes the address for other members; `None` when there shall be no cluster.
    pub(super) async fn join(&self, registry: &Registry) -> Result<Option<Cluster>> {
        if self.cluster_listen.is_empty() {
            return Ok(None);
        }
        let options = ClusterOptions {
            listen: self.cluster_listen.clone(),
            advertise: self.advertise.clone(),
            peers: self.peers.iter().filter(|peer| !peer.is_empty()).cloned().collect(),
            name: self.peer_name.clone(),
            peer_timeout: self.peer_timeout,
            resolve_interval: self.resolve_interval,
            gossip_interval: self.gossip_interval,
            pushpull_interval: self.pushpull_interval,
            tcp_timeout: self.tcp_timeout,
            probe_timeout: self.probe_timeout,
            probe_interval: self.probe_interval,
            settle_timeout: self.settle_timeout,
            reconnect_interval: self.reconnect_interval,
            reconnect_timeout: self.reconnect_timeout,
            tls: self.tls().context("--cluster.tls-config")?,
            allows_public_address: self.allows_public_address,
            label: self.label.clone(),
        };
        Ok(Some(Cluster::bind(options, registry).await?))
    }

    fn tls(&self) -> Result<Option<ClusterTls>> {
        if self.cluster_tls.as_os_str().is_empty() {
            return Ok(None);
        }
        let text = fs::read_to_string(&self.cluster_tls)
            .with_context(|| format!("read {}", self.cluster_tls.display()))?;
        let (server, client) =
            wf_config::read_cluster_tls(&text, &self.cluster_tls).map_err(|why| anyhow!(why))?;
        let mut server = tls_server_config(&server, false)?;
        // No HTTP is spoken.
        server.alpn_protocols.clear();
        let server_name = client.server_name.clone().filter(|name| !name.is_empty());
        let client = Arc::new(tls_client_config(&client)?);
        Ok(Some(ClusterTls { server: Arc::new(server), client, server_name }))
    }
}
