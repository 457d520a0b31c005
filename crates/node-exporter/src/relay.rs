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
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::timeout_at;

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
    pub fn run_blocking<R: Send + 'static>(&self, jobs: Vec<Job<R>>, limits: Limits) -> Vec<Outcome<R>> {
        self.start(jobs, limits).wait_blocking()
    }

    /// As [`Relay::run_blocking`], without a thread of its own to wait: waking one costs more than most jobs.
    /// # Cancel safety
    /// When dropped, jobs go on and their outcomes are lost.
    pub async fn run<R: Send + 'static>(&self, jobs: Vec<Job<R>>, limits: Limits) -> Vec<Outcome<R>> {
        self.start(jobs, limits).wait().await
    }

    fn start<R: Send + 'static>(&self, jobs: Vec<Job<R>>, limits: Limits) -> Run<'_, R> {
        let board = Arc::new(Board::new(jobs));
        let ends_at = Instant::now() + limits.total_timeout;
        let mut run = Run { ends_at, limits, n_at_work: 0, board, relay: self };
        run.add_thread();
        run
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
    /// Both ring once, when the last job is settled: waking the waiter for each would cost more than most jobs.
    all_settled: Condvar,
    all_settled_async: Notify,
}

struct State<R> {
    queue: VecDeque<(usize, Job<R>)>,
    running: Vec<Running>,
    outcomes: Vec<Option<Outcome<R>>>,
    n_open: usize,
    /// When a job last ended.
    progress_at: Instant,
    is_closed: bool,
}

struct Running {
    job_idx: usize,
    started: Instant,
    is_running: Arc<AtomicBool>,
}

/// A job on its way from the queue to a thread.
type Started<R> = (usize, Job<R>, Arc<AtomicBool>);

impl<R> Board<R> {
    fn new(jobs: Vec<Job<R>>) -> Self {
        let outcomes: Vec<_> = jobs.iter().map(|_| None).collect();
        let state = State {
            n_open: jobs.len(),
            queue: jobs.into_iter().enumerate().collect(),
            running: Vec::new(),
            outcomes,
            progress_at: Instant::now(),
            is_closed: false,
        };
        Self { state: Mutex::new(state), all_settled: Condvar::new(), all_settled_async: Notify::new() }
    }

    /// Takes the first job.
    fn start(&self) -> Option<Started<R>> {
        lock(&self.state).start_next()
    }

    /// Notes the end of a job and takes the next. None also when the job was given up: the thread has been replaced
    /// and shall end.
    fn end_and_start(&self, job_idx: usize, outcome: Outcome<R>) -> Option<Started<R>> {
        let mut state = lock(&self.state);
        let n_before = state.running.len();
        state.running.retain(|running| running.job_idx != job_idx);
        if state.running.len() == n_before {
            return None;
        }
        state.progress_at = Instant::now();
        state.settle(job_idx, outcome);
        if state.n_open == 0 {
            self.all_settled.notify_all();
            self.all_settled_async.notify_one();
        }
        state.start_next()
    }
}

impl<R> State<R> {
    fn start_next(&mut self) -> Option<Started<R>> {
        if self.is_closed {
            return None;
        }
        let (job_idx, job) = self.queue.pop_front()?;
        let is_running = Arc::new(AtomicBool::new(true));
        self.running.push(Running { job_idx, started: Instant::now(), is_running: Arc::clone(&is_running) });
        Some((job_idx, job, is_running))
    }

    fn settle(&mut self, job_idx: usize, outcome: Outcome<R>) {
        if let Some(slot @ None) = self.outcomes.get_mut(job_idx) {
            *slot = Some(outcome);
            self.n_open -= 1;
        }
    }

    /// Ends the run. Time may be up: what still runs is late, what is queued never starts.
    fn close(&mut self) -> Vec<Outcome<R>> {
        self.is_closed = true;
        self.queue.clear();
        for running in std::mem::take(&mut self.running) {
            self.settle(running.job_idx, Outcome::Late(running.is_running));
        }
        let unfinished = |outcome: Option<_>| {
            // Never started: nothing runs, so the flag is down and the next attempt is free.
            outcome.unwrap_or_else(|| Outcome::Late(Arc::new(AtomicBool::new(false))))
        };
        std::mem::take(&mut self.outcomes).into_iter().map(unfinished).collect()
    }

    /// Gives up jobs that are over their time; returns how many.
    fn give_up(&mut self, now: Instant, job_timeout: Duration) -> usize {
        let is_late = |running: &mut Running| now >= running.started + job_timeout;
        let late: Vec<_> = self.running.extract_if(.., is_late).collect();
        let n_late = late.len();
        for running in late {
            self.settle(running.job_idx, Outcome::Late(running.is_running));
        }
        n_late
    }
}

/// What the waiting side of a run does next.
enum Next {
    /// All is settled, or time is up.
    Finish,
    /// A further thread, then look again.
    GetHelp,
    /// Look again then, or when all is settled.
    WaitUntil(Instant),
}

/// Life of a thread within one run.
fn work<R>(board: &Board<R>) {
    let mut next = board.start();
    while let Some((job_idx, job, is_running)) = next {
        let outcome = catch_unwind(AssertUnwindSafe(job)).map_or(Outcome::Panicked, Outcome::Done);
        is_running.store(false, Ordering::Release);
        next = board.end_and_start(job_idx, outcome);
    }
}

