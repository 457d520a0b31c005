//! The HTTP API beside the original's: look-ups, a wide range query, federation. Latency, CPU, memory, first byte.
//!
//! # Reading order: here (what is asked, what must hold), `data` (the directory that both read).

mod data;

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Bench;
use crate::latency::{self, Effort, Latency};
use crate::report::thousands;
use crate::servers::idle_config;
use crate::stats::median;
use crate::{Env, Options, Report, Server, Subject, Unit, calibrate, order};

pub(crate) const BENCH: Bench = Bench {
    name: "api",
    about: "labels, values, series, a wide range query and federation over HTTP [--series 10000 --budget-ms 3000 --n 200]",
    run,
};

/// Series whose range is asked, of all.
const RANGE_SHARE: u64 = 10;
/// Steps of the range query, one a second.
const N_STEPS: u64 = 1_000;

/// Series and federation are asked for so many times the series as well: a megabyte or two, which an allocator keeps at hand or
/// does not, is little beside those answers.
const LARGE: u64 = 8;

/// Bytes of memory that a byte more of an answer may cost. Of values, of series, and for federation, nothing is held but
/// numbers, some 20 bytes of a series' 250; of a range query, nothing but what its threads compute ahead, which does not grow. The
/// rest is room for what an allocator keeps at hand.
const MEMORY_PER_BYTE: f64 = 0.5;
const MEMORY_PER_BYTE_OF_RANGE: f64 = 0.25;

/// Answers that differ by less are compared as if by so much: an allocator's own pages would be all there is to see.
const NOISE_BYTES: usize = 2 << 20;

/// A request: rows in the table, what is asked.
struct Asked {
    cpu: &'static str,
    latency: &'static str,
    first_byte: &'static str,
    memory: &'static str,
    /// Of the answer to `more`, what that to `part` did not cost, per byte that it is longer.
    memory_per_byte: &'static str,
    path: &'static str,
    whole: Form,
    /// The same for more series, where their answer is long, and for a quarter of those.
    more: Form,
    part: Form,
    memory_per_byte_max: f64,
}

type Form = Vec<(&'static str, String)>;

macro_rules! asked {
    ($name:literal, $path:expr, $whole:expr, $part_and_more:expr, $max:expr) => {{
        let [part, more] = $part_and_more;
        Asked {
            cpu: concat!("CPU, ", $name),
            latency: concat!("latency p50, ", $name),
            first_byte: concat!("first byte, ", $name),
            memory: concat!("memory added, ", $name),
            memory_per_byte: concat!("memory added per byte of answer, ", $name),
            path: $path,
            whole: $whole,
            more,
            part,
            memory_per_byte_max: $max,
        }
    }};
}

/// Returns what is asked about data that ends at `end_s`.
fn requests(end_s: u64) -> Vec<Asked> {
    let (start, end) = ((end_s - N_STEPS + 1).to_string(), end_s.to_string());
    let span = [("start", start), ("end", end)];
    let with = |name: &'static str, text: &str| -> Form {
        span.iter().cloned().chain([(name, text.to_owned())]).collect()
    };
    let range = |text: &str| {
        let mut form = with("query", text);
        form.extend([("step", "1".to_owned()), ("nocache", "1".to_owned())]);
        form
    };
    let (all, quarter) = ("{job=\"api\"}", "{job=\"api\",quarter=\"0\"}");
    let large = ["{job=\"large\",quarter=\"0\"}", "{job=\"large\"}"];
    let newest = |text: &str| vec![("match[]", text.to_owned())];
    let a_thousand = "api_value{job=\"api\",tenth=\"0\"}";
    let some_of_them = "api_value{job=\"api\",tenth=\"0\",quarter=\"0\"}";
    vec![
        asked!(
            "label names",
            "/api/v1/labels",
            with("match[]", all),
            [with("match[]", quarter), with("match[]", all)],
            f64::INFINITY
        ),
        asked!(
            "10k label values",
            "/api/v1/label/pod/values",
            with("match[]", all),
            [with("match[]", quarter), with("match[]", all)],
            MEMORY_PER_BYTE
        ),
        asked!(
            "10k series",
            "/api/v1/series",
            with("match[]", all),
            large.map(|text| with("match[]", text)),
            MEMORY_PER_BYTE
        ),
        asked!(
            "range of 1,000 series x 1,000 steps",
            "/api/v1/query_range",
            range(a_thousand),
            [range(some_of_them), range(a_thousand)],
            MEMORY_PER_BYTE_OF_RANGE
        ),
        asked!("federation of 10k series", "/federate", newest(all), large.map(newest), MEMORY_PER_BYTE),
    ]
}

