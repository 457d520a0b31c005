//! Blocking jobs that may hang, run so that nobody else does.
//!
//! Reading `/proc` or asking a file system for its size can block in the kernel for ever: a dead NFS server, a broken
//! driver. A [`Relay`] runs a list of jobs on a helper thread. A job that exceeds its time is left behind together
//! with its thread; another takes over the rest. While a job is merely slow, up to `threads_max` of them run at once.
//!
//! # Invariants
//! - Without hanging jobs one helper thread serves all lists; it is kept for the next one.
//! - Every job has exactly one [`Outcome`], in the order of the list.
//! - A thread left behind ends with its job; callers skip jobs that are known to hang, so threads do not pile up.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// A blocking job.
pub type Job<R> = Box<dyn FnOnce() -> R + Send>;

/// How a job ended.
#[derive(Debug)]
pub enum Outcome<R> {
    /// It returned.
    Done(R),
    /// It panicked.
    Panicked,
    /// It has not returned in time; the flag falls when it does.
    Late(Arc<AtomicBool>),
}

/// Bounds of a run.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Time of each job, from its own start.
    pub job_timeout: Duration,
    /// Time of the whole list.
    pub total_timeout: Duration,
    /// Without any result for this time a further thread helps.
    pub patience: Duration,
    /// Threads at work at a time, those left behind not counted.
    pub threads_max: usize,
}

type Task = Box<dyn FnOnce() + Send>;

/// Helper threads kept idle for the next list.
const IDLE_MAX: usize = 1;

/// Runs lists of jobs. Clones share the helper threads.
#[derive(Clone, Default)]
pub struct Relay {
    idle: Arc<Idle>,
}

type Idle = Mutex<Vec<SyncSender<Task>>>;

impl Relay {
    /// Makes a relay; threads start when needed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `jobs` and waits for them within `limits`. Jobs that were not even started in time are `Late` too.
    pub fn run<R: Send + 'static>(&self, jobs: Vec<Job<R>>, limits: Limits) -> Vec<Outcome<R>> {
        let n_jobs = jobs.len();
        let (results, finished) = sync_channel(n_jobs.max(1));
        let board = Arc::new(Board::new(jobs));
        let mut run = Run {
            outcomes: (0..n_jobs).map(|_| None).collect(),
            ends_at: Instant::now() + limits.total_timeout,
            limits,
            n_at_work: 0,
            board,
            results,
            finished,
            relay: self,
        };
        run.add_thread();
        run.wait();
        let unfinished = |outcome: Option<_>| {
            // Never started: nothing runs, so the flag is down and the next attempt is free.
            outcome.unwrap_or_else(|| Outcome::Late(Arc::new(AtomicBool::new(false))))
        };
        run.outcomes.into_iter().map(unfinished).collect()
    }

    fn execute(&self, task: Task) -> bool {
        let mut task = task;
        while let Some(idle) = lock(&self.idle).pop() {
            match idle.try_send(task) {
                Ok(()) => return true,
                // That thread has ended or is not waiting yet: try another.
                Err(error) => task = error.into_inner(),
            }
        }
        let home = Arc::downgrade(&self.idle);
        let spawned = thread::Builder::new().name("collect".to_owned()).spawn(move || {
            task();
            wait_for_more(&home);
        });
        if let Err(error) = &spawned {
            tracing::error!(%error, "cannot start a thread to collect metrics");
        }
        spawned.is_ok()
    }
}

trait IntoInner {
    fn into_inner(self) -> Task;
}

impl IntoInner for std::sync::mpsc::TrySendError<Task> {
    fn into_inner(self) -> Task {
        match self {
            Self::Full(task) | Self::Disconnected(task) => task,
        }
    }
}

