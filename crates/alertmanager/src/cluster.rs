//! Several Alertmanagers as one: they tell each other what they silenced and whom they told.
//!
//! Membership is SWIM (`foca`): every member is probed, suspected, declared down and may come back. Small changes ride on
//! the packets of the protocol, large ones go to every member over a stream of their own, and members exchange all they
//! know when they join, when they find each other again and from time to time.
//!
//! ```text
//! change of a silence or of the log -> broadcast -> packets (UDP; streams under TLS) -> merge: the newer one wins
//! flush -> wait for position x peer timeout -> ask the log -> tell
//! ```
//! # Invariants
//! - A partition costs duplicates, never silence: everyone waits at most its position times the peer timeout, and a
//!   member that is alone has position 0.
//! - Merging is idempotent and does not depend on the order: the entry with the newer time stays.
//! - The members' lock may be held while the state's is taken, never the other way round.
//! # Reading order: this file, `member` (who), `part` (what), `gossip` (the protocol), `stream` (its connections),
//! `address`, `metrics`.
//! # Not here: alerts; Prometheus sends them to every member. The wire format is ours: `docs/format/gossip.md`.
//! Source: `spec/alertmanager-pushgateway.md` §A12.

mod address;
mod gossip;
mod member;
mod metrics;
pub(crate) mod part;
mod stream;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wf_httpkit::Registry;

use gossip::Gossip;
use member::Member;
use metrics::ClusterMetrics;
use part::Part;
use stream::Streams;

/// What a member of a cluster is told on its command line.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// Address to listen on, for packets and streams.
    pub listen: String,
    /// Address under which others reach it; found out when empty.
    pub advertise: String,
    /// Members to join, `host:port`; names are looked up again and again.
    pub peers: Vec<String>,
    /// Name of this member; random when empty.
    pub name: String,
    /// How long those behind wait for each one before them.
    pub peer_timeout: Duration,
    /// Time between look-ups of the peers' names.
    pub resolve_interval: Duration,
    /// Time between rounds of gossip.
    pub gossip_interval: Duration,
    /// Time between exchanges of everything with one member.
    pub pushpull_interval: Duration,
    /// Limit of an exchange.
    pub tcp_timeout: Duration,
    /// How long a probed member has to answer.
    pub probe_timeout: Duration,
    /// Time between probes.
    pub probe_interval: Duration,
    /// Longest wait for the others after the start.
    pub settle_timeout: Duration,
    /// Time between attempts to reach lost members.
    pub reconnect_interval: Duration,
    /// How long lost members are tried.
    pub reconnect_timeout: Duration,
    /// Certificates; without them nothing is encrypted.
    pub tls: Option<ClusterTls>,
    /// Whether a public address may be advertised without being asked for.
    pub allows_public_address: bool,
    /// Members of other labels are not talked to.
    pub label: String,
}

/// TLS between members: everything goes over streams then.
#[derive(Clone)]
pub struct ClusterTls {
    /// For streams that come in.
    pub server: Arc<rustls::ServerConfig>,
    /// For streams that go out.
    pub client: Arc<rustls::ClientConfig>,
    /// The name that certificates must have, instead of the address.
    pub server_name: Option<String>,
}

impl fmt::Debug for ClusterTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterTls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

/// Why a cluster cannot be joined.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The address cannot be listened on.
    #[error(
        "listen on {address} for members of the cluster; --cluster.listen-address chooses another, empty none"
    )]
    Listen {
        /// The address as given.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// The address for others is none.
    #[error("{0}")]
    Address(String),
}

/// What members share.
pub(crate) trait Replica: Send + Sync {
    /// Takes over what is newer than what is known; returns that, an entry each.
    fn merge(&self, part: &Part) -> Vec<Part>;

    /// Returns everything.
    fn full_state(&self) -> Vec<Part>;
}

/// A member, with its name and address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ShownMember {
    pub(crate) name: String,
    pub(crate) address: String,
}

/// A seat in a cluster. Clones share it.
#[derive(Clone)]
pub struct Cluster {
    shared: Arc<Shared>,
}

struct Shared {
    options: ClusterOptions,
    address: SocketAddr,
    gossip: Mutex<Gossip>,
    replica: Arc<OnceLock<Arc<dyn Replica>>>,
    udp: Option<UdpSocket>,
    /// Taken by the task that accepts.
    listener: Mutex<Option<TcpListener>>,
    streams: Streams,
    /// Rings when a timer may be due earlier than it was.
    wake: Notify,
    is_settled: watch::Sender<bool>,
    /// Slots of messages that are too large for packets.
    oversized: Arc<Semaphore>,
    tasks: TaskTracker,
    metrics: ClusterMetrics,
}

/// Most messages that wait for their streams.
const N_OVERSIZED_MAX: usize = 200;

/// How long leaving may take.
const LEAVE_WITHIN: Duration = Duration::from_secs(10);

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("address", &self.shared.address).finish_non_exhaustive()
    }
}

