//! The life of one target: wait for its tick, fetch, store, and so on, until it is removed or the server stops.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use wf_httpkit::client::Line;
use wf_series::SampleSink;

use crate::clock::WallClock;
use crate::commit::{Page, ScrapeContext, ScrapeOutcome, TargetMemory};
use crate::config::{DEFAULT_BODY_BYTES_MAX, JobSettings};
use crate::error::ScrapeError;
use crate::failure_log::FailureLog;
use crate::fetch::{Bodies, Fetch, FetchRequest, Packing, RawPage, gunzip, unzstd};
use crate::ingest::Scratch;
use crate::metrics::ScrapeMetrics;
use crate::protocol;
use crate::schedule::{Schedule, Tick};
use crate::target::{Health, Target, TargetStatus};

/// What all loops share.
#[derive(Clone)]
pub(crate) struct LoopShared {
    pub(crate) sink: Arc<dyn SampleSink>,
    pub(crate) clock: WallClock,
    pub(crate) metrics: ScrapeMetrics,
    /// Long pages that are unpacked and parsed at once: bounds both memory and the cores taken from queries.
    pub(crate) parse_permits: Arc<Semaphore>,
    /// Buffers that no scrape uses now; at most one for each permit and each lane.
    pub(crate) idle_buffers: Arc<Mutex<Vec<Buffers>>>,
    /// Those of bodies as received.
    pub(crate) bodies: Bodies,
}

/// Buffers of one scrape. There are as many as pages are parsed at once, not as there are targets.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    scratch: Scratch,
    /// The page, if it came compressed.
    unpacked: Vec<u8>,
}

/// Connections are not kept open for longer; it outlives all usual intervals.
const IDLE_MAX: Duration = Duration::from_secs(300);

/// Buffers up to this size are kept.
const KEPT_SAMPLES_MAX: usize = 64 * 1024;
const KEPT_BYTES_MAX: usize = 8 << 20;

impl Buffers {
    fn is_worth_keeping(&self) -> bool {
        self.scratch.batch.refs.capacity() <= KEPT_SAMPLES_MAX && self.unpacked.capacity() <= KEPT_BYTES_MAX
    }
}

/// How a target is scraped, as of the last reload.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) job: Arc<str>,
    pub(crate) target: Arc<Target>,
    pub(crate) settings: Arc<JobSettings>,
    pub(crate) headers: HeaderMap,
    pub(crate) fetch: Arc<dyn Fetch>,
    pub(crate) failure_log: Arc<FailureLog>,
    pub(crate) schedule: Schedule,
    /// Fails every scrape without trying: the job has too many targets.
    pub(crate) forced_error: Option<ScrapeError>,
}

impl Plan {
    fn limit_bytes(&self) -> u64 {
        match self.settings.limits.body_bytes_max {
            0 => DEFAULT_BODY_BYTES_MAX,
            limit => limit,
        }
    }
}

/// What a loop shall do.
#[derive(Clone, Debug)]
pub(crate) enum Directive {
    /// Scrape by this plan.
    Scrape(Arc<Plan>),
    /// The target is gone: mark its series stale, then end.
    Remove,
}

/// The loop of one target.
pub(crate) struct ScrapeLoop {
    shared: LoopShared,
    directive: watch::Receiver<Directive>,
    /// Ends the loop without stale markers: the series go on after a restart, or age out with their job.
    stop: CancellationToken,
    memory: TargetMemory,
    /// The connection of the last scrape.
    line: Line,
    /// Whether the last page was taken in: the next one holds few new series.
    is_known: bool,
    last_start: Option<Instant>,
    was_lossy: bool,
}

impl ScrapeLoop {
    pub(crate) fn new(
        shared: LoopShared,
        directive: watch::Receiver<Directive>,
        stop: CancellationToken,
    ) -> Self {
        let (memory, line) = (TargetMemory::default(), Line::default());
        Self { shared, directive, stop, memory, line, is_known: false, last_start: None, was_lossy: false }
    }