/// Life of a helper thread after its first task: idle until more comes or nobody needs it.
fn wait_for_more(home: &Weak<Idle>) {
    loop {
        let (sender, receiver) = sync_channel::<Task>(1);
        {
            let Some(idle) = home.upgrade() else { return };
            let mut idle = lock(&idle);
            if idle.len() >= IDLE_MAX {
                return;
            }
            idle.push(sender);
        }
        match receiver.recv() {
            Ok(task) => task(),
            Err(_) => return,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What the locks guard stays consistent whatever panics: single pushes and pops.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the threads of one run share.
struct Board<R> {
    state: Mutex<State<R>>,
}

struct State<R> {
    queue: VecDeque<(usize, Job<R>)>,
    running: Vec<Running>,
    is_closed: bool,
}

struct Running {
    job_idx: usize,
    started: Instant,
    is_running: Arc<AtomicBool>,
}

impl<R> Board<R> {
    fn new(jobs: Vec<Job<R>>) -> Self {
        let queue = jobs.into_iter().enumerate().collect();
        Self { state: Mutex::new(State { queue, running: Vec::new(), is_closed: false }) }
    }

    /// Takes the next job and notes that it runs.
    fn start_next(&self) -> Option<(usize, Job<R>, Arc<AtomicBool>)> {
        let mut state = lock(&self.state);
        if state.is_closed {
            return None;
        }
        let (job_idx, job) = state.queue.pop_front()?;
        let is_running = Arc::new(AtomicBool::new(true));
        let note = Running { job_idx, started: Instant::now(), is_running: Arc::clone(&is_running) };
        state.running.push(note);
        Some((job_idx, job, is_running))
    }

    /// Notes the end of a job. False when it was given up: the thread has been replaced and shall end.
    fn end(&self, job_idx: usize) -> bool {
        let mut state = lock(&self.state);
        let n_before = state.running.len();
        state.running.retain(|running| running.job_idx != job_idx);
        state.running.len() < n_before
    }
}

/// Life of a thread within one run.
fn work<R>(board: &Board<R>, results: &SyncSender<(usize, Outcome<R>)>) {
    while let Some((job_idx, job, is_running)) = board.start_next() {
        let outcome = catch_unwind(AssertUnwindSafe(job)).map_or(Outcome::Panicked, Outcome::Done);
        is_running.store(false, Ordering::Release);
        // The channel holds a result of every job, so it is never full.
        if !board.end(job_idx) || results.try_send((job_idx, outcome)).is_err() {
            return;
        }
    }
}

/// The waiting side of one run.
struct Run<'a, R> {
    relay: &'a Relay,
    limits: Limits,
    ends_at: Instant,
    board: Arc<Board<R>>,
    results: SyncSender<(usize, Outcome<R>)>,
    finished: Receiver<(usize, Outcome<R>)>,
    outcomes: Vec<Option<Outcome<R>>>,
    n_at_work: usize,
}

impl<R: Send + 'static> Run<'_, R> {
    fn add_thread(&mut self) {
        let (board, results) = (Arc::clone(&self.board), self.results.clone());
        if self.relay.execute(Box::new(move || work(&board, &results))) {
            self.n_at_work += 1;
        }
    }

    fn wait(&mut self) {
        while self.n_at_work > 0 && self.outcomes.iter().any(Option::is_none) {
            let now = Instant::now();
            if now >= self.ends_at {
                break;
            }
            let wake_at = self.next_deadline().unwrap_or(self.ends_at).min(now + self.limits.patience);
            match self.finished.recv_timeout(wake_at.min(self.ends_at).saturating_duration_since(now)) {
                Ok((job_idx, outcome)) => self.settle(job_idx, outcome),
                Err(RecvTimeoutError::Timeout) => self.help(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.close();
    }

    fn settle(&mut self, job_idx: usize, outcome: Outcome<R>) {
        if let Some(slot @ None) = self.outcomes.get_mut(job_idx) {
            *slot = Some(outcome);
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let state = lock(&self.board.state);
        state.running.iter().map(|running| running.started + self.limits.job_timeout).min()
    }

    /// Nothing came: gives up jobs that are over their time and sends for help if work is left.
    fn help(&mut self) {
        let now = Instant::now();
        let mut state = lock(&self.board.state);
        let (late, running) = std::mem::take(&mut state.running)
            .into_iter()
            .partition::<Vec<_>, _>(|running| now >= running.started + self.limits.job_timeout);
        state.running = running;
        let is_work_left = !state.queue.is_empty();
        drop(state);
        self.n_at_work = self.n_at_work.saturating_sub(late.len());
        for running in late {
            self.settle(running.job_idx, Outcome::Late(running.is_running));
        }
        if is_work_left && self.n_at_work < self.limits.threads_max {
            self.add_thread();
        }
    }

    /// Time is up: what still runs is late, what is queued never starts.
    fn close(&mut self) {
        let mut state = lock(&self.board.state);
        state.is_closed = true;
        state.queue.clear();
        let running = std::mem::take(&mut state.running);
        drop(state);
        while let Ok((job_idx, outcome)) = self.finished.try_recv() {
            self.settle(job_idx, outcome);
        }
        for running in running {
            self.settle(running.job_idx, Outcome::Late(running.is_running));
        }
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Relay({} idle)", lock(&self.idle).len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(job_ms: u64) -> Limits {
        Limits {
            job_timeout: Duration::from_millis(job_ms),
            total_timeout: Duration::from_secs(10),
            patience: Duration::from_millis(5),
            threads_max: 2,
        }
    }

    fn job<R>(job: impl FnOnce() -> R + Send + 'static) -> Job<R> {
        Box::new(job)
    }

    #[test]
    fn results_come_in_order_and_a_panic_is_one_of_them() {
        let relay = Relay::new();
        let jobs = vec![job(|| 1), job(|| panic!("bug")), job(|| 3)];
        let outcomes = relay.run(jobs, limits(10_000));
        assert!(
            matches!(outcomes[..], [Outcome::Done(1), Outcome::Panicked, Outcome::Done(3)]),
            "{outcomes:?}"
        );
        assert!(relay.run(Vec::<Job<()>>::new(), limits(1)).is_empty());
    }

    #[test]
    fn hanging_jobs_are_left_behind_and_the_others_finish() {
        let relay = Relay::new();
        let (release, gate) = sync_channel::<()>(0);
        let gate = Arc::new(Mutex::new(gate));
        let hang = || {
            let gate = Arc::clone(&gate);
            job(move || gate.lock().unwrap().recv().unwrap_or(()))
        };
        let outcomes = relay.run(vec![hang(), hang(), hang(), job(|| ())], limits(30));
        let [Outcome::Late(first), Outcome::Late(_), Outcome::Late(_), Outcome::Done(())] = &outcomes[..]
        else {
            panic!("{outcomes:?}")
        };
        assert!(first.load(Ordering::Acquire), "still hanging");
        drop(release);
        let deadline = Instant::now() + Duration::from_secs(5);
        while first.load(Ordering::Acquire) && Instant::now() < deadline {
            thread::yield_now();
        }
        assert!(!first.load(Ordering::Acquire), "returned in the end");
    }

    #[test]
    fn the_whole_list_has_an_end_too() {
        let relay = Relay::new();
        let (_release, gate) = sync_channel::<()>(0);
        let gate = Arc::new(Mutex::new(gate));
        let jobs = (0..5)
            .map(|_| Arc::clone(&gate))
            .map(|gate| job(move || gate.lock().unwrap().recv().unwrap_or(())));
        let total = Limits { total_timeout: Duration::from_millis(20), ..limits(10_000) };
        let outcomes = relay.run(jobs.collect(), total);
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Late(_))), "{outcomes:?}");
    }
}
