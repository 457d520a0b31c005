//! Running: each evaluation through the engine, then compared.

use wf_series::memory::MemoryStorage;

use super::command::{Command, CommandKind, Eval, Load, When};
use super::{Failure, Report, compare, load, rerun};
use crate::engine::{Engine, EngineOptions, Features, QueryError, QueryOptions, QueryResult, RangeSpan};

/// Samples an evaluation may hold; scripts check that it is enforced.
const MAX_SAMPLES: u64 = 10_000;

/// Runs all commands in order.
pub(super) fn run(commands: &[Command]) -> Report {
    let mut report = Report::default();
    let mut bench = Bench::new();
    for command in commands {
        let line = command.line;
        match &command.kind {
            CommandKind::Clear => bench.storage = MemoryStorage::new(),
            CommandKind::Load(series) => report.failed.extend(load_one(&bench.storage, series, line).err()),
            CommandKind::Eval(eval) => match bench.check(eval) {
                Ok(()) => report.passed += 1,
                Err(message) => {
                    report.failed.push(Failure { line, message: format!("{}: {message}", eval.query) });
                }
            },
        }
    }
    report
}

/// Runs what loads and clears.
pub(super) fn load_all(commands: &[Command]) -> Result<MemoryStorage, Failure> {
    let mut storage = MemoryStorage::new();
    for command in commands {
        match &command.kind {
            CommandKind::Clear => storage = MemoryStorage::new(),
            CommandKind::Load(series) => load_one(&storage, series, command.line)?,
            CommandKind::Eval(_) => {}
        }
    }
    Ok(storage)
}

fn load_one(storage: &MemoryStorage, series: &Load, line: usize) -> Result<(), Failure> {
    load::load(storage, series)
        .map_err(|(at, message)| Failure { line: if at == 0 { line } else { at }, message })
}

/// An engine with the settings of the suite, and the series loaded so far.
pub(super) struct Bench {
    engine: Engine,
    storage: MemoryStorage,
}

impl Bench {
    fn new() -> Self {
        let options = EngineOptions {
            max_samples: MAX_SAMPLES,
            features: Features::SCRIPT_SUITE,
            ..EngineOptions::default()
        };
        Self { engine: Engine::new(options), storage: MemoryStorage::new() }
    }

    /// Evaluates, compares, and repeats in other ways.
    fn check(&self, eval: &Eval) -> Result<(), String> {
        let result = match (self.evaluate(eval), &eval.expects.fail) {
            (Ok(result), None) => result,
            (Ok(result), Some(_)) => return Err(format!("should fail, got {:?}", result.value)),
            (Err(error), None) => return Err(format!("failed: {error}")),
            (Err(error), Some(pattern)) if pattern.matches(&error.to_string()) => return Ok(()),
            (Err(error), Some(pattern)) => {
                return Err(format!("failed with {:?}, want {pattern:?}", error.to_string()));
            }
        };
        compare::annotations(&eval.expects, &result.annotations)?;
        compare::value(eval, &result.value)?;
        match eval.when {
            When::Instant { at_ms } => rerun::check(self, eval, at_ms),
            When::Range { .. } => Ok(()),
        }
    }

    fn evaluate(&self, eval: &Eval) -> Result<QueryResult, QueryError> {
        match (eval.when, eval.expects.range_vector) {
            (_, Some(points)) => self.instant(&eval.query, points.end_ms),
            (When::Instant { at_ms }, None) => self.instant(&eval.query, at_ms),
            (When::Range { start_ms, end_ms, step_ms }, None) => {
                self.range(&eval.query, RangeSpan { start_ms, end_ms, step_ms })
            }
        }
    }

    pub(super) fn instant(&self, query: &str, time_ms: i64) -> Result<QueryResult, QueryError> {
        self.engine.instant(&self.storage, query, time_ms, &QueryOptions::default())
    }

    pub(super) fn range(&self, query: &str, span: RangeSpan) -> Result<QueryResult, QueryError> {
        self.engine.range(&self.storage, query, span, &QueryOptions::default())
    }
}
