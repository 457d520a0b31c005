//! Checks a data directory: every checksum and every rule of blocks, logs and head chunks.

use std::path::Path;
use std::sync::Arc;

use super::ToolError;
use super::sandbox::Sandbox;
use crate::block::{BlockError, CREATION_SUFFIX, DELETION_SUFFIX, Findings, Ulid, verify_block};
use crate::chunk;
use crate::disk::{Disk, os_disk};
use crate::head::Chain;
use crate::head::is_sound;
use crate::head_chunks::HeadChunks;
use crate::wal::{ReadError, Reader};

/// Checks all of `dir`, which may be in use: it is only read. Scratch files go to `scratch`, an empty directory elsewhere.
/// # Errors
/// When the directory cannot be listed.
pub fn verify(dir: &Path, scratch: &Path) -> Result<Findings, ToolError> {
    let disk: Arc<dyn Disk> = Arc::new(Sandbox::new(dir, scratch));
    let mut findings = Findings::default();
    for entry in disk.list(dir).map_err(BlockError::io("list", dir))? {
        if entry.info.is_dir && entry.name.parse::<Ulid>().is_ok() {
            verify_block(&os_disk(), &entry.path, &mut findings);
        } else if [CREATION_SUFFIX, DELETION_SUFFIX].iter().any(|suffix| entry.name.ends_with(suffix)) {
            findings.add(&entry.path, None, "left over from an interrupted run; the next start removes it");
        }
    }
    verify_log(&disk, &dir.join("wal"), &mut findings);
    verify_log(&disk, &dir.join("wbl"), &mut findings);
    verify_head_chunks(&disk, &dir.join("chunks_head"), &mut findings);
    Ok(findings)
}

/// Reads a log from its checkpoint to its end.
pub(super) fn verify_log(disk: &Arc<dyn Disk>, dir: &Path, findings: &mut Findings) {
    if disk.info(dir).is_err() {
        return;
    }
    let mut reader = match Reader::open_on(Arc::clone(disk), dir) {
        Ok(reader) => reader,
        Err(error) => return findings.add(dir, None, Chain(&error).to_string()),
    };
    loop {
        match reader.next_record() {
            Ok(None) => return,
            Ok(Some((position, record))) => {
                if !is_sound(record) {
                    let segment = format!("{:08}", position.segment);
                    let path = position.checkpoint.map_or_else(
                        || dir.join(&segment),
                        |number| dir.join(format!("checkpoint.{number:08}")).join(&segment),
                    );
                    findings.add(
                        &path,
                        Some(position.offset),
                        "the record makes no sense, though its checksum matches",
                    );
                }
            }
            Err(ReadError::Corrupt { path, position, reason }) => {
                findings.add(&path, Some(position.offset), reason);
            }
            Err(error) => return findings.add(dir, None, Chain(&error).to_string()),
        }
    }
}

/// Reads all head chunks and decodes them.
fn verify_head_chunks(disk: &Arc<dyn Disk>, dir: &Path, findings: &mut Findings) {
    if disk.info(dir).is_err() {
        return;
    }
    let mut metas = Vec::new();
    let opened =
        HeadChunks::open_on(Arc::clone(disk), dir, HeadChunks::FILE_BYTES_MAX, &mut |meta| metas.push(meta));
    let (chunks, report) = match opened {
        Ok(opened) => opened,
        Err(error) => return findings.add(dir, None, Chain(&error).to_string()),
    };
    if let Some(damage) = report.corruption {
        let path = dir.join(format!("{:06}", damage.file));
        let what = match damage.n_places {
            0 | 1 => damage.reason.to_owned(),
            n => format!("{}; {n} places in all files together", damage.reason),
        };
        findings.add(&path, Some(damage.offset as u64), what);
    }
    for meta in metas {
        let path = dir.join(format!("{:06}", meta.chunk.file()));
        let offset = Some(meta.chunk.offset() as u64);
        match chunks.chunk(meta.chunk) {
            Err(error) => findings.add(&path, offset, Chain(&error).to_string()),
            Ok(bytes) => {
                let mut samples = wf_series::SampleColumns::default();
                match chunk::decode(bytes.encoding, &bytes, wf_model::TimeRange::ALL, &mut samples) {
                    Err(error) => findings.add(&path, offset, error.to_string()),
                    Ok(()) => {
                        let span = samples.times_ms.first().zip(samples.times_ms.last());
                        if span != Some((&meta.min_time_ms, &meta.max_time_ms)) {
                            findings.add(
                                &path,
                                offset,
                                "the chunk does not begin and end when its head says",
                            );
                        }
                    }
                }
            }
        }
    }
}