fn run(env: &Env, options: &Options) -> Result<Report> {
    options.only(&["series", "budget-ms", "n"])?;
    let n_series = options.number("series", 10_000)?;
    ensure!(n_series >= 4 * RANGE_SHARE, "--series: at least {}", 4 * RANGE_SHARE);
    let effort = Effort {
        within: Duration::from_millis(options.number("budget-ms", 3_000)?),
        n_max: usize::try_from(options.number("n", 200)?)?,
        n_min: 3,
    };
    let mut report = Report::new(
        BENCH.name,
        format!(
            "{} series of ten labels in memory, a sample every 15 s; the range query asks {} of them for {N_STEPS} steps of 1 s. \
             What a byte more of series and of federation costs is asked of {} others, a sample every four minutes. \
             Both servers read copies of one directory.",
            thousands(n_series),
            thousands(n_series / RANGE_SHARE),
            thousands(n_series * LARGE),
        ),
    );
    report.note("Memory added is the most that resident memory rose above what it was before the first answer of its kind.");
    let jobs = [
        data::Job { name: "api", of_its_own: "pod", n_series, every: 1 },
        data::Job { name: "large", of_its_own: "replica", n_series: n_series * LARGE, every: 16 },
    ];
    let made = data::write(env, &jobs)?;
    let subjects = options.subjects(&[Subject::Watchfire, Subject::Prometheus])?;
    let all = requests(made.end_s);
    for (pass, subject) in order::passes(&subjects, options.passes()?) {
        let data = env.fresh_folder(&format!("api-{}-{pass}", subject.name()))?.join("data");
        crate::env::copy_folder(&made.folder, &data)?;
        let mut server = Server::start(env, subject, &data, &idle_config(), &[])?;
        report.calibrated(calibrate::run());
        for asked in &all {
            measure(&mut server, asked, effort, &mut report).with_context(|| asked.cpu.to_owned())?;
        }
        server.stop()?;
    }
    for asked in &all {
        report.floor(asked.cpu, Subject::Prometheus, 0.2);
        let ours = report.summary(asked.memory_per_byte, Subject::Watchfire.name());
        if let Some(ours) = ours.filter(|_| asked.memory_per_byte_max.is_finite()) {
            report.demand(asked.memory_per_byte.to_owned(), ours.median, asked.memory_per_byte_max);
        }
    }
    Ok(report)
}

fn measure(server: &mut Server, asked: &Asked, effort: Effort, report: &mut Report) -> Result<()> {
    let subject = server.subject;
    let part = cost(server, asked, &asked.part, effort)?;
    let whole = cost(server, asked, &asked.whole, effort)?;
    let more =
        if asked.more == asked.whole { whole.clone() } else { cost(server, asked, &asked.more, effort)? };
    ensure!(whole.body.len() > 100, "{} answers nothing: {}", subject.name(), whole.body);
    let mut first_bytes_s = Vec::new();
    for _ in 0..effort.n_min {
        let form: Vec<(&str, &str)> =
            asked.whole.iter().map(|(name, value)| (*name, value.as_str())).collect();
        first_bytes_s.push(server.first_byte(asked.path, &form)?.as_secs_f64());
    }
    report.add(asked.latency, Unit::Seconds, subject, whole.p50_s);
    report.add(asked.first_byte, Unit::Seconds, subject, median(&first_bytes_s).unwrap_or(f64::NAN));
    report.add(asked.cpu, Unit::Seconds, subject, whole.cpu_s);
    report.add(asked.memory, Unit::Bytes, subject, whole.extra_peak_bytes);
    let n_more = more.body.len().saturating_sub(part.body.len()).max(NOISE_BYTES) as f64;
    let per_byte = (more.extra_peak_bytes - part.extra_peak_bytes).max(0.0) / n_more;
    report.add(asked.memory_per_byte, Unit::Bytes, subject, per_byte);
    Ok(())
}

fn cost(
    server: &mut Server,
    asked: &Asked,
    form: &[(&'static str, String)],
    effort: Effort,
) -> Result<Latency> {
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    latency::measure(server, effort, |server| server.ask(asked.path, &form))
}
