//! Makes a damaged data directory usable again, and says what that costs.
//!
//! Nothing is thrown away: what is replaced or cannot be read gets a name that ends in `.damaged`, except for a torn end of
//! the log, which holds no whole record, and directories that an interrupted run left unfinished.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ToolError;
use super::verify::verify_log;
use crate::block::{
    Block, BlockError, BlockWriter, CREATION_SUFFIX, ChunkMeta, DELETION_SUFFIX, Findings, Interval,
    MetaDraft, OutChunk, SeriesEntry, Tombstones, Ulid, repair_index_version, tombstones, verify_block,
};
use crate::dirlock::DirLock;
use crate::disk::{Disk, os_disk};
use crate::head::is_sound;
use crate::head_chunks;
use crate::wal::ReadError;
use crate::wal::Reader;
use crate::wal::repair::{bridge_gap, mend};
use crate::{chunk, head, head::Chain};

/// End of the name of what was set aside.
const ASIDE: &str = "damaged";

/// Whether anything is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Only says what would be done. The directory may be in use.
    DryRun,
    /// Does it. The directory must not be in use.
    Apply,
}

/// One thing that was done, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// To which file or directory.
    pub path: PathBuf,
    /// What, and what it costs.
    pub what: String,
}

/// A repair under way.
struct Repair {
    disk: Arc<dyn Disk>,
    mode: Mode,
    now_ms: i64,
    steps: Vec<Step>,
}

/// Repairs what [`super::verify`] finds in `dir`: blocks are written anew without what is damaged, or set aside; damaged
/// records of logs and damaged head chunks are taken out.
/// # Errors
/// When the directory is in use, or a step fails; what was done before stays.
pub fn repair(dir: &Path, mode: Mode, now_ms: i64) -> Result<Vec<Step>, ToolError> {
    let disk = os_disk();
    let entries = disk.list(dir).map_err(BlockError::io("list", dir))?;
    let _lock = if mode == Mode::Apply { Some(DirLock::acquire(dir)?) } else { None };
    let mut repair = Repair { disk, mode, now_ms, steps: Vec::new() };
    for entry in entries {
        if entry.info.is_dir && entry.name.parse::<Ulid>().is_ok() {
            repair.block(dir, &entry.path)?;
        } else if [CREATION_SUFFIX, DELETION_SUFFIX].iter().any(|suffix| entry.name.ends_with(suffix)) {
            repair.note(&entry.path, "removed: left over from an interrupted run".to_owned());
            if mode == Mode::Apply {
                let removed = repair.disk.remove_dir_all(&entry.path);
                removed.map_err(BlockError::io("remove", &entry.path))?;
            }
        }
    }
    repair.log(&dir.join("wal"))?;
    repair.log(&dir.join("wbl"))?;
    repair.head_chunks(&dir.join("chunks_head"))?;
    Ok(repair.steps)
}

impl Repair {
    fn note(&mut self, path: &Path, what: String) {
        self.steps.push(Step { path: path.to_owned(), what });
    }

    fn block(&mut self, parent: &Path, dir: &Path) -> Result<(), ToolError> {
        let mut findings = Findings::default();
        verify_block(&self.disk, dir, &mut findings);
        if findings.is_empty() {
            return Ok(());
        }
        if let Ok(meta) = crate::block::BlockMeta::read(&*self.disk, dir)
            && meta.version == 2
        {
            self.note(dir, "version numbers corrected".to_owned());
            if self.mode == Mode::Apply {
                repair_index_version(&self.disk, dir)?;
                return self.block(parent, dir);
            }
            return Ok(());
        }
        if let Err(error) = Tombstones::read(&*self.disk, dir) {
            let what = format!("set aside, so that what was deleted is there again: {}", Chain(&error));
            self.note(&dir.join(tombstones::FILE_NAME), what);
            if self.mode == Mode::Apply {
                self.set_aside(&dir.join(tombstones::FILE_NAME))?;
                // What else there is may be fine.
                return self.block(parent, dir);
            }
            return Ok(());
        }
        match self.salvage(parent, dir) {
            Ok(what) => self.note(dir, what),
            Err(ToolError::Block(error)) if error.is_damage() || is_missing(&error) => {
                self.note(dir, format!("set aside as a whole: {}", Chain(&error)));
            }
            Err(error) => return Err(error),
        }
        if self.mode == Mode::Apply { self.set_aside(dir) } else { Ok(()) }
    }

