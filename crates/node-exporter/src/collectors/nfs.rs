//! `nfs` and `nfsd`: remote procedure calls of NFS clients and of the server.

use std::collections::HashMap;

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, Sink};
use crate::context::Context;
use crate::parse;

#[rustfmt::skip]
const V2: [&str; 18] = [
    "Null", "GetAttr", "SetAttr", "Root", "Lookup", "ReadLink", "Read", "WrCache", "Write", "Create", "Remove",
    "Rename", "Link", "SymLink", "MkDir", "RmDir", "ReadDir", "FsStat",
];
#[rustfmt::skip]
const V3: [&str; 22] = [
    "Null", "GetAttr", "SetAttr", "Lookup", "Access", "ReadLink", "Read", "Write", "Create", "MkDir", "SymLink",
    "MkNod", "Remove", "RmDir", "Rename", "Link", "ReadDir", "ReadDirPlus", "FsStat", "FsInfo", "PathConf", "Commit",
];
#[rustfmt::skip]
const V4: [&str; 59] = [
    "Null", "Read", "Write", "Commit", "Open", "OpenConfirm", "OpenNoattr", "OpenDowngrade", "Close", "Setattr",
    "FsInfo", "Renew", "SetClientID", "SetClientIDConfirm", "Lock", "Lockt", "Locku", "Access", "Getattr", "Lookup",
    "LookupRoot", "Remove", "Rename", "Link", "Symlink", "Create", "Pathconf", "StatFs", "ReadLink", "ReadDir",
    "ServerCaps", "DelegReturn", "GetACL", "SetACL", "FsLocations", "ReleaseLockowner", "Secinfo", "FsidPresent",
    "ExchangeID", "CreateSession", "DestroySession", "Sequence", "GetLeaseTime", "ReclaimComplete", "GetDeviceInfo",
    "LayoutGet", "LayoutCommit", "LayoutReturn", "SecinfoNoName", "TestStateID", "FreeStateID", "GetDeviceList",
    "BindConnToSession", "DestroyClientID", "Seek", "Allocate", "DeAllocate", "LayoutStats", "Clone",
];
/// Operations of the server after the three that are not used; those without a name are not exposed.
#[rustfmt::skip]
const V4_SERVER: [&str; 37] = [
    "Access", "Close", "Commit", "Create", "DelegPurge", "DelegReturn", "GetAttr", "GetFH", "Link", "Lock", "Lockt",
    "Locku", "Lookup", "LookupRoot", "Nverify", "Open", "OpenAttr", "OpenConfirm", "OpenDgrd", "PutFH", "", "",
    "Read", "ReadDir", "ReadLink", "Remove", "Rename", "Renew", "RestoreFH", "SaveFH", "SecInfo", "SetAttr",
    "SetClientID", "SetClientIDConfirm", "Verify", "Write", "RelLockOwner",
];

const HELP: &str = "NFS statistic.";

/// `nfs`: clients.
#[derive(Debug)]
pub struct Nfs;

impl Collector for Nfs {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let table = Table::read(ctx.proc("net/rpc/nfs")?)?;
        let mut sink = Sink::new(out);
        for (protocol, idx) in [("udp", 1), ("tcp", 2)] {
            let labels = [("protocol", protocol)];
            sink.counter("node_nfs_packets_total", HELP, &labels, table.number("net", idx));
        }
        sink.counter("node_nfs_connections_total", HELP, &[], table.number("net", 3));
        sink.counter("node_nfs_rpcs_total", HELP, &[], table.number("rpc", 0));
        sink.counter("node_nfs_rpc_retransmissions_total", HELP, &[], table.number("rpc", 1));
        let refreshes = table.number("rpc", 2);
        sink.counter("node_nfs_rpc_authentication_refreshes_total", HELP, &[], refreshes);
        let lines: [(&str, &str, &[&str]); 3] =
            [("proc2", "2", &V2), ("proc3", "3", &V3), ("proc4", "4", &V4)];
        for (line, proto, methods) in lines {
            requests("node_nfs_requests_total", proto, methods, table.from(line, 1), &mut sink);
        }
        Ok(())
    }
}

/// `nfsd`: the server.
#[derive(Debug)]
pub struct Nfsd;

