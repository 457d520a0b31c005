//! What a container runtime knows about containers: names, images, pods.
//!
//! Lists are asked when a group with an unknown id appears, and anew every minute; what was learned is kept. A runtime
//! that does not answer is asked again later: groups are shown without names until then.

mod cri;
mod docker;
mod http;
mod kubelet;
mod proto;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::time::timeout;
use wf_exposition::LabelPair;

use crate::config::Config;
use crate::shown::Shown;

use kubelet::Kubelet;
pub use kubelet::KubeletOptions;

/// How long a runtime may take for all questions of one scrape.
const PATIENCE: Duration = Duration::from_secs(3);

/// After a failure, and where an id stays unknown, the runtime is left alone this long.
const PAUSE: Duration = Duration::from_secs(10);

/// A container or a pod's sandbox as the runtime describes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Container {
    /// Whether it is the sandbox, which owns the pod's network.
    pub is_sandbox: bool,
    /// Its name: the id for CRI, what the user chose for Docker.
    pub name: String,
    /// Image as the user wrote it.
    pub image: String,
    /// Pod, if any.
    pub pod: String,
    /// Namespace of the pod.
    pub namespace: String,
    /// Uid of the pod.
    pub pod_uid: String,
    /// Name within the pod; empty for sandboxes.
    pub container: String,
    /// When it was created, seconds since the epoch; 0 is not known.
    pub created: f64,
    /// Labels and variables that are shown, as labels of metrics.
    pub shown: Vec<LabelPair>,
}

/// Containers by id.
pub type Containers = BTreeMap<String, Container>;

/// Why a runtime does not help.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// It cannot be reached.
    #[error("connect to {socket}: {why}")]
    Connect {
        /// Its socket.
        socket: String,
        /// Why.
        why: String,
    },
    /// It does not answer as documented.
    #[error("ask {socket} for {what}: {why}")]
    Answer {
        /// Its socket.
        socket: String,
        /// The question.
        what: String,
        /// What is wrong.
        why: String,
    },
    /// It takes too long.
    #[error("no answer from {socket} within {PATIENCE:?}")]
    Late {
        /// Its socket.
        socket: String,
    },
}

/// The runtime of this host, if one is found.
#[derive(Debug)]
pub struct Runtime {
    cri_sockets: Vec<PathBuf>,
    docker_socket: PathBuf,
    kubelet: Option<Kubelet>,
    shown: Shown,
    /// Lists are compared with the runtime's this often even when nothing new appeared.
    refresh: Duration,
    known: Containers,
    next_at: Instant,
    full_at: Instant,
    has_failed: bool,
}

impl Runtime {
    /// Makes a runtime that will be looked for at the sockets of `config`. Where none exists the kubelet is asked.
    pub fn new(config: &Config, now: Instant) -> Self {
        let kubelet = Kubelet::new(&config.kubelet).unwrap_or_else(|error| {
            tracing::warn!(%error, "the kubelet will not be asked for names of containers");
            None
        });
        Self {
            cri_sockets: config.cri_sockets.clone(),
            docker_socket: config.docker_socket.clone(),
            kubelet,
            shown: config.shown.clone(),
            refresh: config.refresh,
            known: Containers::new(),
            next_at: now,
            full_at: now,
            has_failed: false,
        }
    }

    /// Returns what is known.
    pub fn known(&self) -> &Containers {
        &self.known
    }

    /// Learns about `ids`, which are those that have groups now, and forgets all others.
    pub async fn learn(&mut self, ids: &[String], now: Instant) {
        self.known.retain(|id, _| ids.contains(id));
        let has_unknown = ids.iter().any(|id| !self.known.contains_key(id));
        if now < self.next_at || !(has_unknown || now >= self.full_at && !ids.is_empty()) {
            return;
        }
        self.full_at = now + self.refresh;
        match self.ask(ids).await {
            Ok(found) => {
                self.has_failed = false;
                self.known.extend(found);
                if ids.iter().any(|id| !self.known.contains_key(id)) {
                    self.next_at = now + PAUSE;
                }
            }
            Err(error) => {
                self.next_at = now + PAUSE;
                // Once for a row of failures: the next scrape will find the same.
                if !std::mem::replace(&mut self.has_failed, true) {
                    tracing::warn!(%error, "the container runtime does not help: containers have no names");
                }
            }
        }
    }

    async fn ask(&self, ids: &[String]) -> Result<Containers, RuntimeError> {
        let cri = self.cri_sockets.iter().find(|socket| socket.exists());
        let socket = match cri {
            Some(socket) => socket,
            None if self.docker_socket.exists() => &self.docker_socket,
            None => {
                let Some(kubelet) = &self.kubelet else { return Ok(Containers::new()) };
                let mut found = kubelet.containers(&self.shown).await?;
                found.retain(|id, _| ids.contains(id));
                return Ok(found);
            }
        };
        let answer = async {
            match cri {
                Some(socket) => cri::containers(socket, ids, &self.known, &self.shown).await,
                None => docker::containers(socket, ids, &self.known, &self.shown).await,
            }
        };
        timeout(PATIENCE, answer).await.unwrap_or_else(|_| Err(RuntimeError::Late { socket: shown(socket) }))
    }
}

fn shown(socket: &Path) -> String {
    socket.display().to_string()
}

#[cfg(test)]
pub(crate) mod tests;
