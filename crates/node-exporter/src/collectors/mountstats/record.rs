//! One mount's section of `/proc/self/mountstats`.

use crate::collector::CollectError;
use crate::parse;

/// From here on floats skip whole numbers.
const EXACT: u64 = 1 << 53;

/// What the file says about one NFS mount.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) device: String,
    pub(super) mount_point: String,
    pub(super) kind: String,
    pub(super) age: f64,
    pub(super) bytes: Vec<f64>,
    pub(super) events: Vec<f64>,
    pub(super) transports: Vec<Transport>,
    /// Operation and its eight numbers. A time that went below zero shows as one near 2^64; the bits that a float
    /// holds exactly are kept of it.
    pub(super) operations: Vec<(String, Vec<f64>)>,
}

/// A connection to the server.
#[derive(Debug, Default)]
pub(super) struct Transport {
    pub(super) protocol: String,
    pub(super) idle_seconds: f64,
    pub(super) max_slots: f64,
    bind: f64,
    connect: f64,
    sends: f64,
    receives: f64,
    bad_ids: f64,
    backlog: f64,
    sending: f64,
    pending: f64,
}

impl Transport {
    /// Words after `xprt:`. UDP has no connection, hence no numbers about one.
    fn read(words: &[&str]) -> Option<Self> {
        let (protocol, rest) = words.split_first()?;
        let numbers: Option<Vec<_>> = rest.iter().map(|word| parse::number(word.as_bytes())).collect();
        let numbers = numbers?;
        let mut next = numbers.iter().copied().skip(1);
        let mut take = || next.next().unwrap_or(0.0);
        let mut transport = Self { protocol: (*protocol).to_owned(), bind: take(), ..Self::default() };
        if *protocol != "udp" {
            transport.connect = take();
            let _connect_idle = take();
            transport.idle_seconds = take();
        }
        transport.sends = take();
        transport.receives = take();
        transport.bad_ids = take();
        let _requests = take();
        transport.backlog = take();
        transport.max_slots = take();
        transport.sending = take();
        transport.pending = take();
        Some(transport)
    }

    pub(super) fn counters(&self) -> [(&'static str, f64); 8] {
        [
            ("bind", self.bind),
            ("connect", self.connect),
            ("sends", self.sends),
            ("receives", self.receives),
            ("bad_transaction_ids", self.bad_ids),
            ("backlog_queue", self.backlog),
            ("sending_queue", self.sending),
            ("pending_queue", self.pending),
        ]
    }
}

/// Reads all NFS mounts.
pub(super) fn read(text: &str) -> Result<Vec<Record>, CollectError> {
    let mut records: Vec<Record> = Vec::new();
    let mut is_nfs = false;
    for line in text.lines() {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        if let ["device", device, "mounted", "on", mount_point, "with", "fstype", kind, ..] = &words[..] {
            is_nfs = matches!(*kind, "nfs" | "nfs4");
            if is_nfs {
                let mut record = Record::default();
                (record.device, record.mount_point) = ((*device).to_owned(), (*mount_point).to_owned());
                record.kind = (*kind).to_owned();
                records.push(record);
            }
            continue;
        }
        if let (true, Some(record)) = (is_nfs, records.last_mut()) {
            take_line(record, &words)
                .ok_or_else(|| CollectError::parse("self/mountstats", line.as_bytes()))?;
        }
    }
    Ok(records)
}

fn take_line(record: &mut Record, words: &[&str]) -> Option<()> {
    let Some((key, rest)) = words.split_first() else { return Some(()) };
    let numbers = || -> Option<Vec<f64>> { rest.iter().map(|word| parse::number(word.as_bytes())).collect() };
    match *key {
        "age:" => record.age = numbers()?.first().copied()?,
        "bytes:" => record.bytes = numbers()?,
        "events:" => record.events = numbers()?,
        "xprt:" => record.transports.push(Transport::read(rest)?),
        "opts:" | "caps:" | "sec:" | "nfsv4:" | "impl_id:" | "RPC" | "per-op" | "fsc:" => {}
        operation => {
            if let Some(name) = operation.strip_suffix(':') {
                let number = |word: &&str| Some((parse::u64(word.as_bytes())? % EXACT) as f64);
                record.operations.push((name.to_owned(), rest.iter().map(number).collect::<Option<_>>()?));
            }
        }
    }
    Some(())
}