/// Line, position and counter.
const NFSD: [(&str, usize, &str); 9] = [
    ("rc", 0, "node_nfsd_reply_cache_hits_total"),
    ("rc", 1, "node_nfsd_reply_cache_misses_total"),
    ("rc", 2, "node_nfsd_reply_cache_nocache_total"),
    ("fh", 0, "node_nfsd_file_handles_stale_total"),
    ("io", 0, "node_nfsd_disk_bytes_read_total"),
    ("io", 1, "node_nfsd_disk_bytes_written_total"),
    ("ra", 11, "node_nfsd_read_ahead_cache_not_found_total"),
    ("net", 3, "node_nfsd_connections_total"),
    ("rpc", 0, "node_nfsd_server_rpcs_total"),
];

impl Collector for Nfsd {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        const REQUESTS: &str = "node_nfsd_requests_total";
        let table = Table::read(ctx.proc("net/rpc/nfsd")?)?;
        let mut sink = Sink::new(out);
        for (line, idx, name) in NFSD {
            sink.counter(name, HELP, &[], table.number(line, idx));
        }
        sink.gauge("node_nfsd_server_threads", HELP, &[], table.number("th", 0));
        sink.gauge("node_nfsd_read_ahead_cache_size_blocks", HELP, &[], table.number("ra", 0));
        for (proto, idx) in [("udp", 1), ("tcp", 2)] {
            sink.counter("node_nfsd_packets_total", HELP, &[("proto", proto)], table.number("net", idx));
        }
        for (error, idx) in [("fmt", 2), ("auth", 3), ("cInt", 4)] {
            sink.counter("node_nfsd_rpc_errors_total", HELP, &[("error", error)], table.number("rpc", idx));
        }
        // The count comes first, then the null procedure, which is not exposed here.
        let of = |line, methods, first, proto, sink: &mut Sink<'_>| {
            requests(REQUESTS, proto, methods, table.from(line, first), sink);
        };
        of("proc2", V2.get(1..).unwrap_or_default(), 2, "2", &mut sink);
        of("proc3", V3.get(1..).unwrap_or_default(), 2, "3", &mut sink);
        of("proc4ops", &V4_SERVER, 4, "4", &mut sink);
        let delegated = table.number("wdeleg_getattr", 0);
        sink.counter(REQUESTS, HELP, &[("method", "WdelegGetattr"), ("proto", "4")], delegated);
        Ok(())
    }
}

fn requests(name: &'static str, proto: &str, methods: &[&str], counts: &[f64], sink: &mut Sink<'_>) {
    // An older kernel has fewer: the rest was never asked.
    let counts = counts.iter().copied().chain(std::iter::repeat(0.0));
    for (method, count) in methods.iter().zip(counts).filter(|(method, _)| !method.is_empty()) {
        sink.counter(name, HELP, &[("method", method), ("proto", proto)], count);
    }
}

/// Lines as key and numbers. What a kernel does not write, such as requests of a version that it does not speak, is 0.
struct Table(HashMap<String, Vec<f64>>);

impl Table {
    fn read(text: &[u8]) -> Result<Self, CollectError> {
        let mut rows = HashMap::new();
        for line in parse::lines(text) {
            let mut words = parse::words(line);
            let Some(key) = words.next() else { continue };
            let numbers: Option<Vec<_>> = words.map(parse::number).collect();
            rows.insert(parse::text(key), numbers.ok_or_else(|| CollectError::parse("net/rpc", line))?);
        }
        Ok(Self(rows))
    }

    fn from(&self, line: &str, first: usize) -> &[f64] {
        self.0.get(line).and_then(|numbers| numbers.get(first..)).unwrap_or_default()
    }

    fn number(&self, line: &str, idx: usize) -> f64 {
        self.from(line, idx).first().copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_not_there_count_nothing() {
        let table = Table::read(b"net 18628 0 18628 6\n\nproc4 2 7\n").unwrap();
        assert_eq!((table.number("net", 2), table.number("rpc", 0)), (18_628.0, 0.0));
        assert_eq!((table.from("proc4", 1), table.from("proc2", 1)), (&[7.0][..], &[][..]));
        assert!(Table::read(b"net x\n").is_err());
    }
}
