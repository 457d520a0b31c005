//! The blocks of a data directory: loaded, listed in time order, replaced, deleted.
//!
//! Queries take the list as it is and keep its blocks readable by holding them, also when their directories are gone.
//! A directory that cannot be opened is set aside: left in place, named once in the log, counted, not read.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use tracing::{info, warn};

use super::counters::Counters;
use crate::block::{Block, BlockError, CREATION_SUFFIX, DELETION_SUFFIX, Ulid, repair_index_version};
use crate::disk::{self, Disk};
use crate::head::Chain;

/// Endings of directories that an interrupted process left behind.
const UNFINISHED: [&str; 3] = [CREATION_SUFFIX, DELETION_SUFFIX, ".tmp"];

/// Blocks by start.
pub(crate) type BlockList = Arc<Vec<Arc<Block>>>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Blocks {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    list: RwLock<BlockList>,
    /// Held while directories appear and vanish, so that the list and the directory agree.
    changing: Mutex<()>,
    /// What could not be opened, and why; so that it is named once.
    set_aside: Mutex<BTreeMap<Ulid, String>>,
    pub(crate) counters: Counters,
}

impl Blocks {
    /// Loads the blocks in `dir`, after removing what an interrupted process left unfinished.
    /// # Errors
    /// When the directory cannot be listed.
    pub(crate) fn open(disk: &Arc<dyn Disk>, dir: &Path) -> io::Result<Self> {
        remove_unfinished(&**disk, dir)?;
        let blocks = Self {
            disk: Arc::clone(disk),
            dir: dir.to_owned(),
            list: RwLock::default(),
            changing: Mutex::default(),
            set_aside: Mutex::default(),
            counters: Counters::default(),
        };
        blocks.load()?;
        Ok(blocks)
    }

    /// Returns the blocks as they are now, by start.
    pub(crate) fn list(&self) -> BlockList {
        Arc::clone(&self.list.read())
    }

    /// Returns how many directories were set aside.
    pub(crate) fn n_set_aside(&self) -> u64 {
        self.set_aside.lock().len() as u64
    }

    /// Returns the end of the newest block that holds all series of its range: older samples are in blocks.
    pub(crate) fn min_valid(&self) -> Option<i64> {
        let list = self.list();
        let whole = list.iter().filter(|block| !block.meta().has_origin_hint());
        whole.map(|block| block.meta().max_time).max()
    }

    /// Brings the list up to date with the directory: blocks that appeared are opened, those that vanished forgotten, and
    /// those that another block was made from are deleted. An error is logged and counted.
    pub(crate) fn reload(&self) {
        self.counters.reloads.add(1);
        if let Err(error) = self.load() {
            self.counters.reloads_failed.add(1);
            warn!(dir = %self.dir.display(), %error, "cannot list blocks");
        }
    }

    fn load(&self) -> io::Result<()> {
        let _changing = self.changing.lock();
        let known: BTreeMap<Ulid, Arc<Block>> =
            self.list().iter().map(|block| (block.meta().ulid, Arc::clone(block))).collect();
        let on_disk = list_dirs(&*self.disk, &self.dir)?;
        let mut loaded = BTreeMap::new();
        for (ulid, path) in &on_disk {
            match known.get(ulid) {
                Some(block) => {
                    loaded.insert(*ulid, Arc::clone(block));
                }
                None => {
                    if let Some(block) = self.open_block(*ulid, path) {
                        loaded.insert(*ulid, block);
                    }
                }
            }
        }
        self.set_aside.lock().retain(|ulid, _| on_disk.contains_key(ulid));
        let mut obsolete: Vec<Ulid> = loaded
            .values()
            .flat_map(|block| block.meta().compaction.parents.clone())
            .map(|parent| parent.ulid)
            .filter(|parent| on_disk.contains_key(parent))
            .collect();
        let deletable = loaded.values().filter(|block| block.meta().compaction.deletable);
        obsolete.extend(deletable.map(|block| block.meta().ulid));
        loaded
            .values()
            .filter(|block| obsolete.contains(&block.meta().ulid))
            .for_each(|block| keep_readable(block));
        loaded.retain(|ulid, _| !obsolete.contains(ulid));
        self.publish(loaded.into_values().collect());
        for ulid in obsolete {
            self.remove_dir(ulid);
        }
        Ok(())
    }

