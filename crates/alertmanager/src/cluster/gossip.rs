//! The protocol among members: `foca` with its timers, and what it wants sent. No sockets here.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::num::{NonZeroU8, NonZeroUsize};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use foca::{BroadcastHandler, Foca, Notification, PeriodicParams, Timer};
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::member::{Codec, Member};
use super::metrics::ClusterMetrics;
use super::part::{Part, Subject};
use super::{ClusterOptions, Replica};
use crate::wire::WireError;

/// Largest change that rides on packets; others take a stream.
pub(super) const MESSAGE_BYTES_MAX: usize = 700;

/// Largest packet, before the label: below what networks carry in one piece.
const PACKET_BYTES_MAX: usize = 1200;

/// Most changes that wait to be told; what is beyond is told by the next exchange.
const N_QUEUED_MAX: usize = 4096;

/// How often each change is put into a packet.
const N_TRANSMISSIONS: NonZeroU8 = NonZeroU8::new(10).expect("ten is not zero");

const THREE: NonZeroUsize = NonZeroUsize::new(3).expect("three is not zero");
const ONE: NonZeroUsize = NonZeroUsize::MIN;

/// See the module.
pub(super) struct Gossip {
    foca: Foca<Member, Codec, SmallRng, Handler>,
    outbox: Outbox,
    timers: BTreeMap<(Instant, u64), Timer<Member>>,
    n_timers: u64,
    /// Members that went without a word, and when.
    lost: BTreeMap<SocketAddr, Instant>,
    metrics: ClusterMetrics,
}

impl fmt::Debug for Gossip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gossip").field("me", self.foca.identity()).finish_non_exhaustive()
    }
}

/// What the protocol wants done.
#[derive(Debug, Default)]
struct Outbox {
    packets: Vec<(SocketAddr, Vec<u8>)>,
    timers: Vec<(Duration, Timer<Member>)>,
    news: Vec<News>,
}

#[derive(Debug)]
enum News {
    Up(Member),
    Down(Member),
    Renewed,
}

impl foca::Runtime<Member> for &mut Outbox {
    fn notify(&mut self, notification: Notification<'_, Member>) {
        match notification {
            Notification::MemberUp(member) => self.news.push(News::Up(member.clone())),
            Notification::MemberDown(member) => self.news.push(News::Down(member.clone())),
            Notification::Rename(..) => self.news.push(News::Renewed),
            Notification::Active | Notification::Idle | Notification::Defunct | Notification::Rejoin(_) => {}
        }
    }

    fn send_to(&mut self, to: Member, data: &[u8]) {
        self.packets.push((to.address, data.to_vec()));
    }

    fn submit_after(&mut self, event: Timer<Member>, after: Duration) {
        self.timers.push((after, event));
    }
}

/// Takes over what packets bring.
struct Handler {
    replica: Arc<OnceLock<Arc<dyn Replica>>>,
}

impl BroadcastHandler<Member> for Handler {
    type Key = Subject;
    type Error = WireError;

    fn receive_item(&mut self, data: &[u8], sender: Option<&Member>) -> Result<Option<Subject>, WireError> {
        let part = Part::decode(data)?;
        let subject = part.subject()?;
        if sender.is_none() {
            // Our own, or one that a stream brought: it is known already.
            return Ok(Some(subject));
        }
        let is_news = self.replica.get().is_some_and(|replica| !replica.merge(&part).is_empty());
        Ok(is_news.then_some(subject))
    }
}

impl Gossip {
    pub(super) fn new(
        me: Member,
        options: &ClusterOptions,
        replica: Arc<OnceLock<Arc<dyn Replica>>>,
        metrics: ClusterMetrics,
    ) -> Self {
        let rng = SmallRng::seed_from_u64(fastrand::u64(..));
        let foca = Foca::with_custom_broadcast(me, config(options), rng, Codec, Handler { replica });
        Self {
            foca,
            outbox: Outbox::default(),
            timers: BTreeMap::new(),
            n_timers: 0,
            lost: BTreeMap::new(),
            metrics,
        }
    }

    pub(super) fn me(&self) -> &Member {
        self.foca.identity()
    }

    /// Returns the other members that are alive.
    pub(super) fn others(&self) -> impl Iterator<Item = &Member> {
        self.foca.iter_members().map(foca::Member::id)
    }

    /// Returns all that is known of members, those that are down and ourselves among them.
    pub(super) fn known(&self) -> Vec<foca::Member<Member>> {
        let me = foca::Member::alive(self.foca.identity().clone());
        self.foca.iter_membership_state().cloned().chain([me]).collect()
    }

