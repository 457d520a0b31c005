//! `watchfire tool debug`: packs what a server says about itself into a tar.gz, as `promtool debug` does.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, Method};

use super::api::Api;
use super::check::complain;
use crate::say;

/// What is written.
const ARCHIVE: &str = "debug.tar.gz";
/// Size of a block of a tar file.
const BLOCK: usize = 512;

/// Paths on the server and names in the archive.
const METRICS: [(&str, &str); 1] = [("/metrics", "metrics.txt")];
const PROFILES: [(&str, &str); 7] = [
    ("/debug/pprof/profile?seconds=30", "cpu.pb"),
    ("/debug/pprof/block", "block.pb"),
    ("/debug/pprof/goroutine", "goroutine.pb"),
    ("/debug/pprof/heap", "heap.pb"),
    ("/debug/pprof/mutex", "mutex.pb"),
    ("/debug/pprof/threadcreate", "threadcreate.pb"),
    ("/debug/pprof/trace?seconds=30", "trace.pb"),
];

/// What to pack.
#[derive(Debug, Subcommand)]
pub(crate) enum DebugCommand {
    /// Profiles of the process; servers that are not written in Go have none
    Pprof(Server),
    /// Its metrics
    Metrics(Server),
    /// Both
    All(Server),
}

/// A server to ask.
#[derive(Debug, Args)]
pub(crate) struct Server {
    /// The server
    server: String,
}

pub(crate) fn main(command: &DebugCommand) -> ExitCode {
    let (server, parts): (_, Vec<(&str, &str)>) = match command {
        DebugCommand::Pprof(Server { server }) => (server, PROFILES.to_vec()),
        DebugCommand::Metrics(Server { server }) => (server, METRICS.to_vec()),
        DebugCommand::All(Server { server }) => (server, PROFILES.into_iter().chain(METRICS).collect()),
    };
    match pack(server, &parts, Path::new(ARCHIVE)) {
        Ok(()) => {
            say(&format!("Compiling debug information complete, all files written in \"{ARCHIVE}\"."));
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&format!("error completing debug command: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn pack(server: &str, parts: &[(&str, &str)], archive: &Path) -> Result<()> {
    let api = Api::new(server, &[], None)?;
    // All is asked for before anything is written: half an archive helps nobody.
    let mut files = Vec::with_capacity(parts.len());
    for (path, name) in parts {
        say(&format!("collecting: {path}"));
        let (path, query) = path.split_once('?').map_or((*path, None), |(path, query)| (path, Some(query)));
        let mut url = api.url(path);
        url.set_query(query);
        let answer = api.send(Method::GET, &url, &HeaderMap::new(), Vec::new())?;
        ensure!(answer.status.is_success(), "{url} answered {}", answer.status);
        files.push((*name, answer.body));
    }
    let file = File::create(archive).with_context(|| format!("create {}", archive.display()))?;
    let mut out = GzEncoder::new(file, Compression::default());
    for (name, body) in files {
        out.write_all(&header(name, body.len()))?;
        out.write_all(&body)?;
        out.write_all(&vec![0; body.len().next_multiple_of(BLOCK) - body.len()])?;
    }
    out.write_all(&[0; 2 * BLOCK])?;
    out.finish()?.sync_all().with_context(|| format!("write {}", archive.display()))
}

/// Makes the header of a file in a tar file (POSIX ustar).
fn header(name: &str, n_bytes: usize) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{n_bytes:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    // The checksum is taken with blanks in its own place.
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_the_checksum_of_its_bytes() {
        let header = header("metrics.txt", 1234);
        assert_eq!(&header[..12], b"metrics.txt\0");
        assert_eq!(&header[124..136], b"00000002322\0");
        let sum: u32 = header
            .iter()
            .enumerate()
            .map(|(idx, byte)| if (148..156).contains(&idx) { 32 } else { u32::from(*byte) })
            .sum();
        assert_eq!(&header[148..156], format!("{sum:06o}\0 ").as_bytes());
    }
}
