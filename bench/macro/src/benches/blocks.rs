//! Blocks in a data directory, as both Prometheus and we lay them out: a folder per block, complete once its meta.json is there.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::meter::folder_bytes;
use crate::process::wait_until;

/// Characters of a block's name, an ULID.
const NAME_LEN: usize = 26;

/// What lies in a data directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blocks {
    /// Names, sorted.
    pub names: Vec<String>,
    /// Whether a block is being written just now.
    pub is_writing: bool,
    /// Samples of all blocks, by their meta.json.
    pub n_samples: u64,
    /// Bytes of all files of all blocks.
    pub bytes: u64,
    /// Of these, samples.
    pub chunk_bytes: u64,
    /// Of these, the index.
    pub index_bytes: u64,
}

/// Reads which blocks lie in `data`.
/// # Errors
/// When the folder or a meta.json cannot be read.
pub fn list(data: &Path) -> Result<Blocks> {
    let mut blocks = Blocks::default();
    let entries = fs::read_dir(data).with_context(|| format!("list {}", data.display()))?;
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    folders.sort();
    for folder in folders {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (stem, extension) = name.split_once('.').unwrap_or((&name, ""));
        let is_block = stem.len() == NAME_LEN && stem.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if is_block && !extension.is_empty() {
            blocks.is_writing |= extension.starts_with("tmp");
        } else if is_block && folder.join("meta.json").exists() {
            blocks.add(name, &folder)?;
        }
    }
    Ok(blocks)
}

impl Blocks {
    fn add(&mut self, name: String, folder: &Path) -> Result<()> {
        let path = folder.join("meta.json");
        let text = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        let meta: Value =
            serde_json::from_slice(&text).with_context(|| format!("read {}", path.display()))?;
        self.names.push(name);
        self.n_samples += meta["stats"]["numSamples"].as_u64().unwrap_or(0);
        self.bytes += folder_bytes(folder);
        self.chunk_bytes += folder_bytes(&folder.join("chunks"));
        self.index_bytes += fs::metadata(folder.join("index")).map_or(0, |index| index.len());
        Ok(())
    }
}

/// Gives `to` the blocks of `from` by hard links: blocks never change, so several servers can share one set, each with a
/// directory, a log and deletions of its own.
/// # Errors
/// When the disk refuses, or the folders are on different ones.
pub fn link(from: &Path, to: &Path) -> Result<()> {
    for name in list(from)?.names {
        link_folder(&from.join(&name), &to.join(&name))?;
    }
    Ok(())
}

fn link_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("create {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("list {}", from.display()))? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            link_folder(&source, &target)?;
        } else {
            fs::hard_link(&source, &target).with_context(|| format!("link {}", target.display()))?;
        }
    }
    Ok(())
}

/// Waits until blocks have changed from `before` and then stayed as they are for `quiet`.
/// # Errors
/// When that does not happen `within`.
pub fn wait_for_change(data: &Path, before: &Blocks, quiet: Duration, within: Duration) -> Result<Blocks> {
    let (mut last, mut since) = (before.clone(), Instant::now());
    wait_until(within, "another set of blocks", || {
        // A block may vanish between listing and reading: look again.
        let Ok(now) = list(data) else { return Ok(false) };
        if now != last {
            (last, since) = (now, Instant::now());
        }
        Ok(last.names != before.names && !last.is_writing && since.elapsed() >= quiet)
    })?;
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_told_from_what_lies_beside_them() {
        let data = tempfile::tempdir().unwrap();
        let block = data.path().join("01HZZZZZZZZZZZZZZZZZZZZZZZ");
        fs::create_dir_all(block.join("chunks")).unwrap();
        fs::create_dir_all(data.path().join("chunks_head")).unwrap();
        assert_eq!(list(data.path()).unwrap(), Blocks::default(), "without meta.json it is no block");
        fs::write(block.join("chunks/000001"), [0; 30]).unwrap();
        fs::write(block.join("index"), [0; 7]).unwrap();
        fs::write(block.join("meta.json"), r#"{"stats":{"numSamples":5}}"#).unwrap();
        let found = list(data.path()).unwrap();
        assert_eq!((found.names.len(), found.n_samples), (1, 5));
        assert_eq!((found.bytes, found.chunk_bytes, found.index_bytes), (63, 30, 7));
        let other = tempfile::tempdir().unwrap();
        link(data.path(), other.path()).unwrap();
        assert_eq!(list(other.path()).unwrap(), found);
        fs::create_dir(data.path().join("01HZZZZZZZZZZZZZZZZZZZZZZY.tmp-for-creation")).unwrap();
        assert!(list(data.path()).unwrap().is_writing);
    }
}
