//! One look at all containers, kept for scrapes that follow soon.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use wf_exposition::MetricFamily;
use wf_httpkit::metrics::{Registry, merge_by_name};
use wf_httpkit::process;

use crate::cgroup::{Stats, Tree};
use crate::config::Config;
use crate::host::{self, Disk, FileSystem, Machine};
use crate::identity::{self, Kind};
use crate::oom::OomKills;
use crate::perf::{self, Perf};
use crate::processes::{self, Interface, Open};
use crate::runtime::{Container, Containers, Runtime};
use crate::standalone::{self, Extra, Schedule};
use crate::{render, resctrl, web};

/// A look that takes longer is given up: some file of the kernel does not answer.
const LOOK_MAX: Duration = Duration::from_secs(10);

/// Digits of an id that stand for a container nobody named.
const SHORT_ID: usize = 12;

/// A container exporter. Clones share what was learned.
#[derive(Clone, Debug)]
pub struct ContainerExporter {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Config,
    machine: Machine,
    registry: Registry,
    oom: Mutex<OomKills>,
    schedule: Mutex<Schedule>,
    perf: Mutex<Perf>,
    state: tokio::sync::Mutex<State>,
}

#[derive(Debug)]
struct State {
    runtime: Runtime,
    kept: Option<(Instant, Arc<Vec<MetricFamily>>)>,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// The kernel does not answer.
    #[error("control groups could not be read within {LOOK_MAX:?}: a file of the kernel does not answer")]
    Late,
    /// A bug.
    #[error("collecting failed: this is a bug")]
    Panicked,
}

/// All that was seen at one moment.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// Milliseconds since the epoch.
    pub(crate) taken_ms: i64,
    pub(crate) groups: Vec<Group>,
    pub(crate) disks: BTreeMap<(u32, u32), Disk>,
    /// Belong to the root group.
    pub(crate) file_systems: Vec<FileSystem>,
    /// Swapped bytes of the whole machine.
    pub(crate) swap_used: u64,
    pub(crate) has_failed: bool,
}

/// What a group is seen in.
struct Around<'a> {
    /// Groups that come after it, those below it first.
    below: &'a [String],
    known: &'a Containers,
    pods: &'a BTreeMap<&'a str, &'a Container>,
    resctrl: Option<&'a resctrl::Groups>,
}

/// A group with everything that belongs to it.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) names: Container,
    pub(crate) stats: Stats,
    pub(crate) network: Vec<Interface>,
    pub(crate) open: Option<Open>,
    pub(crate) extra: Extra,
    pub(crate) oom_kills: u64,
    pub(crate) started: f64,
    pub(crate) created: f64,
}

