//! What a power cut leaves: a model of a file system that knows what was synced and what was not.
//!
//! The model is the strictest that POSIX allows: a file's bytes are safe after its own sync, a name after a sync of its
//! directory, and until then each may be on the disk or not, in any order, pages of 4 KiB at a time. Only a rename within
//! one directory is atomic.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::{Rng, Survival};
use crate::disk::{Disk, OsDisk};

const PAGE: u64 = 4096;
const PAGE_LEN: usize = 4096;

/// Names of one directory.
type Names = BTreeMap<String, Node>;

/// Something with a name: an index into the files or directories of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    File(usize),
    Dir(usize),
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    SetLen(u64),
}

#[derive(Clone, Debug)]
enum NameChange {
    Set(String, Node),
    Remove(String),
    Rename { from: String, to: String, node: Node },
}

/// Sparse bytes.
#[derive(Clone, Debug, Default)]
struct Content {
    len: u64,
    pages: BTreeMap<u64, Vec<u8>>,
}

#[derive(Debug, Default)]
struct FileState {
    durable: Content,
    /// Changes since the last sync, and whether a failed one took them.
    pending: Vec<(Change, bool)>,
}

#[derive(Debug, Default)]
struct DirState {
    live: Names,
    durable: Names,
    pending: Vec<NameChange>,
}

/// The file system below one directory.
#[derive(Debug)]
pub(super) struct Journal {
    root: PathBuf,
    files: Vec<FileState>,
    /// The first is the root.
    dirs: Vec<DirState>,
}

impl Content {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Write { offset, bytes } => self.write(*offset, bytes),
            Change::SetLen(len) => {
                self.len = *len;
                self.pages.retain(|page, _| page * PAGE < *len);
                let in_last = usize::try_from(len % PAGE).unwrap_or(0);
                if in_last > 0
                    && let Some(page) = self.pages.get_mut(&(len / PAGE))
                {
                    page.get_mut(in_last..).unwrap_or_default().fill(0);
                }
            }
        }
    }

    fn write(&mut self, mut offset: u64, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let at = usize::try_from(offset % PAGE).unwrap_or(0);
            let (now, later) = bytes.split_at(bytes.len().min(PAGE_LEN - at));
            // Sparse files stay sparse.
            if self.pages.contains_key(&(offset / PAGE)) || now.iter().any(|byte| *byte != 0) {
                let page = self.pages.entry(offset / PAGE).or_insert_with(|| vec![0; PAGE_LEN]);
                page.get_mut(at..at + now.len()).unwrap_or_default().copy_from_slice(now);
            }
            offset += now.len() as u64;
            bytes = later;
        }
        self.len = self.len.max(offset);
    }

    /// Applies what a power cut lets through of a change that was under way.
    fn apply_torn(&mut self, change: &Change, rng: &mut Rng) {
        let Change::Write { offset, bytes } = change else { return self.apply(change) };
        let (mut at, mut rest) = (*offset, bytes.as_slice());
        while !rest.is_empty() {
            let in_page = usize::try_from(PAGE - at % PAGE).unwrap_or(PAGE_LEN);
            let (now, later) = rest.split_at(rest.len().min(in_page));
            if rng.is_heads() {
                self.write(at, now);
            }
            at += now.len() as u64;
            rest = later;
        }
    }

    fn save(&self, path: &Path) -> io::Result<()> {
        let file = OsDisk.create_new(path)?;
        file.set_len(self.len)?;
        for (page, bytes) in &self.pages {
            let offset = page * PAGE;
            let n_bytes = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(PAGE_LEN).min(PAGE_LEN);
            file.write_all_at(bytes.get(..n_bytes).unwrap_or_default(), offset)?;
        }
        Ok(())
    }
}

impl NameChange {
    fn apply(&self, names: &mut Names) {
        match self {
            Self::Set(name, node) => drop(names.insert(name.clone(), *node)),
            Self::Remove(name) => drop(names.remove(name)),
            Self::Rename { from, to, node } => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
        }
    }
}

impl Journal {
    /// Takes what is below `root` for safely on the disk.
    pub(super) fn of(root: &Path) -> io::Result<Self> {
        let mut journal = Self { root: root.to_owned(), files: Vec::new(), dirs: Vec::new() };
        journal.load(root)?;
        Ok(journal)
    }

    fn load(&mut self, dir: &Path) -> io::Result<usize> {
        let dir_idx = self.dirs.len();
        self.dirs.push(DirState::default());
        for entry in OsDisk.list(dir)? {
            let node = if entry.info.is_dir {
                Node::Dir(self.load(&entry.path)?)
            } else {
                let mut durable = Content { len: entry.info.len, ..Content::default() };
                durable.write(0, &OsDisk.read(&entry.path)?);
                self.files.push(FileState { durable, pending: Vec::new() });
                Node::File(self.files.len() - 1)
            };
            if let Some(state) = self.dirs.get_mut(dir_idx) {
                state.live.insert(entry.name.clone(), node);
                state.durable.insert(entry.name, node);
            }
        }
        Ok(dir_idx)
    }

    /// Returns what has this path now; `None` for what is not below the root.
    pub(super) fn find(&self, path: &Path) -> Option<Node> {
        let mut node = Node::Dir(0);
        for name in path.strip_prefix(&self.root).ok()? {
            let Node::Dir(dir) = node else { return None };
            node = *self.dirs.get(dir)?.live.get(name.to_str()?)?;
        }
        Some(node)
    }