    fn open_block(&self, ulid: Ulid, path: &Path) -> Option<Arc<Block>> {
        match Block::open(&self.disk, path).and_then(|block| self.with_right_version(block, path)) {
            Ok(block) => {
                self.set_aside.lock().remove(&ulid);
                Some(block)
            }
            Err(error) => {
                let message = Chain(&error).to_string();
                let before = self.set_aside.lock().insert(ulid, message.clone());
                if before.as_ref() != Some(&message) {
                    self.counters.reloads_failed.add(1);
                    warn!(block = %ulid, dir = %path.display(), error = message, "a block cannot be read and is set aside: its data is missing from queries");
                }
                None
            }
        }
    }

    /// Corrects the numbers of a block of a release of 2017, so that others can read it as well. We can as it is.
    fn with_right_version(&self, block: Arc<Block>, path: &Path) -> Result<Arc<Block>, BlockError> {
        if block.meta().version == 1 {
            return Ok(block);
        }
        let dir = path.display();
        match repair_index_version(&self.disk, path) {
            Ok(_) => info!(%dir, "corrected the version numbers of a block"),
            Err(error) => {
                warn!(%dir, error = %Chain(&error), "cannot correct the version numbers of a block; it is read as it is");
                return Ok(block);
            }
        }
        Block::open(&self.disk, path)
    }

    fn publish(&self, mut blocks: Vec<Arc<Block>>) {
        blocks.sort_by_key(|block| (block.meta().min_time, block.meta().max_time, block.meta().ulid));
        *self.list.write() = Arc::new(blocks);
    }

    /// Deletes blocks. Queries that hold them go on.
    pub(crate) fn delete(&self, ulids: &[Ulid]) {
        if ulids.is_empty() {
            return;
        }
        let _changing = self.changing.lock();
        let list = self.list();
        let (going, kept): (Vec<_>, Vec<_>) =
            list.iter().cloned().partition(|block| ulids.contains(&block.meta().ulid));
        going.iter().for_each(|block| keep_readable(block));
        self.publish(kept);
        ulids.iter().for_each(|ulid| self.remove_dir(*ulid));
    }

    /// Removes a directory by way of a name that marks it as unfinished: a crash in between leaves no half block.
    fn remove_dir(&self, ulid: Ulid) {
        let path = self.dir.join(ulid.to_string());
        let going = self.dir.join(format!("{ulid}{DELETION_SUFFIX}"));
        let removed =
            self.disk.rename(&path, &going).and_then(|()| disk::remove_dir_if_present(&*self.disk, &going));
        match removed {
            Ok(()) => info!(block = %ulid, "block deleted"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => warn!(block = %ulid, %error, "cannot delete a block; trying again later"),
        }
    }

    /// Returns the bytes of all blocks.
    pub(crate) fn bytes(&self) -> u64 {
        self.list().iter().map(|block| block.size_bytes()).sum()
    }
}

/// Maps all chunk files of a block that is about to go: queries that hold it may ask for any of them.
fn keep_readable(block: &Block) {
    let files = block.chunk_files();
    // What cannot be mapped now could not be read later either.
    (0..files.n_files()).for_each(|idx| drop(files.file(idx)));
}

/// Returns the directories whose names are those of blocks.
fn list_dirs(disk: &dyn Disk, dir: &Path) -> io::Result<BTreeMap<Ulid, PathBuf>> {
    let entries = disk.list(dir)?.into_iter().filter(|entry| entry.info.is_dir);
    Ok(entries.filter_map(|entry| Some((entry.name.parse().ok()?, entry.path))).collect())
}

/// Removes directories of blocks that were being written or deleted when the process ended, and another program's chunk
/// snapshots: the log says the same, and from now on more, which who goes back to that program must not miss.
fn remove_unfinished(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    for entry in disk.list(dir)?.into_iter().filter(|entry| entry.info.is_dir) {
        let stem = UNFINISHED.iter().find_map(|ending| entry.name.strip_suffix(ending));
        let is_snapshot = entry.name.starts_with("chunk_snapshot.");
        if !is_snapshot && stem.is_none_or(|stem| stem.parse::<Ulid>().is_err()) {
            continue;
        }
        let what = if is_snapshot { "chunk snapshot of another program" } else { "unfinished directory" };
        match disk.remove_dir_all(&entry.path) {
            Ok(()) => info!(dir = %entry.path.display(), what, "removed what is out of date"),
            Err(error) => {
                warn!(dir = %entry.path.display(), what, %error, "cannot remove what is out of date");
            }
        }
    }
    Ok(())
}
