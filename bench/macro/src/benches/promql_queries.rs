//! Dashboards' queries over two data sets: latency, CPU and memory of the three.
//!
//! # Reading order: here (who is asked what, and what must hold), `asked` (the queries), `sets` (the data), `agree` (answers are the
//! same), `cells` (figures of each query and window, and what is made of them).

mod agree;
mod asked;
mod cells;
mod sets;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use self::asked::{Asked, requests};
use self::cells::{Cell, Cells};
use self::sets::DataSet;
use super::Bench;
use crate::latency::{self, Effort};
use crate::meter::Watch;
use crate::{Env, Options, Report, Server, Subject, Unit, calibrate, order, progress};

pub(crate) const BENCH: Bench = Bench {
    name: "promql-queries",
    about: "dashboard queries over blocks [--sets month,large --windows 0,1,6 --only text --budget-ms 150 --n 20]",
    run,
};

/// Largest share of Prometheus's CPU time for a single query: 0.8 times its speed.
const SLOWEST: f64 = 1.25;

/// Fewest answers of a query that is fast.
const N_MIN: usize = 5;

/// The query whose floor is its own.
const ALL_SERIES: &str = "rate of all buckets";

/// What the caller chose.
struct Chosen {
    subjects: Vec<Subject>,
    n_passes: usize,
    effort: Effort,
    only: String,
    windows_h: Option<Vec<u64>>,
}

fn run(env: &Env, options: &Options) -> Result<Report> {
    options.only(&["sets", "windows", "only", "budget-ms", "n"])?;
    let chosen = Chosen {
        subjects: options.subjects(&Subject::ALL)?,
        n_passes: usize::try_from(options.number("passes", 1)?)?,
        effort: Effort {
            within: Duration::from_millis(options.number("budget-ms", 150)?),
            n_max: usize::try_from(options.number("n", 20)?)?,
            n_min: N_MIN,
        },
        only: options.text("only").unwrap_or("").to_owned(),
        windows_h: options.text("windows").map(hours).transpose()?,
    };
    let sets = sets::chosen(options.text("sets").unwrap_or("month,large"))?;
    let setup: Vec<String> = sets.iter().map(DataSet::sentence).collect();
    let mut report = Report::new(BENCH.name, setup.join(" "));
    report.note(
        "Both servers that read blocks read the same files; their answers are compared within 1e-9. CPU is the server's, per \
         answer. Caches of answers are off but for the row that says so; each query was asked before it was timed.",
    );
    let mut all = Cells::default();
    for set in &sets {
        measure_set(env, set, &chosen, &mut all, &mut report)?;
    }
    all.into_report(&chosen.subjects, &mut report);
    Ok(report)
}

fn hours(text: &str) -> Result<Vec<u64>> {
    text.split(',').map(|text| text.parse().context("read --windows")).collect()
}

fn measure_set(
    env: &Env,
    set: &DataSet,
    chosen: &Chosen,
    all: &mut Cells,
    report: &mut Report,
) -> Result<()> {
    let mut answers = BTreeMap::new();
    for (_, subject) in order::passes(&chosen.subjects, chosen.n_passes) {
        let mut server = set.serve(env, subject)?;
        report.calibrated(calibrate::run());
        let watch = Watch::start(server.id());
        let asked = ask_all(&mut server, set, chosen, &mut answers, all);
        let seen = watch.finish();
        let peak = asked.with_context(|| format!("ask {} about {}", subject.name(), set.name))?;
        let row = |what: &str| leak(format!("{what}, {}", set.name));
        report.add(row("peak RSS"), Unit::Bytes, subject, peak.resident);
        report.add(row("peak of anonymous memory"), Unit::Bytes, subject, seen.anonymous_peak_bytes);
        report.add(row("most that a query added to RSS"), Unit::Bytes, subject, peak.extra);
        server.stop()?;
    }
    Ok(())
}

/// Memory at its highest.
#[derive(Clone, Copy, Default)]
struct Peak {
    resident: f64,
    extra: f64,
}

/// Asks everything; `answers` are those of whoever was asked first.
fn ask_all(
    server: &mut Server,
    set: &DataSet,
    chosen: &Chosen,
    answers: &mut BTreeMap<String, String>,
    all: &mut Cells,
) -> Result<Peak> {
    let mut peak = Peak::default();
    for one in requests(set, &chosen.only, chosen.windows_h.as_deref()) {
        let place = format!("{}, {}", one.name, one.window);
        let cost =
            latency::measure(server, chosen.effort, |server| one.ask(server)).context(place.clone())?;
        ensure!(!agree::is_empty(&cost.body)?, "{place}: {} answers nothing", server.subject.name());
        if server.subject != Subject::VictoriaMetrics {
            match answers.get(&place) {
                Some(other) => agree::check(other, &cost.body).with_context(|| format!("compare {place}"))?,
                None => drop(answers.insert(place.clone(), cost.body.clone())),
            }
        }
        peak.resident = peak.resident.max(cost.peak_bytes);
        peak.extra = peak.extra.max(cost.extra_peak_bytes);
        let cached_s =
            if one.may_be_cached() { Some(cached(server, &one, chosen, cost.p50_s)?) } else { None };
        let cell = Cell::new(set.name, &one, server.subject, &cost, cached_s);
        progress::say(cell.line());
        all.push(cell);
    }
    Ok(peak)
}

/// Returns the latency of the same question when caches of answers may help; of a server without such a cache what it was.
fn cached(server: &mut Server, one: &Asked, chosen: &Chosen, plain_s: f64) -> Result<f64> {
    if server.subject == Subject::Prometheus {
        return Ok(plain_s);
    }
    // The first fills the cache.
    one.ask_cached(server)?;
    let effort = Effort { within: chosen.effort.within / 8, ..chosen.effort };
    Ok(latency::measure(server, effort, |server| one.ask_cached(server))?.p50_s)
}

/// Names of figures live as long as the program: there are a few dozen.
fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}
