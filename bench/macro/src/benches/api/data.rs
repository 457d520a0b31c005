//! A directory whose head holds many series of a usual look, with samples from a while ago until a while from now: whoever
//! federates finds them fresh for as long as the bench runs.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use wf_model::Labels;
use wf_series::{Acknowledge, SampleSink, WriteBatch};
use wf_tsdb::{Tsdb, TsdbOptions};

use crate::Env;

/// Between samples, s.
const STEP_S: u64 = 15;
/// How long before and after now there are samples, s.
const BEFORE_S: u64 = 2_400;
const AFTER_S: u64 = 2_400;

/// What was made.
pub(super) struct Made {
    pub(super) folder: PathBuf,
    /// A second with a full range before it.
    pub(super) end_s: u64,
}

/// Series that are asked for together: the value of their label `job`.
pub(super) struct Job {
    pub(super) name: &'static str,
    /// The label whose values tell its series apart, its own: that there are other jobs makes no list of values longer.
    pub(super) of_its_own: &'static str,
    pub(super) n_series: u64,
    /// They have a sample at every so many ticks.
    pub(super) every: u64,
}

/// Writes the directory anew: its samples are about now.
pub(super) fn write(env: &Env, jobs: &[Job]) -> Result<Made> {
    let folder = env.fresh_folder("api-made")?.join("data");
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).context("read the clock")?.as_secs();
    let start_s = now_s - BEFORE_S;
    let ms = |seconds: u64| i64::try_from(seconds * 1_000).context("a time in ms");
    let tsdb = Tsdb::open(&folder, TsdbOptions::default(), ms(now_s)?)?;
    let mut all = Vec::new();
    for job in jobs {
        for id in 0..job.n_series {
            all.push((tsdb.resolve(&labels(job, id))?, job.every));
        }
    }
    for tick in 0..(BEFORE_S + AFTER_S) / STEP_S {
        let mut batch = WriteBatch::default();
        let time_ms = ms(start_s + tick * STEP_S)?;
        let due = all.iter().enumerate().filter(|(_, (_, every))| tick.is_multiple_of(*every));
        for (idx, (series, _)) in due {
            // Counters of different speed: values of five to seven digits.
            batch.push(*series, time_ms, ((tick + 1) * (17 + idx as u64 % 977) * 13) as f64);
        }
        let outcome = tsdb.append(&batch, Acknowledge::Written)?;
        ensure!(outcome.rejected.is_empty(), "samples were refused: {:?}", outcome.rejected.first());
    }
    tsdb.close()?;
    Ok(Made { folder, end_s: now_s })
}

fn labels(job: &Job, id: u64) -> Labels {
    let labels = [
        ("__name__", "api_value".to_owned()),
        ("job", job.name.to_owned()),
        ("instance", format!("10.0.{}.{}:9100", id / 250, id % 250)),
        ("cluster", "europe-west-production".to_owned()),
        ("namespace", format!("team-{:02}", id % 40)),
        (job.of_its_own, format!("application-{:03}-{:08x}", id % 200, id.wrapping_mul(2_654_435_761))),
        ("container", format!("container-{}", id % 7)),
        ("path", format!("/api/v1/resource/{}", id % 90)),
        ("quarter", (id / 10 % 4).to_string()),
        ("tenth", (id % super::RANGE_SHARE).to_string()),
    ];
    Labels::from_pairs(labels.iter().map(|(name, value)| (*name, value.as_str())))
}
