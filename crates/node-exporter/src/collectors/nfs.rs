//! `nfs` and `nfsd`: remote procedure calls of NFS clients and of the server.

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
        let mut sink = Sink::new(out);
        for (key, numbers) in table(ctx.proc("net/rpc/nfs")?)? {
            let at = |idx: usize| numbers.get(idx).copied().unwrap_or(0.0);
            let mut methods = |proto: &str, names: &[&str]| {
                requests(
                    "node_nfs_requests_total",
                    proto,
                    names,
                    numbers.get(1..).unwrap_or_default(),
                    &mut sink,
                );
            };
            match key.as_str() {
                "net" => {
                    for (protocol, idx) in [("udp", 1), ("tcp", 2)] {
                        sink.counter("node_nfs_packets_total", HELP, &[("protocol", protocol)], at(idx));
                    }
                    sink.counter("node_nfs_connections_total", HELP, &[], at(3));
                }
                "rpc" => {
                    sink.counter("node_nfs_rpcs_total", HELP, &[], at(0));
                    sink.counter("node_nfs_rpc_retransmissions_total", HELP, &[], at(1));
                    sink.counter("node_nfs_rpc_authentication_refreshes_total", HELP, &[], at(2));
                }
                "proc2" => methods("2", &V2),
                "proc3" => methods("3", &V3),
                "proc4" => methods("4", &V4),
                _ => {}
            }
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
        let mut sink = Sink::new(out);
        let mut delegated = 0.0;
        for (key, numbers) in table(ctx.proc("net/rpc/nfsd")?)? {
            let at = |idx: usize| numbers.get(idx).copied().unwrap_or(0.0);
            for (_, idx, name) in NFSD.iter().filter(|(line, ..)| *line == key) {
                sink.counter(*name, HELP, &[], at(*idx));
            }
            let from = |first: usize| numbers.get(first..).unwrap_or_default();
            match key.as_str() {
                "th" => sink.gauge("node_nfsd_server_threads", HELP, &[], at(0)),
                "ra" => sink.gauge("node_nfsd_read_ahead_cache_size_blocks", HELP, &[], at(0)),
                "net" => {
                    for (proto, idx) in [("udp", 1), ("tcp", 2)] {
                        sink.counter("node_nfsd_packets_total", HELP, &[("proto", proto)], at(idx));
                    }
                }
                "rpc" => {
                    for (error, idx) in [("fmt", 2), ("auth", 3), ("cInt", 4)] {
                        sink.counter("node_nfsd_rpc_errors_total", HELP, &[("error", error)], at(idx));
                    }
                }
                // The count comes first, then the null procedure, which is not exposed here.
                "proc2" => requests(REQUESTS, "2", V2.get(1..).unwrap_or_default(), from(2), &mut sink),
                "proc3" => requests(REQUESTS, "3", V3.get(1..).unwrap_or_default(), from(2), &mut sink),
                "proc4ops" => requests(REQUESTS, "4", &V4_SERVER, from(4), &mut sink),
                "wdeleg_getattr" => delegated = at(0),
                _ => {}
            }
        }
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

/// Lines as key and numbers.
fn table(text: &[u8]) -> Result<Vec<(String, Vec<f64>)>, CollectError> {
    let mut rows = Vec::new();
    for line in parse::lines(text) {
        let mut words = parse::words(line);
        let Some(key) = words.next() else { continue };
        let numbers: Option<Vec<_>> = words.map(parse::number).collect();
        rows.push((parse::text(key), numbers.ok_or_else(|| CollectError::parse("net/rpc", line))?));
    }
    Ok(rows)
}
