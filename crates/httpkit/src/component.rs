//! How the long-running parts of Watchfire look, start and stop.
//!
//! Learn one, know all. A component (server, exporter, alertmanager, …) is a library with these items:
//!
//! | Item | Meaning |
//! |---|---|
//! | `Config` | what was asked for, parsed and validated from flags and file; one per component, never the whole |
//! | `X::new(config, …) -> Result<X>` | builds everything that can fail; spawns nothing |
//! | `x.router() -> axum::Router` | its HTTP face, which [`crate::server::serve`] puts on a listener |
//! | `x.run(stop).await -> Result<()>` | works until `stop` is cancelled and everything is flushed |
//! | `x.reload(config) -> Result<()>` | takes a new configuration as a whole, or keeps the old one |
//! | `Metrics` | its numbers, built from a [`crate::Registry`] handle |
//!
//! The binary wires them with a [`Group`]: one stop token, and the end of one part ends all.
//! # Not here: a trait. The binary knows each component by its type, so none is needed yet.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

/// Any error of a component, for display.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a group of components ended otherwise than asked.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// A component failed; the others were stopped.
    #[error("{name} failed")]
    Failed {
        /// The component.
        name: &'static str,
        /// Its error.
        source: BoxError,
    },
    /// A component panicked; the others were stopped.
    #[error("{name} panicked: this is a bug, see the log")]
    Panicked {
        /// The component.
        name: &'static str,
    },
    /// A component returned although nobody asked it to; the others were stopped.
    #[error("{name} ended on its own")]
    Ended {
        /// The component.
        name: &'static str,
    },
    /// Components did not stop in time and were abandoned.
    #[error("{} did not stop within {} s", names.join(", "), deadline.as_secs())]
    Stuck {
        /// Those still running.
        names: Vec<&'static str>,
        /// How long they had.
        deadline: Duration,
    },
}

/// Components that live and die together.
pub struct Group {
    stop: CancellationToken,
    tasks: JoinSet<Result<(), BoxError>>,
    names: Vec<(Id, &'static str)>,
}

impl Group {
    /// Starts an empty group that `stop` ends.
    pub fn new(stop: CancellationToken) -> Self {
        Self { stop, tasks: JoinSet::new(), names: Vec::new() }
    }

    /// Spawns a component; `run` receives a child of the group's token.
    pub fn spawn<F, E>(&mut self, name: &'static str, run: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let future = run(self.stop.child_token());
        let handle = self.tasks.spawn(async move { future.await.map_err(Into::into) });
        self.names.push((handle.id(), name));
    }

    /// Waits until the token is cancelled or a component ends, then stops all and waits for them.
    /// # Errors
    /// The first failure; a clean stop on request is no error.
    pub async fn wait(mut self, stop_within: Duration) -> Result<(), GroupError> {
        let mut first_error = None;
        while let Some(ended) = self.next_until_stop().await {
            first_error = first_error.or(ended);
        }
        let drain = async {
            while let Some(joined) = self.tasks.join_next_with_id().await {
                let ended = outcome(&mut self.names, joined, Expected::Yes);
                first_error = first_error.take().or(ended);
            }
        };
        let is_drained = tokio::time::timeout(stop_within, drain).await.is_ok();
        match first_error {
            Some(error) => Err(error),
            None if is_drained => Ok(()),
            None => {
                let names = self.names.iter().map(|(_, name)| *name).collect();
                Err(GroupError::Stuck { names, deadline: stop_within })
            }
        }
    }

    /// Returns the next end of a component as long as nobody asked to stop; the first end asks everybody to.
    async fn next_until_stop(&mut self) -> Option<Option<GroupError>> {
        if self.stop.is_cancelled() {
            return None;
        }
        let joined = tokio::select! {
            biased;
            () = self.stop.cancelled() => return None,
            joined = self.tasks.join_next_with_id() => joined?,
        };
        self.stop.cancel();
        Some(outcome(&mut self.names, joined, Expected::No))
    }
}

enum Expected {
    Yes,
    No,
}

type Joined = Result<(Id, Result<(), BoxError>), tokio::task::JoinError>;

fn outcome(names: &mut Vec<(Id, &'static str)>, joined: Joined, expected: Expected) -> Option<GroupError> {
    let (id, result) = match joined {
        Ok((id, result)) => (id, Some(result)),
        Err(error) => (error.id(), None),
    };
    let position = names.iter().position(|(other, _)| *other == id)?;
    let (_, name) = names.swap_remove(position);
    match (result, expected) {
        (None, _) => Some(GroupError::Panicked { name }),
        (Some(Err(source)), _) => Some(GroupError::Failed { name, source }),
        (Some(Ok(())), Expected::No) => Some(GroupError::Ended { name }),
        (Some(Ok(())), Expected::Yes) => None,
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Group({:?})", self.names.iter().map(|(_, name)| name).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn until(stop: CancellationToken) -> Result<(), std::io::Error> {
        stop.cancelled().await;
        Ok(())
    }

    #[tokio::test]
    async fn a_failure_stops_the_others_and_is_told() {
        let mut group = Group::new(CancellationToken::new());
        group.spawn("patient", until);
        group.spawn("broken", |_| async { Err(std::io::Error::other("no disk")) });
        let error = group.wait(Duration::from_secs(60)).await.unwrap_err();
        assert_eq!(error.to_string(), "broken failed");
    }

    #[tokio::test]
    async fn a_requested_stop_is_clean() {
        let stop = CancellationToken::new();
        let mut group = Group::new(stop.clone());
        group.spawn("a", until);
        group.spawn("b", until);
        stop.cancel();
        group.wait(Duration::from_secs(60)).await.unwrap();
    }

    #[tokio::test]
    async fn who_ends_early_or_never_is_named() {
        let mut group = Group::new(CancellationToken::new());
        group.spawn("early", |_| async { Ok::<_, std::io::Error>(()) });
        group.spawn("deaf", |_| std::future::pending::<Result<(), std::io::Error>>());
        assert_eq!(group.wait(Duration::ZERO).await.unwrap_err().to_string(), "early ended on its own");
        let stop = CancellationToken::new();
        let mut group = Group::new(stop.clone());
        group.spawn("deaf", |_| std::future::pending::<Result<(), std::io::Error>>());
        stop.cancel();
        assert_eq!(group.wait(Duration::ZERO).await.unwrap_err().to_string(), "deaf did not stop within 0 s");
    }
}