/// The waiting side of one run.
struct Run<'a, R> {
    relay: &'a Relay,
    limits: Limits,
    ends_at: Instant,
    board: Arc<Board<R>>,
    n_at_work: usize,
}

impl<R: Send + 'static> Run<'_, R> {
    fn add_thread(&mut self) {
        let board = Arc::clone(&self.board);
        if self.relay.execute(Box::new(move || work(&board))) {
            self.n_at_work += 1;
        }
    }

    fn wait_blocking(mut self) -> Vec<Outcome<R>> {
        let board = Arc::clone(&self.board);
        let mut state = lock(&board.state);
        loop {
            match self.next(&mut state) {
                Next::Finish => return state.close(),
                Next::GetHelp => {
                    drop(state);
                    self.add_thread();
                    state = lock(&board.state);
                }
                Next::WaitUntil(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    let woken = board.all_settled.wait_timeout(state, left);
                    state = woken.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }

    async fn wait(mut self) -> Vec<Outcome<R>> {
        let board = Arc::clone(&self.board);
        loop {
            let next = self.next(&mut lock(&board.state));
            match next {
                Next::Finish => return lock(&board.state).close(),
                Next::GetHelp => self.add_thread(),
                // A ring between the look and the wait is kept for the wait.
                Next::WaitUntil(until) => {
                    let _woken = timeout_at(until.into(), board.all_settled_async.notified()).await;
                }
            }
        }
    }

    /// Decides what the waiting side does, and gives up what is over its time.
    fn next(&mut self, state: &mut State<R>) -> Next {
        let now = Instant::now();
        if self.n_at_work == 0 || state.n_open == 0 || now >= self.ends_at {
            return Next::Finish;
        }
        let helps_at = state.progress_at + self.limits.patience;
        let deadlines = state.running.iter().map(|running| running.started + self.limits.job_timeout);
        let wake_at = deadlines.chain([helps_at, self.ends_at]).min().unwrap_or(self.ends_at);
        if wake_at > now {
            return Next::WaitUntil(wake_at);
        }
        self.n_at_work = self.n_at_work.saturating_sub(state.give_up(now, self.limits.job_timeout));
        // The next look is a patience away, whatever comes of the help.
        state.progress_at = now;
        if !state.queue.is_empty() && self.n_at_work < self.limits.threads_max {
            return Next::GetHelp;
        }
        Next::WaitUntil(now)
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
            total_timeout: Duration::from_secs(60),
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
        let outcomes = relay.run_blocking(jobs, limits(10_000));
        assert!(
            matches!(outcomes[..], [Outcome::Done(1), Outcome::Panicked, Outcome::Done(3)]),
            "{outcomes:?}"
        );
        assert!(relay.run_blocking(Vec::<Job<()>>::new(), limits(1)).is_empty());
    }

    /// Times to give jobs of which some hang: on a busy machine the quick ones are late as well, and all get longer.
    const TIMES_MS: [u64; 4] = [30, 300, 3_000, 30_000];

    #[test]
    fn hanging_jobs_are_left_behind_and_the_others_finish() {
        let relay = Relay::new();
        let (release, gate) = sync_channel::<()>(0);
        let gate = Arc::new(Mutex::new(gate));
        let hang = || {
            let gate = Arc::clone(&gate);
            job(move || gate.lock().unwrap().recv().unwrap_or(()))
        };
        let left_behind = |job_ms| {
            let limits = Limits { total_timeout: Duration::from_secs(240), ..limits(job_ms) };
            let outcomes = relay.run_blocking(vec![hang(), hang(), hang(), job(|| ())], limits);
            match &outcomes[..] {
                [Outcome::Late(first), Outcome::Late(_), Outcome::Late(_), Outcome::Done(())] => {
                    Some(Arc::clone(first))
                }
                _ => None,
            }
        };
        let first = TIMES_MS.into_iter().find_map(left_behind).expect("the last one finishes");
        assert!(first.load(Ordering::Acquire), "still hanging");
        drop(release);
        let deadline = Instant::now() + Duration::from_secs(60);
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
        let outcomes = relay.run_blocking(jobs.collect(), total);
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Late(_))), "{outcomes:?}");
    }

    #[tokio::test]
    async fn waiting_without_a_thread_sees_the_same() {
        let relay = Relay::new();
        let outcomes = relay.run(vec![job(|| 1), job(|| panic!("bug"))], limits(10_000)).await;
        assert!(matches!(outcomes[..], [Outcome::Done(1), Outcome::Panicked]), "{outcomes:?}");
        for job_ms in TIMES_MS {
            let (_release, gate) = sync_channel::<()>(0);
            let hang = job(move || gate.recv().unwrap_or(()));
            let limits = Limits { total_timeout: Duration::from_secs(120), ..limits(job_ms) };
            let outcomes = relay.run(vec![hang, job(|| ())], limits).await;
            if matches!(outcomes[..], [Outcome::Late(_), Outcome::Done(())]) {
                return;
            }
        }
        panic!("the quick job is late, whatever time it has");
    }
}
