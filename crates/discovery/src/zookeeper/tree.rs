//! The nodes below some paths: read once, then kept true by watches.

use std::collections::{BTreeMap, BTreeSet};

use wf_model::Labels;

use super::member::{self, Format};
use super::wire::{Event, EventKind, Session};
use crate::group::TargetGroup;
use crate::source::SdError;

/// Nodes of all trees; more are refused.
const NODES_MAX: usize = 100_000;

/// Known nodes, and those that must be read (again).
#[derive(Debug)]
pub(super) struct Tree {
    roots: Vec<String>,
    /// Data of each node.
    nodes: BTreeMap<String, Vec<u8>>,
    pending: BTreeSet<String>,
}

impl Tree {
    pub(super) fn new(roots: &[String]) -> Self {
        let roots: Vec<String> = roots.iter().map(|path| clean(path)).collect();
        let pending = roots.iter().cloned().collect();
        Self { roots, nodes: BTreeMap::new(), pending }
    }

    /// Notes what an event makes necessary to read.
    pub(super) fn note(&mut self, event: &Event) {
        match event.kind {
            EventKind::Deleted => {
                self.forget(&event.path);
                if self.roots.contains(&event.path) {
                    self.pending.insert(event.path.clone());
                }
            }
            EventKind::Changed => {
                self.pending.insert(event.path.clone());
            }
        }
    }

    /// Reads what must be read, and what that brings to light.
    pub(super) async fn read_pending(&mut self, session: &mut Session) -> Result<(), SdError> {
        while let Some(path) = self.pending.pop_first() {
            self.read(&path, session).await?;
            if self.nodes.len() > NODES_MAX {
                return Err(format!("more than {NODES_MAX} nodes").into());
            }
        }
        Ok(())
    }

    async fn read(&mut self, path: &str, session: &mut Session) -> Result<(), SdError> {
        let Some(data) = session.data(path).await? else {
            self.forget(path);
            // A root may come yet; any other node is in its parent's list when it does.
            if self.roots.iter().any(|root| root == path) && session.watch_existence(path).await? {
                self.pending.insert(path.to_owned());
            }
            return Ok(());
        };
        let Some(children) = session.children(path).await? else {
            self.forget(path);
            return Ok(());
        };
        self.nodes.insert(path.to_owned(), data);
        let prefix = if path == "/" { "/".to_owned() } else { format!("{path}/") };
        let children: BTreeSet<String> = children.iter().map(|name| format!("{prefix}{name}")).collect();
        let gone: Vec<String> = self
            .nodes
            .keys()
            .filter(|known| known.starts_with(&prefix) && *known != path)
            .filter(|known| !children.contains(&child_of(&prefix, known)))
            .cloned()
            .collect();
        for path in gone {
            self.nodes.remove(&path);
        }
        self.pending.extend(children.into_iter().filter(|child| !self.nodes.contains_key(child)));
        Ok(())
    }

    fn forget(&mut self, path: &str) {
        let below = format!("{path}/");
        self.nodes.retain(|known, _| known != path && !known.starts_with(&below));
    }

    /// Returns a group for every node that holds a server.
    pub(super) fn groups(&self, format: Format) -> Vec<TargetGroup> {
        let group = |(path, data): (&String, &Vec<u8>)| {
            let target = member::target(format, path, data)?;
            Some(TargetGroup { source: path.clone(), targets: vec![target], labels: Labels::empty() })
        };
        self.nodes.iter().filter_map(group).collect()
    }
}

/// Returns the direct child of a folder that `path` is or lies below.
fn child_of(prefix: &str, path: &str) -> String {
    let rest = path.strip_prefix(prefix).unwrap_or(path);
    format!("{prefix}{}", rest.split('/').next().unwrap_or(rest))
}

fn clean(path: &str) -> String {
    match path.trim_end_matches('/') {
        "" => "/".to_owned(),
        path => path.to_owned(),
    }
}