    /// Writes what can be read of a block to a new one; says what was left out.
    fn salvage(&self, parent: &Path, dir: &Path) -> Result<String, ToolError> {
        let block = Block::open(&self.disk, dir)?;
        let meta = block.meta();
        let ulid = Ulid::generate(self.now_ms);
        let symbols = block.symbols()?;
        let mut lost = Lost::default();
        let mut refs = Vec::new();
        let mut span = (i64::MAX, i64::MIN);
        let mut writer = match self.mode {
            Mode::Apply => Some(BlockWriter::create(&self.disk, parent, ulid, symbols.iter())?),
            Mode::DryRun => None,
        };
        let mut previous: Vec<(u32, u32)> = Vec::new();
        let mut cursor = block.series()?;
        loop {
            let entry = match cursor.next() {
                Ok(None) => break,
                Ok(Some(entry)) => entry,
                Err(_) => {
                    lost.n_series += 1;
                    continue;
                }
            };
            let is_in_order = entry.labels.is_sorted_by(|a, b| a.0 < b.0) && previous < entry.labels;
            let chunks = if is_in_order { readable_chunks(&block, entry, &mut lost) } else { Vec::new() };
            if chunks.is_empty() {
                lost.n_series += 1;
                continue;
            }
            previous.clone_from(&entry.labels);
            refs.push(entry.series_ref);
            for chunk in &chunks {
                span = (span.0.min(chunk.min_time), span.1.max(chunk.max_time));
            }
            if let Some(writer) = &mut writer {
                writer.add_series(&entry.labels, &chunks)?;
            }
        }
        if let Some(writer) = writer {
            // The time of a block is more than that of its samples, unless what says so is damaged.
            let is_covered = meta.min_time <= span.0 && span.1 < meta.max_time;
            let (min_time, max_time) =
                if is_covered { (meta.min_time, meta.max_time) } else { (span.0, span.1.saturating_add(1)) };
            let draft = MetaDraft { min_time, max_time, compaction: meta.compaction.clone() };
            if let Some(meta) = writer.finish(draft)? {
                self.move_tombstones(&block, &meta.dir_in(parent), &refs)?;
            }
        }
        let Lost { n_series, n_chunks } = lost;
        if refs.is_empty() {
            return Ok("set aside as a whole: nothing in it can be read".to_owned());
        }
        Ok(format!(
            "written anew without {n_series} series and {n_chunks} chunks; the damaged block is set aside"
        ))
    }

    /// Gives the new block the deletions of the old one, whose series had these references.
    fn move_tombstones(&self, old: &Block, new_dir: &Path, old_refs: &[u64]) -> Result<(), ToolError> {
        if old.tombstones().is_empty() {
            return Ok(());
        }
        let new = Block::open(&self.disk, new_dir)?;
        let mut moved = Tombstones::default();
        let mut cursor = new.series()?;
        let mut old_refs = old_refs.iter();
        while let (Some(entry), Some(old_ref)) = (cursor.next()?, old_refs.next()) {
            old.tombstones()
                .of(*old_ref)
                .iter()
                .for_each(|span: &Interval| moved.add(entry.series_ref, *span));
        }
        Ok(new.write_tombstones(moved)?)
    }

    fn set_aside(&self, path: &Path) -> Result<(), ToolError> {
        let mut aside = path.as_os_str().to_owned();
        aside.push(format!(".{ASIDE}"));
        self.disk.rename(path, Path::new(&aside)).map_err(BlockError::io("set aside", path))?;
        let parent = path.parent().unwrap_or(path);
        Ok(self.disk.sync_dir(parent).map_err(BlockError::io("sync", parent))?)
    }