    /// Scrapes until the target is removed or `stop` fires.
    pub(crate) async fn run(mut self) {
        let mut served = None;
        let mut last_schedule = None;
        loop {
            let directive = self.directive.borrow_and_update().clone();
            let Directive::Scrape(plan) = directive else { break };
            last_schedule = Some(plan.schedule);
            let wait = plan.schedule.wait_from(self.shared.clock.now_ns(), served);
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                changed = self.directive.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                () = sleep(wait) => {}
            }
            let tick = plan.schedule.tick_at(self.shared.clock.now_ns());
            served = Some(tick);
            if !self.scrape_once(&plan, tick).await {
                return;
            }
        }
        if let (Some(schedule), Some(tick)) = (last_schedule, served) {
            self.mark_removed(schedule, tick).await;
        }
    }

    /// Scrapes; returns whether the loop goes on.
    async fn scrape_once(&mut self, plan: &Arc<Plan>, tick: Tick) -> bool {
        let started = Instant::now();
        if let Some(last_start) = self.last_start.replace(started) {
            self.shared.metrics.on_interval(plan.target.interval, started - last_start);
        }
        let stop = self.stop.clone();
        let line = std::mem::take(&mut self.line);
        let mut fetched = tokio::select! {
            biased;
            () = stop.cancelled() => return false,
            fetched = fetch(plan, started, line, self.shared.bodies.clone()) => fetched,
        };
        if let Ok(page) = &mut fetched
            && plan.target.interval <= IDLE_MAX
        {
            self.line = std::mem::take(&mut page.line);
        }
        let outcome = self.store(plan, tick, started, fetched).await;
        self.publish(plan, tick, outcome);
        true
    }

    /// Unpacks, parses and stores: at once what takes less than waking another thread is worth, elsewhere what takes long.
    async fn store(
        &mut self,
        plan: &Arc<Plan>,
        tick: Tick,
        started: Instant,
        fetched: Result<RawPage, ScrapeError>,
    ) -> ScrapeOutcome {
        let memory = std::mem::take(&mut self.memory);
        let is_short = self.is_known && fetched.as_ref().is_ok_and(is_short);
        let work = {
            let (plan, shared) = (Arc::clone(plan), self.shared.clone());
            move || work(&plan, &shared, tick, started, fetched, memory)
        };
        let done = if is_short {
            // As on a thread of the pool, a bug in one page must not stop the other targets.
            catch_unwind(AssertUnwindSafe(work)).ok()
        } else {
            // The semaphore is never closed.
            let _permit = self.shared.parse_permits.acquire().await.ok();
            tokio::task::spawn_blocking(work).await.ok()
        };
        match done {
            Some((memory, outcome)) => {
                self.memory = memory;
                self.is_known = outcome.error.is_none();
                outcome
            }
            // What was known about the target is lost with the panic: it starts anew.
            None => {
                self.is_known = false;
                ScrapeOutcome { error: Some(ScrapeError::Panic), ..ScrapeOutcome::default() }
            }
        }
    }

    fn publish(&mut self, plan: &Plan, tick: Tick, outcome: ScrapeOutcome) {
        self.shared.metrics.on_scrape(&outcome);
        self.log(plan, &outcome);
        let last_error = match (&outcome.error, &outcome.refusal) {
            (Some(error), _) => error.to_string(),
            (None, Some(refusal)) => format!("{} samples not stored: {refusal}", outcome.counts.n_refused),
            (None, None) => String::new(),
        };
        let health = if outcome.error.is_none() { Health::Up } else { Health::Down };
        let state = &plan.target.state;
        *state.status.lock() = TargetStatus {
            health,
            last_error,
            last_scrape_ms: Some(tick.time_ms),
            last_duration: outcome.duration,
        };
        if let Some(metadata) = outcome.metadata {
            state.metadata.store(Arc::new(metadata));
        }
    }

    /// Logs changes loudly and what repeats quietly.
    fn log(&mut self, plan: &Plan, outcome: &ScrapeOutcome) {
        let (job, url) = (&*plan.job, &plan.target.shown_url);
        let before = plan.target.state.status.lock().health;
        match &outcome.error {
            Some(error) if before == Health::Down => debug!(job, %url, %error, "scrape failed again"),
            Some(error) => warn!(job, %url, %error, "scrape failed"),
            None if before == Health::Down => info!(job, %url, "target is up again"),
            None => {}
        }
        let counts = &outcome.counts;
        let is_lossy =
            counts.n_duplicate + counts.n_out_of_order + counts.n_out_of_bounds + counts.n_refused > 0;
        if is_lossy && !self.was_lossy {
            warn!(
                job, %url,
                n_duplicate = counts.n_duplicate,
                n_out_of_order = counts.n_out_of_order,
                n_out_of_bounds = counts.n_out_of_bounds,
                n_refused = counts.n_refused,
                "samples of a scrape were dropped"
            );
        }
        self.was_lossy = is_lossy;
    }

    /// Marks all series stale, unless the target comes back: waits for the two scrapes that would have been, plus 10 %.
    async fn mark_removed(mut self, schedule: Schedule, served: Tick) {
        let first_missed = schedule.wait_from(self.shared.clock.now_ns(), Some(served));
        if !self.wait(first_missed).await {
            return;
        }
        let now_ns = self.shared.clock.now_ns();
        let time_ms = schedule.tick_at(now_ns).time_ms;
        if !self.wait(schedule.interval() + schedule.interval() / 10).await {
            return;
        }
        let sink = Arc::clone(&self.shared.sink);
        let work = tokio::task::spawn_blocking(move || self.memory.commit_removal(&*sink, time_ms));
        if let Ok(Err(error)) = work.await {
            warn!(%error, "stale markers of a removed target were not written");
        }
    }

    /// Waits; returns whether the server goes on.
    async fn wait(&self, time: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            () = sleep(time) => true,
        }
    }
}

