//! `serverset_sd_configs` and `nerve_sd_configs`: nodes of ZooKeeper trees that hold a server each.
//!
//! # Reading order: this file, `tree` (which nodes there are), `wire` (the protocol), `member` (what a node says).

mod member;
mod tree;
mod wire;

use std::time::Duration;

use tokio::net::TcpStream;
use wf_config::section::Section;

use crate::source::{Running, SdError, Source, Updates};
use tree::Tree;
use wire::Session;

pub(crate) use member::{Format, target};

/// Pause after a failure.
const RETRY: Duration = Duration::from_secs(1);

/// Servers and the trees to follow on one of them.
#[derive(Debug)]
pub(crate) struct ZooKeeper {
    servers: Vec<String>,
    paths: Vec<String>,
    timeout: Duration,
    format: Format,
}

impl ZooKeeper {
    pub(crate) fn new(section: &Section, format: Format) -> Self {
        Self {
            servers: section.texts("servers"),
            paths: section.texts("paths"),
            timeout: section.time("timeout").max(Duration::from_secs(1)),
            format,
        }
    }
}

impl Source for ZooKeeper {
    fn run(self: Box<Self>, updates: Updates) -> Running {
        Box::pin(async move {
            // A server that does not answer makes room for the next.
            let mut n_failures = 0;
            loop {
                let server =
                    self.servers.get(n_failures % self.servers.len().max(1)).cloned().unwrap_or_default();
                if let Err(error) = self.follow(&server, &updates).await {
                    updates.failed(&format!("{server}: {error}"));
                    n_failures += 1;
                }
                tokio::time::sleep(RETRY).await;
            }
        })
    }
}

impl ZooKeeper {
    /// Reads the trees and follows their changes until the connection breaks.
    async fn follow(&self, server: &str, updates: &Updates) -> Result<(), SdError> {
        let address = if server.contains(':') { server.to_owned() } else { format!("{server}:2181") };
        let late = |_| format!("no connection within {:?}", self.timeout);
        let stream =
            tokio::time::timeout(self.timeout, TcpStream::connect(address)).await.map_err(late)??;
        let mut session = Session::open(stream, self.timeout).await?;
        let mut tree = Tree::new(&self.paths);
        tree.read_pending(&mut session).await?;
        // Now all of the trees is known: what is only remembered from before is gone.
        updates.replace(tree.groups(self.format));
        loop {
            tree.note(&session.next_event().await?);
            // Events that came together are answered together.
            while let Some(event) = session.ready_event() {
                tree.note(&event);
            }
            tree.read_pending(&mut session).await?;
            updates.replace(tree.groups(self.format));
        }
    }
}
