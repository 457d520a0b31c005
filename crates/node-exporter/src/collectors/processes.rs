//! `processes`: how many there are, and what they are doing.

use std::collections::BTreeMap;

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, gauge, push_gauge};
use crate::context::{Context, names_in};
use crate::parse;

/// The collector.
#[derive(Debug)]
pub struct Processes;

impl Collector for Processes {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let base = ctx.paths.proc.clone();
        let is_number = |name: &&String| name.bytes().all(|byte| byte.is_ascii_digit());
        let (mut states, mut thread_states) =
            (BTreeMap::<String, u32>::new(), BTreeMap::<String, u32>::new());
        let (mut n_processes, mut n_threads) = (0_u32, 0.0);
        for pid in names_in(&base, "").iter().filter(is_number) {
            let dir = base.join(pid);
            // Whoever vanishes while we look is not counted.
            let Some((state, threads)) = ctx.attribute(&dir.join("stat")).and_then(read_stat) else {
                continue;
            };
            n_processes += 1;
            n_threads += threads;
            *states.entry(state.clone()).or_default() += 1;
            for thread in names_in(&dir.join("task"), "") {
                let stat = ctx.attribute(&dir.join("task").join(thread).join("stat")).and_then(read_stat);
                if let Some((state, _)) = stat {
                    *thread_states.entry(state).or_default() += 1;
                }
            }
        }
        push_gauge(out, "node_processes_threads", "Threads of the host.", n_threads);
        push_gauge(out, "node_processes_pids", "Processes of the host.", f64::from(n_processes));
        let mut by_state = gauge("node_processes_state", "Processes by state.");
        for (state, count) in &states {
            by_state.push(&[("state", state)], f64::from(*count));
        }
        let mut by_thread_state = gauge("node_processes_threads_state", "Threads by state.");
        for (state, count) in &thread_states {
            by_thread_state.push(&[("thread_state", state)], f64::from(*count));
        }
        out.extend([by_state, by_thread_state]);
        for (file, name, help) in [
            ("sys/kernel/threads-max", "node_processes_max_threads", "Limit of threads."),
            ("sys/kernel/pid_max", "node_processes_max_processes", "Limit of processes."),
        ] {
            let text = ctx.proc(file)?;
            let limit = parse::number(text.trim_ascii());
            push_gauge(out, name, help, limit.ok_or_else(|| CollectError::parse("sys/kernel", text))?);
        }
        Ok(())
    }
}

/// State and number of threads; the name before them may hold spaces and brackets.
fn read_stat(text: &[u8]) -> Option<(String, f64)> {
    let after_name = text.get(memchr::memrchr(b')', text)? + 1..)?;
    let mut words = parse::words(after_name);
    let state = words.next().map(parse::text)?;
    Some((state, words.nth(16).and_then(parse::number)?))
}
