//! Embeds the web UI: every file below `ui/dist`, compressed once. Without that folder the binary has no UI and says so.

use std::fmt::Write as _;
use std::fs;
use std::hash::Hasher;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    let here = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?);
    let out = PathBuf::from(std::env::var("OUT_DIR").map_err(io::Error::other)?);
    let dist = here.join("../../ui/dist");
    println!("cargo::rerun-if-changed={}", dist.display());
    println!("cargo::rerun-if-env-changed=WATCHFIRE_REVISION");
    let mut files = Vec::new();
    if dist.join("index.html").is_file() {
        list(&dist, &mut files)?;
    }
    files.sort();
    fs::write(out.join("ui_files.rs"), table(&dist, &files, &out)?)
}

/// Writes the compressed files into `out` and returns the table that names them.
fn table(dist: &Path, files: &[PathBuf], out: &Path) -> io::Result<String> {
    let mut table = String::from("const FILES: &[Asset] = &[\n");
    for (idx, file) in files.iter().enumerate() {
        println!("cargo::rerun-if-changed={}", file.display());
        let content = fs::read(file)?;
        let compressed = out.join(format!("ui_{idx}.gz"));
        let mut encoder =
            flate2::write::GzEncoder::new(fs::File::create(&compressed)?, flate2::Compression::best());
        encoder.write_all(&content)?;
        encoder.finish()?;
        let path = file.strip_prefix(dist).map_err(io::Error::other)?.to_string_lossy().replace('\\', "/");
        let (kind, tag) = (content_type(&path), etag(&content));
        let _ = writeln!(
            table,
            "    Asset {{ path: {path:?}, content_type: {kind:?}, gzip_bytes: include_bytes!({compressed:?}), \
             etag: {tag:?} }},"
        );
    }
    table.push_str("];\n");
    Ok(table)
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { list(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

/// A validator that changes with the content; FNV-1a is plenty for that.
fn etag(content: &[u8]) -> String {
    struct Fnv(u64);
    impl Hasher for Fnv {
        fn finish(&self) -> u64 {
            self.0
        }
        fn write(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    hasher.write(content);
    format!("\"{:016x}\"", hasher.finish())
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or("") {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