/// Pages up to this size, and packed ones up to a sixteenth of it, are taken in some 500 µs when they repeat.
const SHORT_BYTES_MAX: usize = 128 << 10;

fn is_short(page: &RawPage) -> bool {
    let unpacked_bytes = match page.packing {
        Packing::None => page.body.len(),
        Packing::Gzip | Packing::Zstd => page.body.len().saturating_mul(16),
    };
    unpacked_bytes <= SHORT_BYTES_MAX
}

/// Takes in what was fetched; returns the target's memory, and what became of the scrape.
fn work(
    plan: &Plan,
    shared: &LoopShared,
    tick: Tick,
    started: Instant,
    fetched: Result<RawPage, ScrapeError>,
    mut memory: TargetMemory,
) -> (TargetMemory, ScrapeOutcome) {
    let mut buffers = shared.idle_buffers.lock().pop().unwrap_or_default();
    let ctx = ScrapeContext {
        target: &plan.target.labels,
        settings: &plan.settings,
        sink: &*shared.sink,
        time_ms: tick.time_ms,
        timeout: plan.target.timeout,
        elapsed: &|| started.elapsed(),
    };
    let Buffers { scratch, unpacked } = &mut buffers;
    let page = match &fetched {
        Ok(raw) => unpack(plan, raw, unpacked),
        Err(error) => Err(error.clone()),
    };
    let outcome = memory.commit(&ctx, scratch, page);
    if let Some(error) = &outcome.error {
        log_failure(plan, tick, error);
    }
    if buffers.is_worth_keeping() {
        shared.idle_buffers.lock().push(buffers);
    }
    if let Ok(RawPage { body, permit, .. }) = fetched {
        shared.bodies.give(body);
        // What the body has of the budget it has until here.
        drop(permit);
    }
    (memory, outcome)
}

/// Adds the failure to the job's log, if it has one. A full disk shall not end scraping.
fn log_failure(plan: &Plan, tick: Tick, error: &ScrapeError) {
    let written = plan.failure_log.write(tick.time_ms, &plan.job, &plan.target.shown_url, &error.to_string());
    if let Err(error) = written {
        debug!(job = &*plan.job, %error, "the log of failed scrapes was not written");
    }
}

async fn fetch(plan: &Plan, started: Instant, line: Line, bodies: Bodies) -> Result<RawPage, ScrapeError> {
    if let Some(error) = &plan.forced_error {
        return Err(error.clone());
    }
    let request = FetchRequest {
        url: plan.target.url.clone(),
        unix_socket: plan.target.unix_socket.clone(),
        headers: plan.headers.clone(),
        deadline: (started + plan.target.timeout).into_std(),
        limit_bytes: plan.limit_bytes(),
        line,
        bodies,
    };
    let timed_out = || ScrapeError::Timeout { url: plan.target.shown_url.clone() };
    match tokio::time::timeout(plan.target.timeout, plan.fetch.fetch(request)).await {
        Ok(result) => result,
        Err(_) => Err(timed_out()),
    }
}

/// Turns a body as received into a page.
fn unpack<'a>(plan: &Plan, raw: &'a RawPage, unpacked: &'a mut Vec<u8>) -> Result<Page<'a>, ScrapeError> {
    let unpack = match raw.packing {
        Packing::Gzip => Some(gunzip as fn(&[u8], &mut Vec<u8>, u64) -> Result<(), ScrapeError>),
        Packing::Zstd => Some(unzstd as fn(&[u8], &mut Vec<u8>, u64) -> Result<(), ScrapeError>),
        Packing::None => None,
    };
    let body: &[u8] = match unpack.filter(|_| !raw.body.is_empty()) {
        Some(unpack) => {
            unpack(&raw.body, unpacked, plan.limit_bytes())?;
            unpacked
        }
        None => &raw.body,
    };
    // An empty page is empty in every format.
    let format = if body.is_empty() {
        protocol::PageFormat::TEXT
    } else {
        protocol::format_of(raw.content_type.as_deref(), plan.settings.fallback_protocol)?
    };
    Ok(Page { body, format })
}
