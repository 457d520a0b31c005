//! kill -9 with a ledger: whatever was acknowledged is there after each kill, and nothing that was never written.
//!
//! The victim is this test binary itself, asked by an environment variable to run one of the `victim_` tests. It writes
//! to the ledger, its standard output, after each acknowledgement; the pipe outlives it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use wf_series::Acknowledge;
use wf_tsdb::disk::OsDisk;
use wf_tsdb::record::{Record, SamplesWriter, SeriesWriter, decode};
use wf_tsdb::wal::repair::repair;
use wf_tsdb::wal::{ReadError, Reader, Wal, WalOptions};

/// Kills in `make test`, and in a soak (`WF_SOAK`).
const N_ROUNDS: (u64, u64) = (5, 200);
const N_THREADS: u64 = 3;
const DIR_VARIABLE: &str = "WF_TEST_VICTIM_DIR";

/// Returns how often the victim is killed.
pub(crate) fn n_rounds() -> u64 {
    if std::env::var_os("WF_SOAK").is_some() { N_ROUNDS.1 } else { N_ROUNDS.0 }
}

/// Returns the directory this process shall work in, if it is a victim.
pub(crate) fn victim_dir() -> Option<PathBuf> {
    std::env::var_os(DIR_VARIABLE).map(PathBuf::from)
}

/// Writes a line to the ledger, past the capture of test output.
pub(crate) fn enter(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n{line}\n").as_bytes()).and_then(|()| out.flush()).unwrap();
}

/// Runs `victim` on `dir`, kills it after `life` and returns the numbers it entered, newest for each name.
pub(crate) fn run_and_kill(victim: &str, dir: &Path, life: Duration) -> BTreeMap<String, u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", victim, "--nocapture"])
        .env(DIR_VARIABLE, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut ledger = BTreeMap::new();
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some((name, number)) = line.strip_prefix("ledger ").and_then(|entry| entry.split_once(' '))
            {
                // A line that the kill tore is not an entry.
                let Some(number) = number.strip_suffix('.').and_then(|number| number.parse::<u64>().ok())
                else {
                    continue;
                };
                let newest: &mut u64 = ledger.entry(name.to_owned()).or_default();
                *newest = number.max(*newest);
            }
        }
        ledger
    });
    let killed_at = Instant::now() + life;
    while Instant::now() < killed_at {
        assert!(child.try_wait().unwrap().is_none(), "the victim ended by itself");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

/// Samples of the log by series, mended first if the kill tore it.
fn samples_of_log(dir: &Path) -> BTreeMap<u64, Vec<i64>> {
    let mut samples: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
    let mut reader = Reader::open(dir).unwrap();
    loop {
        match reader.next_record() {
            Ok(None) => return samples,
            Ok(Some((_, record))) => match decode(record).unwrap() {
                Record::Series(entries) => {
                    for entry in entries {
                        samples.entry(entry.unwrap().series).or_default();
                    }
                }
                Record::Samples(entries) => {
                    for entry in entries.map(Result::unwrap) {
                        assert_eq!(entry.time_ms as f64, entry.value);
                        samples.get_mut(&entry.series).expect("series come first").push(entry.time_ms);
                    }
                }
                other => panic!("{other:?}"),
            },
            Err(error @ ReadError::Corrupt { .. }) => {
                repair(&OsDisk, dir, &error).unwrap().expect("only a segment can be torn");
                return samples;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn victim_writes_a_log() {
    let Some(dir) = victim_dir() else { return };
    let known = samples_of_log(&dir);
    let options = WalOptions { segment_bytes: 64 << 10, queue_bytes_max: 16 << 10, ..WalOptions::default() };
    let wal = Wal::open(&dir, options).unwrap();
    std::thread::scope(|scope| {
        for series in 1..=N_THREADS {
            let (wal, known) = (&wal, &known);
            scope.spawn(move || {
                let mut record = Vec::new();
                SeriesWriter::new(&mut record).push(series, [("thread", "x")].into_iter());
                wal.log(&[&record], Acknowledge::Written).unwrap();
                let newest = known.get(&series).and_then(|times| times.last()).copied().unwrap_or(0);
                for time_ms in newest + 1.. {
                    record.clear();
                    SamplesWriter::new(&mut record).push(series, time_ms, time_ms as f64);
                    wal.log(&[&record], Acknowledge::Written).unwrap();
                    enter(&format!("ledger {series} {time_ms}."));
                }
            });
        }
        // Meanwhile the log is bounded: it forgets what is older than 3,000 behind the first writer.
        let newest = known.values().filter_map(|times| times.last()).min().copied().unwrap_or(0);
        for step in 0_i64.. {
            std::thread::sleep(Duration::from_millis(5));
            let min_time_ms = newest - 3_000 + step;
            enter(&format!("ledger forgotten {}.", min_time_ms.max(0)));
            wal.cut_segment().unwrap();
            wal.checkpoint(min_time_ms, &mut |_| true).unwrap();
        }
    });
}

#[test]
fn a_killed_log_keeps_everything_it_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged: BTreeMap<u64, i64> = BTreeMap::new();
    let mut forgotten = 0;
    for round in 0..n_rounds() {
        let ledger = run_and_kill(
            "kill::victim_writes_a_log",
            dir.path(),
            Duration::from_millis(100 + 37 * (round % 17)),
        );
        for (name, number) in ledger {
            let number = i64::try_from(number).unwrap();
            match name.parse() {
                Ok(series) => drop(acknowledged.insert(series, number)),
                Err(_) => forgotten = forgotten.max(number),
            }
        }
        let samples = samples_of_log(dir.path());
        for (series, newest) in &acknowledged {
            let times = &samples[series];
            assert!(
                times.windows(2).all(|pair| pair[1] == pair[0] + 1),
                "series {series} has a gap or a double"
            );
            assert!(
                times.first().is_none_or(|first| *first <= forgotten.max(1)),
                "series {series} lost its beginning"
            );
            assert!(times.last() >= Some(newest), "series {series} lost its end, of {newest}");
        }
    }
    assert_eq!(acknowledged.len(), usize::try_from(N_THREADS).unwrap(), "{acknowledged:?}");
    assert!(acknowledged.values().all(|newest| *newest > 100), "{acknowledged:?}");
}
