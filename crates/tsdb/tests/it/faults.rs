//! Every file operation fails once, and the power is cut at every one: the database neither panics nor lies, and what it
//! loses is what the fsync mode allows.
//!
//! A quarter of the operations are tried in each test; `WF_SOAK=1` tries all.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use wf_model::{Labels, TimeRange};
use wf_series::{Acknowledge, SampleColumns, SampleSink, SelectRequest, SeriesSource, WriteBatch};
use wf_tsdb::disk::fault::{Fault, FaultDisk, Plan, Survival};
use wf_tsdb::disk::{Disk, OsDisk};
use wf_tsdb::{FsyncPolicy, ReplayProgress, Tsdb, TsdbOptions};

const START_MS: i64 = 1_700_000_040_000;
const STEP_MS: i64 = 500;
const N_SERIES: usize = 4;
/// Starts of the database in one workload, and steps in each.
const N_LIVES: i64 = 4;
const N_STEPS: i64 = 110;

/// Samples by series number and time, and their values.
type Samples = BTreeMap<(usize, i64), f64>;

#[derive(Debug, Default)]
struct Ledger {
    /// Everything that was ever offered.
    offered: Samples,
    /// What was acknowledged.
    acknowledged: Samples,
    /// What was acknowledged when the database was last closed without an error.
    closed: Samples,
}

fn options(fsync: FsyncPolicy) -> TsdbOptions {
    TsdbOptions { chunk_range_ms: 60_000, wal_segment_bytes: 10 << 20, fsync, ..TsdbOptions::default() }
}

fn open(disk: &Arc<dyn Disk>, dir: &Path, fsync: FsyncPolicy) -> Result<Arc<Tsdb>, wf_tsdb::OpenError> {
    Tsdb::open_on(disk, dir, options(fsync), START_MS, &ReplayProgress::default())
}

fn labels(n: usize) -> Labels {
    Labels::from_pairs([("__name__", "m".to_owned()), ("n", n.to_string())])
}

fn value(n: usize, time_ms: i64) -> f64 {
    if n.is_multiple_of(2) { n as f64 } else { (time_ms % 977) as f64 * 0.1 }
}

/// Starts the database a few times, appends and looks after it; goes on after errors until `disk` is off.
fn work(disk: &FaultDisk, dir: &Path, fsync: FsyncPolicy) -> Ledger {
    let mut ledger = Ledger::default();
    let shared = disk.shared();
    for life in 0..N_LIVES {
        let Ok(tsdb) = open(&shared, dir, fsync) else { continue };
        let mut batch = WriteBatch::default();
        for step in life * N_STEPS..(life + 1) * N_STEPS {
            let time_ms = START_MS + step * STEP_MS;
            batch.clear();
            let mut numbers = Vec::new();
            for n in 0..N_SERIES {
                if let Ok(series) = tsdb.resolve(&labels(n)) {
                    batch.push(series, time_ms, value(n, time_ms));
                    numbers.push(n);
                    ledger.offered.insert((n, time_ms), value(n, time_ms));
                }
            }
            if let Ok(outcome) = tsdb.append(&batch, Acknowledge::Written) {
                let rejected: Vec<usize> = outcome.rejected.iter().map(|(at, _)| *at).collect();
                let stored = numbers.iter().enumerate().filter(|(at, _)| !rejected.contains(at));
                ledger.acknowledged.extend(stored.map(|(_, n)| ((*n, time_ms), value(*n, time_ms))));
            }
            if step % 10 == 0 {
                tsdb.maintain(START_MS + step * 60_000);
            }
        }
        if tsdb.close().is_ok() {
            ledger.closed = ledger.acknowledged.clone();
        }
    }
    ledger
}

/// Everything in `dir`; each sample is checked to come once.
fn read_all(dir: &Path) -> Samples {
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    let tsdb = open(&disk, dir, FsyncPolicy::Segment).unwrap();
    let selection = tsdb.select(&SelectRequest { matchers: &[], range: TimeRange::ALL }).unwrap();
    let (mut out, mut all) = (SampleColumns::default(), Samples::new());
    for idx in 0..selection.len() {
        let n: usize = selection.labels(idx).get("n").unwrap().parse().unwrap();
        selection.read(idx, TimeRange::ALL, &mut out).unwrap();
        for (time, value) in out.times_ms.iter().zip(&out.values) {
            assert!(all.insert((n, *time), *value).is_none(), "series {n} has {time} twice");
        }
    }
    // It takes samples again.
    let mut batch = WriteBatch::default();
    batch.push(tsdb.resolve(&labels(0)).unwrap(), START_MS + 86_400_000, 1.0);
    assert_eq!(tsdb.append(&batch, Acknowledge::Written).unwrap().n_appended, 1);
    tsdb.close().unwrap();
    all
}