impl ContainerExporter {
    /// Reads what does not change. Nothing fails yet: control groups are looked for at each scrape.
    pub fn new(config: Config) -> Self {
        let registry = Registry::new();
        process::register(&registry);
        let runtime = Runtime::new(&config, Instant::now());
        let events = if config.has("perf_event") { config.perf_events.clone() } else { Vec::new() };
        let inner = Inner {
            machine: Machine::read(&config),
            oom: Mutex::new(if config.has("oom_event") { OomKills::open() } else { OomKills::default() }),
            schedule: Mutex::default(),
            perf: Mutex::new(Perf::new(events, &config.sys)),
            state: tokio::sync::Mutex::new(State { runtime, kept: None }),
            registry,
            config,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Returns the configuration.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Returns the registry of the exporter's own metrics: part of `/metrics`, not of `/metrics/cadvisor`.
    pub fn registry(&self) -> &Registry {
        &self.inner.registry
    }

    /// Returns the HTTP face.
    pub fn router(&self) -> Router {
        web::router(self.clone())
    }

    /// Returns `/metrics/cadvisor` alone, to be served beside another component.
    pub fn kubelet_router(&self) -> Router {
        web::kubelet_router(self.clone())
    }

    /// Returns families of all containers and of the machine, at most as old as the configuration allows. Scrapes at
    /// the same time share one look.
    /// # Errors
    /// See [`GatherError`].
    pub async fn gather(&self) -> Result<Arc<Vec<MetricFamily>>, GatherError> {
        let mut state = self.inner.state.lock().await;
        let now = Instant::now();
        if let Some((taken, families)) = &state.kept
            && now.saturating_duration_since(*taken) < self.inner.config.max_age
        {
            return Ok(Arc::clone(families));
        }
        let inner = Arc::clone(&self.inner);
        let (tree, ids) = blocking(move || inner.list()).await?;
        let containers: Vec<_> = ids.iter().filter_map(|id| container_id(id)).collect();
        state.runtime.learn(&containers, now).await;
        let (inner, known) = (Arc::clone(&self.inner), state.runtime.known().clone());
        let families = blocking(move || {
            let snapshot = inner.look(tree.as_ref(), &ids, &known);
            merge_by_name(render::families(&inner.config, &inner.machine, &snapshot))
        });
        let families = Arc::new(families.await?);
        state.kept = Some((now, Arc::clone(&families)));
        Ok(families)
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, GatherError> {
    let task = tokio::task::spawn_blocking(work);
    let done = tokio::time::timeout(LOOK_MAX, task).await.map_err(|_| GatherError::Late)?;
    done.map_err(|error| {
        tracing::error!(%error, "looking at containers failed: this is a bug");
        GatherError::Panicked
    })
}

fn container_id(group: &str) -> Option<String> {
    match identity::of(group) {
        Kind::Container { id, .. } => Some(id),
        _ => None,
    }
}

impl Inner {
    fn list(&self) -> (Option<Tree>, Vec<String>) {
        let tree = Tree::open(&self.config.cgroups);
        let mut groups = tree.as_ref().map(|tree| tree.list(self.config.groups_max)).unwrap_or_default();
        if groups.len() == self.config.groups_max {
            tracing::warn!(
                limit = groups.len(),
                "more control groups than are read: some containers are left out"
            );
        }
        if self.config.containers_only {
            let is_listed =
                |group: &String| self.config.group_prefixes.iter().any(|prefix| group.starts_with(prefix));
            groups.retain(|group| {
                matches!(identity::of(group), Kind::Root | Kind::Container { .. }) || is_listed(group)
            });
        }
        if !self.config.has_root {
            groups.retain(|group| group != "/");
        }
        (tree, groups)
    }

    fn look(&self, tree: Option<&Tree>, ids: &[String], known: &Containers) -> Snapshot {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut snapshot = Snapshot {
            taken_ms: i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            has_failed: tree.is_none(),
            ..Snapshot::default()
        };
        let Some(tree) = tree else { return snapshot };
        let mut oom = self.oom.lock().unwrap_or_else(PoisonError::into_inner);
        oom.update();
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner).retain(ids);
        self.perf.lock().unwrap_or_else(PoisonError::into_inner).retain(ids);
        let resctrl = if self.config.has("resctrl") { resctrl::Groups::read(&self.config.sys) } else { None };
        let pods = pods(known);
        for (idx, id) in ids.iter().enumerate() {
            // Gone since the list was made.
            let Some(stats) = tree.read(id) else { continue };
            let below = ids.get(idx + 1..).unwrap_or_default();
            let mut group = Group { id: id.clone(), stats, oom_kills: oom.count(id), ..Group::default() };
            let around = Around { below, known, pods: &pods, resctrl: resctrl.as_ref() };
            self.complete(&mut group, tree, &around);
            snapshot.groups.push(group);
        }
        snapshot.swap_used = host::swap_used(&self.config.proc);
        snapshot.disks = host::disks(&self.config.proc);
        if self.config.has("disk") || self.config.has("diskIO") {
            snapshot.file_systems = host::file_systems(&self.config);
        }
        snapshot
    }

    fn complete(&self, group: &mut Group, tree: &Tree, around: &Around<'_>) {
        let Around { below, known, pods, resctrl } = around;
        let pids = tree.processes(&group.id);
        // A container that runs an init system keeps its processes in groups of their own.
        let prefix = format!("{}/", group.id);
        let nested = below.iter().take_while(|other| other.starts_with(&prefix));
        let first = pids.first().copied();
        let first =
            || first.or_else(|| nested.into_iter().find_map(|other| tree.processes(other).first().copied()));
        let of_pod = |uid: &str, names: &mut Container| {
            if let Some(pod) = pods.get(uid) {
                (names.pod, names.namespace) = (pod.pod.clone(), pod.namespace.clone());
            }
        };
        let mut network_of = None;
        match identity::of(&group.id) {
            Kind::Root => network_of = Some(1),
            Kind::Other => {}
            Kind::Pod { uid } => {
                of_pod(&uid, &mut group.names);
                if known.is_empty() {
                    group.names.pod = uid;
                }
            }
            Kind::Container { id, pod_uid } => {
                let pid = first();
                let is_pause = || pid.is_some_and(|pid| processes::is_pause(&self.config.proc, pid));
                group.names = match known.get(&id) {
                    Some(container) => container.clone(),
                    None => nameless(&id, pod_uid.as_deref(), is_pause()),
                };
                if let Some(uid) = pod_uid.as_deref().filter(|_| group.names.namespace.is_empty()) {
                    of_pod(uid, &mut group.names);
                }
                let has_own = group.names.is_sandbox || group.names.pod.is_empty() && pod_uid.is_none();
                network_of = pid.filter(|_| has_own);
            }
        }
        if self.config.has("network") {
            group.network =
                network_of.and_then(|pid| processes::network(&self.config.proc, pid)).unwrap_or_default();
        }
        if self.config.has("process") {
            group.open = Some(processes::open(&self.config.proc, &pids));
        }
        let mut schedule = self.schedule.lock().unwrap_or_else(PoisonError::into_inner);
        group.extra = standalone::read(&self.config, &group.id, &pids, network_of, &mut schedule);
        drop(schedule);
        let mut perf = self.perf.lock().unwrap_or_else(PoisonError::into_inner);
        group.extra.perf = perf.read(&group.id, &perf::dir_of(&self.config.cgroups, &group.id));
        if let Some(resctrl) = resctrl {
            group.extra.caches = resctrl.of(&self.config.proc, group.id == "/", &pids);
        }
        group.started = started(tree, &group.id).max(self.machine.booted);
        group.created = if group.names.created > 0.0 { group.names.created } else { group.started };
    }
}

/// A container that only has a group: its pod and itself are told by their ids.
fn nameless(id: &str, pod_uid: Option<&str>, is_sandbox: bool) -> Container {
    Container {
        is_sandbox,
        name: id.to_owned(),
        pod: pod_uid.unwrap_or_default().to_owned(),
        container: if is_sandbox { String::new() } else { id.get(..SHORT_ID).unwrap_or(id).to_owned() },
        ..Container::default()
    }
}

/// A container of each pod, by the pod's uid.
fn pods(known: &Containers) -> BTreeMap<&str, &Container> {
    let named = known.values().filter(|container| !container.pod_uid.is_empty());
    named.map(|container| (container.pod_uid.as_str(), container)).collect()
}

/// The oldest time of the group's directories, or of the file that is written least.
fn started(tree: &Tree, group: &str) -> f64 {
    let seconds = |path: &Path| {
        let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()?;
        modified.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs_f64().floor())
    };
    let times = tree.directories(group).into_iter().flat_map(|dir| {
        let files = [dir.join("cgroup.clone_children"), dir.join("cgroup.events"), dir];
        files.iter().filter_map(|path| seconds(path)).collect::<Vec<_>>()
    });
    let oldest = times.fold(f64::INFINITY, f64::min);
    if oldest.is_finite() { oldest } else { 0.0 }
}

#[cfg(test)]
pub(crate) mod tests;
