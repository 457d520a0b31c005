//! Members on loopback: they find each other, tell each other, lose each other and meet again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::part::Kind;
use super::*;
use crate::wire::{Fields, Writer};

/// Remembers entries that it was told: an entry is `name=value`, and the greater value is the newer.
#[derive(Default)]
struct Fake(Mutex<std::collections::BTreeMap<String, Vec<u8>>>);

impl Replica for Fake {
    fn merge(&self, part: &Part) -> Vec<Part> {
        let mut known = self.0.lock();
        let mut entries = Fields::new(&part.entries);
        let mut taken = Vec::new();
        while let Ok(Some(entry)) = entries.next_message() {
            let key = crate::silence::snapshot::decode(entry).unwrap().id;
            if known.insert(key, entry.to_vec()).as_deref() != Some(entry) {
                taken.push(Part::of(part.kind, entry));
            }
        }
        taken
    }

    fn full_state(&self) -> Vec<Part> {
        let mut out = Writer::default();
        self.0.lock().values().for_each(|entry| out.delimited(entry));
        vec![Part { kind: Kind::Silences, entries: out.0 }]
    }
}

struct Seat {
    cluster: Cluster,
    known: Arc<Fake>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

fn options(name: &str, peers: Vec<String>) -> ClusterOptions {
    let ms = Duration::from_millis;
    ClusterOptions {
        listen: "127.0.0.1:0".to_owned(),
        advertise: String::new(),
        peers,
        name: name.to_owned(),
        peer_timeout: ms(500),
        resolve_interval: ms(200),
        gossip_interval: ms(10),
        pushpull_interval: ms(60_000),
        tcp_timeout: ms(5000),
        probe_timeout: ms(50),
        probe_interval: ms(150),
        settle_timeout: ms(5000),
        reconnect_interval: ms(200),
        reconnect_timeout: ms(60_000),
        tls: None,
        allows_public_address: false,
        label: "test".to_owned(),
    }
}

async fn seat(options: ClusterOptions) -> Seat {
    let cluster = Cluster::bind(options, &Registry::new()).await.unwrap();
    let (known, stop) = (Arc::new(Fake::default()), CancellationToken::new());
    cluster.share(Arc::clone(&known) as Arc<dyn Replica>);
    let task = tokio::spawn(cluster.clone().run(stop.clone()));
    Seat { cluster, known, stop, task }
}

async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn silence(id: &str, comment: &str) -> Part {
    let mut inner = Writer::default();
    inner.text(1, id);
    inner.text(9, comment);
    let mut out = Writer::default();
    out.bytes(1, &inner.0);
    Part::of(Kind::Silences, &out.0)
}

async fn three(tls: Option<&ClusterTls>) -> Vec<Seat> {
    let with = |name: &str, peers| ClusterOptions { tls: tls.cloned(), ..options(name, peers) };
    let first = seat(with("b", Vec::new())).await;
    let peer = vec![first.cluster.shared.address.to_string()];
    let seats = vec![first, seat(with("a", peer.clone())).await, seat(with("c", peer)).await];
    for seat in &seats {
        eventually("three members", || seat.cluster.members().len() == 3).await;
    }
    seats
}

async fn tell_small_and_large(seats: &[Seat]) {
    let large = "x".repeat(5000);
    seats[0].cluster.broadcast(vec![silence("small", "s"), silence("large", &large)]);
    for seat in &seats[1..] {
        eventually("both silences", || {
            let known = seat.known.0.lock();
            known.contains_key("small") && known.contains_key("large")
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_take_their_places_by_name_and_tell_each_other() {
    let seats = three(None).await;
    let positions: Vec<usize> = seats.iter().map(|seat| seat.cluster.position()).collect();
    assert_eq!((positions, seats[2].cluster.wait()), (vec![1, 0, 2], Duration::from_secs(1)));
    let names: Vec<String> = seats[0].cluster.members().into_iter().map(|member| member.name).collect();
    assert_eq!(names, ["a", "b", "c"]);
    tell_small_and_large(&seats).await;
    eventually("settled", || seats.iter().all(|seat| seat.cluster.is_settled())).await;
    // One who comes late is told everything, and one who leaves is missed at once.
    let peers = vec![seats[2].cluster.shared.address.to_string()];
    let late = seat(options("d", peers)).await;
    seats[0].known.merge(&silence("small", "s"));
    eventually("what was told before", || late.known.0.lock().contains_key("large")).await;
    late.stop.cancel();
    late.task.await.unwrap();
    eventually("three again", || seats.iter().all(|seat| seat.cluster.members().len() == 3)).await;
    // Others' labels are not ours.
    let peers = vec![seats[0].cluster.shared.address.to_string()];
    let stranger = ClusterOptions { label: "other".to_owned(), ..options("z", peers) };
    let stranger = seat(stranger).await;
    assert!(stranger.cluster.exchange(seats[0].cluster.shared.address).await.is_err());
    assert_eq!(seats[0].cluster.members().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_is_lost_is_missed_and_taken_back_on_its_address() {
    let mut seats = three(None).await;
    let gone = seats.remove(2);
    let address = gone.cluster.shared.address.to_string();
    // Without a word: its tasks are dropped, its sockets with them.
    gone.task.abort();
    gone.cluster.shared.tasks.close();
    gone.stop.cancel();
    drop(gone);
    eventually("two are left", || seats.iter().all(|seat| seat.cluster.members().len() == 2)).await;
    seats[0].cluster.broadcast(vec![silence("meanwhile", "s")]);
    let bound = async {
        loop {
            let options = ClusterOptions { listen: address.clone(), ..options("c", Vec::new()) };
            match Cluster::bind(options, &Registry::new()).await {
                Ok(cluster) => return cluster,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let cluster = bound.await;
    let (known, stop) = (Arc::new(Fake::default()), CancellationToken::new());
    seats.iter().for_each(|seat| drop(seat.known.merge(&silence("meanwhile", "s"))));
    cluster.share(Arc::clone(&known) as Arc<dyn Replica>);
    tokio::spawn(cluster.clone().run(stop.clone()));
    // It knows nobody: the others come looking for it.
    eventually("found again", || cluster.members().len() == 3).await;
    eventually("told what it missed", || known.0.lock().contains_key("meanwhile")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_goes_over_tls_when_asked() {
    let pair = rcgen::generate_simple_self_signed(vec!["cluster.test".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = rustls::pki_types::PrivateKeyDer::try_from(pair.signing_key.serialize_der()).unwrap();
    let certificate = pair.cert.der().clone();
    let server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = Some("cluster.test".to_owned());
    let tls = ClusterTls { server: Arc::new(server), client: Arc::new(client), server_name: name };
    let seats = three(Some(&tls)).await;
    assert!(seats[0].cluster.shared.udp.is_none());
    tell_small_and_large(&seats).await;
    // Without the certificate nobody is heard.
    let peers = vec![seats[0].cluster.shared.address.to_string()];
    let stranger = seat(options("z", peers)).await;
    assert!(stranger.cluster.exchange(seats[0].cluster.shared.address).await.is_err());
}