impl Cluster {
    /// Takes the address, for packets and streams.
    /// # Errors
    /// See [`ClusterError`].
    pub async fn bind(mut options: ClusterOptions, registry: &Registry) -> Result<Self, ClusterError> {
        let failed = |source| ClusterError::Listen { address: options.listen.clone(), source };
        let listen = address::listen(&options.listen).await.map_err(failed)?;
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let listen = listener.local_addr().map_err(failed)?;
        let udp = match options.tls {
            None => Some(UdpSocket::bind(listen).await.map_err(failed)?),
            Some(_) => None,
        };
        let advertised = address::advertised(&options, listen).await.map_err(ClusterError::Address)?;
        if options.name.is_empty() {
            options.name = member::random_name();
        }
        let me = Member::new(&options.name, advertised).map_err(ClusterError::Address)?;
        tracing::info!(name = options.name, %listen, address = %advertised, "ready for other members of the cluster");
        let replica = Arc::new(OnceLock::new());
        let metrics = ClusterMetrics::new(registry);
        let gossip = Gossip::new(me, &options, Arc::clone(&replica), metrics.clone());
        let shared = Shared {
            streams: Streams::new(&options, listen),
            options,
            address: advertised,
            gossip: Mutex::new(gossip),
            replica,
            udp,
            listener: Mutex::new(Some(listener)),
            wake: Notify::new(),
            is_settled: watch::Sender::new(false),
            oversized: Arc::new(Semaphore::new(N_OVERSIZED_MAX)),
            tasks: TaskTracker::new(),
            metrics,
        };
        let this = Self { shared: Arc::new(shared) };
        this.register_numbers(registry);
        Ok(this)
    }

    /// Says whose state is shared; once, before [`Cluster::run`].
    pub(crate) fn share(&self, replica: Arc<dyn Replica>) {
        // A second call would be ours to make, and there is none.
        let _ = self.shared.replica.set(replica);
    }