/// Checks that `found` has all of `promised` and nothing that was never offered.
fn check(found: &Samples, promised: &Samples, offered: &Samples, context: &str) {
    let invented = found.iter().find(|(key, value)| offered.get(key) != Some(value));
    assert!(invented.is_none(), "{context}: {invented:?} was never written");
    let missing: Vec<_> = promised.keys().filter(|key| !found.contains_key(key)).collect();
    assert!(
        missing.is_empty(),
        "{context}: {} of {} lost, first {:?}",
        missing.len(),
        promised.len(),
        missing[0]
    );
}

/// Operations of a workload without faults, each once in `stride`.
fn operations(fsync: FsyncPolicy, offset: u64) -> Vec<u64> {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultDisk::new(dir.path()).unwrap();
    let ledger = work(&disk, dir.path(), fsync);
    check(&read_all(dir.path()), &ledger.acknowledged, &ledger.offered, "without faults");
    assert_eq!(ledger.closed.len(), N_SERIES * usize::try_from(N_LIVES * N_STEPS).unwrap());
    let is_soak = std::env::var_os("WF_SOAK").is_some();
    let n_ops = disk.n_ops();
    // Appending is most of it, and always the same.
    let stride = if is_soak { 1 } else { n_ops / 60 };
    (offset % stride..n_ops).step_by(usize::try_from(stride).unwrap()).collect()
}

fn fail_each(fault: Fault, n_times: u64, offset: u64) {
    for at in operations(FsyncPolicy::Segment, offset) {
        let dir = tempfile::tempdir().unwrap();
        let disk = FaultDisk::new(dir.path()).unwrap();
        disk.set_plan(Some(Plan { at, n_times, fault }));
        let ledger = work(&disk, dir.path(), FsyncPolicy::Segment);
        disk.set_plan(None);
        let context = format!("{fault:?} at {:?}", disk.injected().first());
        check(&read_all(dir.path()), &ledger.acknowledged, &ledger.offered, &context);
    }
}

#[test]
fn a_full_disk_loses_nothing_acknowledged() {
    fail_each(Fault::ShortWrite, 3, 1);
}

#[test]
fn an_io_error_loses_nothing_acknowledged() {
    fail_each(Fault::Io, 1, 2);
}

fn cut_power_at_each(fsync: FsyncPolicy, offset: u64) {
    for at in operations(fsync, offset) {
        let dir = tempfile::tempdir().unwrap();
        let disk = FaultDisk::new(dir.path()).unwrap();
        disk.set_plan(Some(Plan { at, n_times: 1, fault: Fault::PowerCut }));
        let ledger = work(&disk, dir.path(), fsync);
        for survival in [Survival::Nothing, Survival::Prefix, Survival::Any, Survival::Everything] {
            let left = tempfile::tempdir().unwrap();
            disk.after_power_cut(left.path(), survival, at).unwrap();
            let promised = match (fsync, survival) {
                (FsyncPolicy::Always, _) | (_, Survival::Everything) => &ledger.acknowledged,
                _ => &ledger.closed,
            };
            let context = format!("{fsync:?}, {survival:?}, power cut at {:?}", disk.injected().first());
            check(&read_all(left.path()), promised, &ledger.offered, &context);
        }
    }
}

#[test]
fn a_power_cut_takes_no_more_than_the_samples_since_the_last_sync() {
    cut_power_at_each(FsyncPolicy::Segment, 3);
}

#[test]
fn a_power_cut_takes_nothing_when_every_write_is_synced() {
    cut_power_at_each(FsyncPolicy::Always, 4);
}

#[test]
fn a_failed_sync_is_made_good_before_anything_relies_on_it() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultDisk::new(dir.path()).unwrap();
    work(&disk, dir.path(), FsyncPolicy::Segment);
    for at in disk.sync_points() {
        let dir = tempfile::tempdir().unwrap();
        let disk = FaultDisk::new(dir.path()).unwrap();
        disk.set_plan(Some(Plan { at, n_times: 1, fault: Fault::Io }));
        let ledger = work(&disk, dir.path(), FsyncPolicy::Segment);
        let left = tempfile::tempdir().unwrap();
        disk.after_power_cut(left.path(), Survival::Nothing, at).unwrap();
        let context = format!("{:?}", disk.injected().first());
        check(&read_all(left.path()), &ledger.closed, &ledger.offered, &context);
    }
}