    fn parent(&mut self, path: &Path) -> Option<(&mut DirState, String)> {
        let name = path.file_name()?.to_str()?.to_owned();
        match self.find(path.parent()?)? {
            Node::Dir(dir) => Some((self.dirs.get_mut(dir)?, name)),
            Node::File(_) => None,
        }
    }

    fn change_name(&mut self, path: &Path, change: impl FnOnce(String) -> NameChange) {
        if let Some((dir, name)) = self.parent(path) {
            let change = change(name);
            change.apply(&mut dir.live);
            dir.pending.push(change);
        }
    }

    pub(super) fn create_file(&mut self, path: &Path) -> Option<usize> {
        let file = self.files.len();
        self.files.push(FileState::default());
        self.change_name(path, |name| NameChange::Set(name, Node::File(file)));
        Some(file)
    }

    pub(super) fn create_dir(&mut self, path: &Path) {
        if self.find(path).is_none() {
            let dir = self.dirs.len();
            self.dirs.push(DirState::default());
            self.change_name(path, |name| NameChange::Set(name, Node::Dir(dir)));
        }
    }

    pub(super) fn remove(&mut self, path: &Path) {
        self.change_name(path, NameChange::Remove);
    }

    pub(super) fn link(&mut self, from: &Path, to: &Path) {
        if let Some(node) = self.find(from) {
            self.change_name(to, |name| NameChange::Set(name, node));
        }
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) {
        let Some(node) = self.find(from) else { return };
        if from.parent() == to.parent()
            && let Some(from_name) = from.file_name().and_then(|name| name.to_str())
        {
            let from = from_name.to_owned();
            self.change_name(to, |to| NameChange::Rename { from, to, node });
        } else {
            self.change_name(to, |name| NameChange::Set(name, node));
            self.change_name(from, NameChange::Remove);
        }
    }

    pub(super) fn write(&mut self, file: usize, offset: u64, bytes: &[u8]) {
        self.change(file, Change::Write { offset, bytes: bytes.to_owned() });
    }

    pub(super) fn set_len(&mut self, file: usize, len: u64) {
        self.change(file, Change::SetLen(len));
    }

    fn change(&mut self, file: usize, change: Change) {
        if let Some(state) = self.files.get_mut(file) {
            state.pending.push((change, false));
        }
    }

    pub(super) fn sync_file(&mut self, file: usize) {
        if let Some(FileState { durable, pending }) = self.files.get_mut(file) {
            // What a failed sync took is marked clean: no later sync writes it.
            pending.drain(..).filter(|(_, is_gone)| !is_gone).for_each(|(change, _)| durable.apply(&change));
        }
    }

    /// A sync fails: the kernel forgets that the pages are dirty.
    pub(super) fn fail_sync(&mut self, file: usize) {
        if let Some(state) = self.files.get_mut(file) {
            state.pending.iter_mut().for_each(|(_, is_gone)| *is_gone = true);
        }
    }

    pub(super) fn sync_dir(&mut self, path: &Path) {
        if let Some(Node::Dir(dir)) = self.find(path)
            && let Some(state) = self.dirs.get_mut(dir)
        {
            state.durable = state.live.clone();
            state.pending.clear();
        }
    }

    /// Writes to `target`, an empty directory, what is on the disk after a power cut.
    pub(super) fn save(&self, target: &Path, survival: Survival, rng: &mut Rng) -> io::Result<()> {
        self.save_dir(0, target, survival, rng)
    }

    fn save_dir(&self, dir: usize, target: &Path, survival: Survival, rng: &mut Rng) -> io::Result<()> {
        let Some(state) = self.dirs.get(dir) else { return Ok(()) };
        let mut names = state.durable.clone();
        for change in survivors(&state.pending, survival, rng).0 {
            change.apply(&mut names);
        }
        for (name, node) in names {
            let path = target.join(name);
            match node {
                Node::Dir(dir) => {
                    OsDisk.create_dir_all(&path)?;
                    self.save_dir(dir, &path, survival, rng)?;
                }
                Node::File(file) => {
                    if let Some(state) = self.files.get(file) {
                        state.content(survival, rng).save(&path)?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl FileState {
    fn content(&self, survival: Survival, rng: &mut Rng) -> Content {
        let mut content = self.durable.clone();
        let (whole, torn) = survivors(&self.pending, survival, rng);
        for (change, is_gone) in whole {
            if survival == Survival::Any {
                content.apply_torn(change, rng);
            } else if survival == Survival::Everything || !is_gone {
                content.apply(change);
            }
        }
        if let Some((change, false)) = torn {
            content.apply_torn(change, rng);
        }
        content
    }
}

/// Returns what of `pending` is on the disk, and what came half-way there.
fn survivors<'a, T>(pending: &'a [T], survival: Survival, rng: &mut Rng) -> (Vec<&'a T>, Option<&'a T>) {
    match survival {
        Survival::Nothing => (Vec::new(), None),
        Survival::Everything => (pending.iter().collect(), None),
        Survival::Prefix => {
            let n_whole = rng.below(pending.len() + 1);
            (pending.iter().take(n_whole).collect(), pending.get(n_whole))
        }
        Survival::Any => (pending.iter().filter(|_| rng.is_heads()).collect(), None),
    }
}