    /// Takes over what another knows of members. Returns whether we had to renew ourselves: it thought us down.
    pub(super) fn learn(&mut self, mut members: Vec<foca::Member<Member>>) -> bool {
        let before = self.me().clone();
        // Ourselves last: whoever hears that we are back must be known to be there.
        members.sort_by_key(|member| member.id().address == before.address);
        self.run(|foca, outbox| foca.apply_many(members.into_iter(), true, outbox));
        *self.me() != before
    }

    pub(super) fn receive(&mut self, packet: &[u8]) {
        self.run(|foca, outbox| foca.handle_data(packet, outbox));
    }

    /// Puts a change into the packets to come.
    pub(super) fn broadcast(&mut self, part: &[u8]) {
        if self.foca.num_members() == 0 {
            // Whoever joins is told everything.
            return;
        }
        if self.foca.custom_broadcast_backlog() >= N_QUEUED_MAX {
            self.metrics.pruned.inc();
            return;
        }
        self.run(|foca, _| foca.add_broadcast(part).map(drop));
    }

    /// Runs the timers that are due at `now`; returns when the next one is.
    pub(super) fn run_timers(&mut self, now: Instant) -> Option<Instant> {
        while let Some(entry) = self.timers.first_entry().filter(|entry| entry.key().0 <= now) {
            let timer = entry.remove();
            self.run(|foca, outbox| foca.handle_timer(timer, outbox));
        }
        self.timers.first_key_value().map(|((at, _), _)| *at)
    }

    pub(super) fn leave(&mut self) {
        self.run(|foca, outbox| foca.leave_cluster(outbox));
    }

    pub(super) fn take_packets(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        std::mem::take(&mut self.outbox.packets)
    }

    /// Returns addresses of members that were lost less than `within` ago, and forgets the others.
    pub(super) fn lost(&mut self, now: Instant, within: Duration) -> Vec<SocketAddr> {
        self.lost.retain(|_, since| now.saturating_duration_since(*since) < within);
        self.lost.keys().copied().collect()
    }

    pub(super) fn n_lost(&self) -> usize {
        self.lost.len()
    }

    pub(super) fn n_queued(&self) -> usize {
        self.foca.custom_broadcast_backlog()
    }

    fn run<T>(
        &mut self,
        body: impl FnOnce(&mut Foca<Member, Codec, SmallRng, Handler>, &mut Outbox) -> Result<T, foca::Error>,
    ) {
        if let Err(error) = body(&mut self.foca, &mut self.outbox) {
            // Packets of anybody may arrive here.
            tracing::debug!(error = ?error, "a message of the cluster was not understood");
        }
        let now = Instant::now();
        for (after, timer) in self.outbox.timers.drain(..) {
            self.n_timers += 1;
            self.timers.insert((now + after, self.n_timers), timer);
        }
        for news in std::mem::take(&mut self.outbox.news) {
            self.note(news, now);
        }
    }

    fn note(&mut self, news: News, now: Instant) {
        match news {
            News::Up(member) => {
                self.lost.remove(&member.address);
                self.metrics.joined.inc();
                if member.name == self.me().name {
                    self.metrics.name_conflicts.inc();
                    tracing::warn!(name = %member.name, address = %member.address, "another member of the cluster has our name: choose another with --cluster.peer-name");
                }
                tracing::info!(name = %member.name, address = %member.address, "a member joined the cluster");
            }
            News::Down(member) => {
                self.lost.insert(member.address, now);
                self.metrics.left.inc();
                tracing::info!(name = %member.name, address = %member.address, "a member left the cluster");
            }
            News::Renewed => self.metrics.updated.inc(),
        }
    }
}

fn config(options: &ClusterOptions) -> foca::Config {
    let at_least = |duration: Duration, least_ms: u64| duration.max(Duration::from_millis(least_ms));
    let probe_period = at_least(options.probe_interval, 2);
    let every = |frequency: Duration, num_members| Some(PeriodicParams { frequency, num_members });
    foca::Config {
        probe_period,
        // The answer of others must fit into the rest of the period.
        probe_rtt: at_least(options.probe_timeout, 1).min(probe_period / 2),
        num_indirect_probes: THREE,
        max_transmissions: N_TRANSMISSIONS,
        suspect_to_down_after: probe_period * 4,
        remove_down_after: Some(at_least(options.reconnect_timeout, 1000)),
        max_packet_size: NonZeroUsize::new(PACKET_BYTES_MAX).unwrap_or(ONE),
        notify_down_members: true,
        periodic_announce: every(Duration::from_secs(30), ONE),
        periodic_announce_to_down_members: every(at_least(options.reconnect_interval, 100), THREE),
        periodic_gossip: every(at_least(options.gossip_interval, 1), THREE),
    }
}