    fn log(&mut self, dir: &Path) -> Result<(), ToolError> {
        let mut findings = Findings::default();
        self.bridge(dir)?;
        verify_log(&self.disk, dir, &mut findings);
        let mut files: Vec<PathBuf> = findings.kept.iter().map(|finding| finding.path.clone()).collect();
        files.dedup();
        for path in files {
            let number = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
            let (Some(number), Some(parent)) = (number, path.parent()) else { continue };
            if self.mode == Mode::DryRun {
                self.note(
                    &path,
                    "damaged records are taken out; a copy is kept unless only its end is torn".to_owned(),
                );
                continue;
            }
            let mended = mend(&*self.disk, parent, number, &mut |record| is_sound(record));
            let mended = mended.map_err(|error| ToolError::Request(Chain(&error).to_string()))?;
            let kept = if mended.is_set_aside { "a copy is kept" } else { "its torn end was cut off" };
            let (bytes_lost, n_saved) = (mended.bytes_lost, mended.n_saved);
            self.note(
                &path,
                format!("{bytes_lost} damaged bytes taken out, {n_saved} records behind them kept; {kept}"),
            );
        }
        Ok(())
    }

    /// Puts empty segments where some are missing.
    fn bridge(&mut self, dir: &Path) -> Result<(), ToolError> {
        while let Err(ReadError::Gap { dir, missing, next }) = Reader::open_on(Arc::clone(&self.disk), dir) {
            self.note(
                &dir,
                format!(
                    "empty segments take the place of {missing:08} to {:08}: their records are lost",
                    next - 1
                ),
            );
            if self.mode == Mode::DryRun {
                return Ok(());
            }
            let bridged = bridge_gap(&*self.disk, &dir, missing, next);
            bridged.map_err(|error| ToolError::Request(Chain(&error).to_string()))?;
        }
        Ok(())
    }

    fn head_chunks(&mut self, dir: &Path) -> Result<(), ToolError> {
        if self.disk.info(dir).is_err() {
            return Ok(());
        }
        let is_applied = self.mode == Mode::Apply;
        let is_sound = |meta: &head_chunks::ChunkMeta, encoding, data: &[u8]| {
            decodes_to(encoding, data, (meta.min_time_ms, meta.max_time_ms))
        };
        let mended = head_chunks::mend(&*self.disk, dir, is_applied, &is_sound)
            .map_err(|error| ToolError::Request(Chain(&error).to_string()))?;
        if is_applied && !mended.is_empty() {
            // It says where chunks were. The log has all that is in it.
            let snapshot = dir.with_file_name(head::SNAPSHOT_NAME);
            if self.disk.info(&snapshot).is_ok() {
                self.disk.remove_file(&snapshot).map_err(BlockError::io("remove", &snapshot))?;
            }
        }
        for file in mended {
            let what = match file.n_kept {
                0 => "set aside: nothing in it can be read".to_owned(),
                n => format!("{} damaged bytes taken out, {n} chunks kept; a copy is kept", file.bytes_lost),
            };
            self.note(&file.path, what);
        }
        Ok(())
    }
}

#[derive(Default)]
struct Lost {
    n_series: u64,
    n_chunks: u64,
}

fn is_missing(error: &BlockError) -> bool {
    matches!(error, BlockError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
}

/// Returns the chunks of a series that are whole and follow each other in time.
fn readable_chunks<'a>(block: &'a Block, entry: &SeriesEntry, lost: &mut Lost) -> Vec<OutChunk<'a>> {
    let mut chunks: Vec<OutChunk<'a>> = Vec::new();
    for meta in &entry.chunks {
        let ChunkMeta { min_time, max_time, chunk_ref } = *meta;
        let is_behind = chunks.last().is_none_or(|before| before.max_time < min_time);
        match block.chunk(chunk_ref) {
            Ok((encoding, data)) if is_behind && decodes_to(encoding, data, (min_time, max_time)) => {
                chunks.push(OutChunk { min_time, max_time, encoding, data });
            }
            _ => lost.n_chunks += 1,
        }
    }
    chunks
}

/// Returns whether a chunk decodes to ascending samples that begin and end when it is said.
fn decodes_to(encoding: chunk::Encoding, data: &[u8], span: (i64, i64)) -> bool {
    let mut samples = wf_series::SampleColumns::default();
    let is_whole = chunk::decode(encoding, data, wf_model::TimeRange::ALL, &mut samples).is_ok();
    let times = &samples.times_ms;
    let decoded = times.first().zip(times.last());
    is_whole && times.is_sorted_by(|a, b| a < b) && decoded == Some((&span.0, &span.1))
}
