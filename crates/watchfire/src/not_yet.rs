//! Flags of the original that are known but have no effect yet: refusing them beats ignoring them.

use std::ffi::OsString;

/// Names without dashes, of the server.
const FLAGS: &[&str] = &[
    "agent",
    "storage.agent.checkpoint-batch-size",
    "storage.agent.checkpoint-from-in-memory-series",
    "storage.agent.no-lockfile",
    "storage.agent.path",
    "storage.agent.retention.max-time",
    "storage.agent.retention.min-time",
    "storage.agent.wal-compression",
    "storage.remote.flush-deadline",
    "storage.remote.read-concurrent-limit",
    "storage.remote.read-max-bytes-in-frame",
    "storage.remote.read-sample-limit",
    "storage.tsdb.allow-overlapping-compaction",
    "storage.tsdb.block-reload-interval",
    "storage.tsdb.delay-compact-file.path",
    "storage.tsdb.delayed-compaction.max-percent",
    "storage.tsdb.head-chunks-write-queue-size",
    "storage.tsdb.max-block-chunk-segment-size",
    "storage.tsdb.no-lockfile",
    "storage.tsdb.retention",
    "storage.tsdb.samples-per-chunk",
    "web.enable-otlp-receiver",
    "web.enable-remote-write-receiver",
    "web.remote-write-receiver.accepted-protobuf-messages",
];

/// Returns the first such flag as it was written, without its value.
pub(crate) fn find(arguments: &[OsString]) -> Option<String> {
    let words = arguments.iter().filter_map(|argument| argument.to_str());
    // What follows `--` is no flag.
    for word in words.take_while(|word| *word != "--") {
        let Some(flag) = word.strip_prefix("--") else { continue };
        let name = flag.split('=').next().unwrap_or(flag);
        let positive = name.strip_prefix("no-").unwrap_or(name);
        if FLAGS.contains(&name) || FLAGS.contains(&positive) {
            return Some(format!("--{name}"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_found_in_every_spelling() {
        let check = |word: &str, want: Option<&str>| {
            assert_eq!(find(&["watchfire".into(), word.into()]).as_deref(), want, "{word}");
        };
        check("--storage.tsdb.retention=15d", Some("--storage.tsdb.retention"));
        check("--no-storage.tsdb.no-lockfile", Some("--no-storage.tsdb.no-lockfile"));
        check("--web.enable-admin-api", None);
        check("--storage.tsdb.path=data", None);
        check("--storage.tsdb.retention.size=10GB", None);
        check("storage.tsdb.retention", None);
    }
}