    /// Talks to the others until `stop`, then leaves.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let parts = stop.child_token();
        let tasks = &self.shared.tasks;
        tasks.spawn(self.clone().receive_packets(parts.clone()));
        tasks.spawn(self.clone().accept_streams(parts.clone()));
        tasks.spawn(self.clone().keep_timers(parts.clone()));
        tasks.spawn(self.clone().keep_joined(parts.clone()));
        tasks.spawn(self.clone().exchange_regularly(parts.clone()));
        tasks.spawn(self.clone().settle(parts.clone()));
        stop.cancelled().await;
        self.with_gossip(Gossip::leave);
        self.shared.streams.close();
        tasks.close();
        if tokio::time::timeout(LEAVE_WITHIN, tasks.wait()).await.is_err() {
            tracing::warn!("left the cluster without waiting for the last messages");
        }
    }

    /// Tells the others about changes.
    pub(crate) fn broadcast(&self, parts: Vec<Part>) {
        for part in parts {
            let bytes = part.encode();
            if bytes.len() <= gossip::MESSAGE_BYTES_MAX {
                self.with_gossip(|gossip| gossip.broadcast(&bytes));
            } else {
                self.send_oversized(&part, &bytes);
            }
        }
    }

    /// Waits until the members are known, or for as long as one is willing to.
    pub(crate) async fn settled(&self) {
        let mut settled = self.shared.is_settled.subscribe();
        // The sender lives as long as we do.
        let _ = settled.wait_for(|is_settled| *is_settled).await;
    }

    /// Whether [`Cluster::settled`] would return at once.
    pub(crate) fn is_settled(&self) -> bool {
        *self.shared.is_settled.borrow()
    }

    /// Returns how long this member lets the ones before it go first.
    pub(crate) fn wait(&self) -> Duration {
        let position = u32::try_from(self.position()).unwrap_or(u32::MAX);
        self.shared.options.peer_timeout.saturating_mul(position)
    }

    /// Returns the place of this member among those that are alive, by name.
    pub(crate) fn position(&self) -> usize {
        let gossip = self.shared.gossip.lock();
        let me = gossip.me();
        gossip.others().filter(|other| (&other.name, other.address) < (&me.name, me.address)).count()
    }

    pub(crate) fn name(&self) -> &str {
        &self.shared.options.name
    }

    /// Returns the members that are alive, this one among them, sorted.
    pub(crate) fn members(&self) -> Vec<ShownMember> {
        let gossip = self.shared.gossip.lock();
        let shown = |member: &Member| ShownMember {
            name: member.name.to_string(),
            address: member.address.to_string(),
        };
        let mut members: Vec<ShownMember> = gossip.others().map(shown).collect();
        members.push(shown(gossip.me()));
        members.sort_unstable();
        members
    }

    /// Runs `body` on the protocol, then sends what it wants sent.
    fn with_gossip<T>(&self, body: impl FnOnce(&mut Gossip) -> T) -> T {
        let (result, packets) = {
            let mut gossip = self.shared.gossip.lock();
            let result = body(&mut gossip);
            (result, gossip.take_packets())
        };
        for (to, packet) in packets {
            self.send_packet(to, &packet);
        }
        self.shared.wake.notify_one();
        result
    }

    fn send_packet(&self, to: SocketAddr, packet: &[u8]) {
        let shared = &self.shared;
        shared.metrics.on_sent("packet", packet.len());
        match &shared.udp {
            // A packet that is lost, here or under way, is what the protocol is made for.
            Some(udp) => drop(udp.try_send_to(&shared.streams.sealed(packet), to)),
            None => shared.streams.send_packet(&shared.tasks, to, packet),
        }
    }

    async fn receive_packets(self, stop: CancellationToken) {
        let Some(udp) = &self.shared.udp else { return };
        let mut buffer = vec![0; 64 << 10];
        loop {
            let received = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                received = udp.recv_from(&mut buffer) => received,
            };
            // An error is about a packet that went out: ICMP told that nobody listens.
            let Ok((length, _)) = received else { continue };
            let packet = buffer.get(..length).unwrap_or_default();
            if let Some(packet) = self.shared.streams.opened(packet) {
                self.on_packet(packet);
            }
        }
    }

    fn on_packet(&self, packet: &[u8]) {
        self.shared.metrics.on_received("packet", packet.len());
        self.with_gossip(|gossip| gossip.receive(packet));
    }

    async fn keep_timers(self, stop: CancellationToken) {
        loop {
            let next = self.with_gossip_timers();
            let due = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = due => {}
                () = self.shared.wake.notified() => {}
            }
        }
    }

    /// Runs the timers that are due; returns when the next one is.
    fn with_gossip_timers(&self) -> Option<std::time::Instant> {
        let (next, packets) = {
            let mut gossip = self.shared.gossip.lock();
            (gossip.run_timers(std::time::Instant::now()), gossip.take_packets())
        };
        for (to, packet) in packets {
            self.send_packet(to, &packet);
        }
        next
    }

    /// Joins the configured peers, again and again, and looks for members that were lost.
    async fn keep_joined(self, stop: CancellationToken) {
        let options = &self.shared.options;
        let mut joins = tokio::time::interval(options.resolve_interval.max(Duration::from_millis(10)));
        let mut returns = tokio::time::interval(options.reconnect_interval.max(Duration::from_millis(10)));
        for ticks in [&mut joins, &mut returns] {
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        }
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = joins.tick() => tokio::select! { () = self.join() => {}, () = stop.cancelled() => return },
                _ = returns.tick() => tokio::select! { () = self.reconnect() => {}, () = stop.cancelled() => return },
            }
        }
    }

    async fn join(&self) {
        let shared = &self.shared;
        for peer in &shared.options.peers {
            let addresses = match tokio::net::lookup_host(peer).await {
                Ok(addresses) => addresses,
                Err(error) => {
                    shared.metrics.joins_failed.inc();
                    tracing::warn!(peer, %error, "cannot look up a member of the cluster");
                    continue;
                }
            };
            for address in addresses {
                let is_known = || shared.gossip.lock().others().any(|other| other.address == address);
                if address == shared.address || is_known() {
                    continue;
                }
                match self.exchange(address).await {
                    Ok(()) => shared.metrics.joins.inc(),
                    Err(error) => {
                        shared.metrics.joins_failed.inc();
                        tracing::warn!(peer, %address, %error, "cannot join a member of the cluster yet");
                    }
                }
            }
        }
    }

    async fn reconnect(&self) {
        let shared = &self.shared;
        let lost = shared.gossip.lock().lost(std::time::Instant::now(), shared.options.reconnect_timeout);
        for address in lost {
            match self.exchange(address).await {
                Ok(()) => shared.metrics.reconnections.inc(),
                Err(error) => {
                    shared.metrics.reconnections_failed.inc();
                    tracing::debug!(%address, %error, "a lost member of the cluster is not back yet");
                }
            }
        }
    }

    /// Exchanges everything with one member after the other.
    async fn exchange_regularly(self, stop: CancellationToken) {
        let interval = self.shared.options.pushpull_interval;
        if interval.is_zero() {
            return;
        }
        loop {
            // Members that started together do not exchange together.
            let wait = interval.mul_f64(0.75 + fastrand::f64() / 2.0);
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
            let addresses: Vec<SocketAddr> =
                self.shared.gossip.lock().others().map(|other| other.address).collect();
            let Some(address) = fastrand::choice(addresses) else { continue };
            if let Err(error) = self.exchange(address).await {
                tracing::debug!(%address, %error, "an exchange with a member of the cluster failed");
            }
        }
    }

    /// Waits until the number of members stands still, then lets flushes begin.
    async fn settle(self, stop: CancellationToken) {
        let options = &self.shared.options;
        let interval = options.gossip_interval * 10;
        let polls = async {
            let (mut n_before, mut n_equal) = (0, 0);
            while n_equal < 3 {
                tokio::time::sleep(interval).await;
                let n_members = self.members().len();
                n_equal = if n_members == n_before { n_equal + 1 } else { 0 };
                n_before = n_members;
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = polls => tracing::info!(members = self.members().len(), "the cluster has settled"),
            () = tokio::time::sleep(options.settle_timeout) => {
                tracing::warn!(members = self.members().len(), "the cluster has not settled in time: going on");
            }
        }
        self.shared.is_settled.send_replace(true);
    }
}
