//! Range queries whose answer is written while it is computed.
//!
//! ```text
//! engine: series → JSON → a few chunks → client        as fast as the client takes them
//!                    ↘ collected → pieces → client     when it takes them more slowly than they are computed
//! ```
//! # Invariants
//! - Of the answer to a client that keeps pace there are never more than a few chunks in memory, however long it is.
//! - A slow client holds up neither a slot nor a thread: after [`PATIENCE`] the rest waits for it as a result.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout;
use wf_promql::engine::{QueryError, QueryResult, QueryValue, RangeSeries, RangeSpan, Rows, Stage, When};

use super::{Common, options, run_engine};
use crate::api_v1::ApiState;
use crate::api_v1::encode::{self, Around, Pieces};
use crate::api_v1::error::{ApiError, ErrorKind};
use crate::json::{CHUNK_BYTES, JsonWriter, Points};
use crate::pulled;
use crate::query_log::Origin;
use crate::query_pool::CancelOnDrop;

/// Chunks that may wait for the client.
const N_CHUNKS_AHEAD: usize = 4;

/// How long, over the whole answer, computing waits for the client.
const PATIENCE: Duration = Duration::from_millis(250);

/// Shorter results are computed as a whole: they are half a megabyte at most.
const N_SAMPLES_MIN: u64 = 32 * 1024;

/// What a computation leaves to be written.
enum Computed {
    /// All of it.
    Whole(QueryResult),
    /// Text that was not sent, then the series that were collected and the end.
    Rest { text: String, pieces: Pieces, is_long: bool },
}

pub(super) async fn answer(
    state: Arc<ApiState>,
    common: Common,
    span: RangeSpan,
    origin: Origin,
) -> Result<Response, ApiError> {
    let started = Instant::now();
    let running = state.metrics().begin_query();
    let slot = state.query_pool().slot(common.timeout).await?;
    // Dropped with the body when the client goes away: the query then ends at its next check.
    let guard = CancelOnDrop::default();
    let options = options(&common, &slot, &guard, started);
    let (sender, mut chunks) = mpsc::channel(N_CHUNKS_AHEAD);
    let compute = {
        let state = Arc::clone(&state);
        move || {
            let (_running, mut sent) = (running, Sent::new(sender, PATIENCE));
            let mut take = |row| sent.take(row);
            let rows = Some(Rows { take: &mut take, n_samples_min: N_SAMPLES_MIN });
            let result = run_engine(&state, &common, When::Range(span), &options, slot.queued, &origin, rows);
            drop(slot);
            Ok(sent.finish(result?))
        }
    };
    let work = tokio::task::spawn_blocking(compute);
    let Some(first) = chunks.recv().await else {
        return match joined(work.await)? {
            Computed::Whole(result) => super::answer(&state, result, Around::default()).await,
            Computed::Rest { text, pieces, .. } => {
                let mut rest = Rest { text, pieces: Some(pieces), _place: None };
                Ok(json(pulled::body(move || Some(rest.next()).filter(|chunk| !chunk.is_empty()))))
            }
        };
    };
    let flow = Flow { state, first, chunks, work: Some(work), rest: None, _guard: guard };
    Ok(json(pulled::unfold(flow, Flow::next)))
}

fn json(body: axum::body::Body) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

fn joined(outcome: Result<Result<Computed, ApiError>, JoinError>) -> Result<Computed, ApiError> {
    // A bug in one request must not stop the others: the panic hook has logged it.
    let panicked = |_| ApiError::new(ErrorKind::Internal, "the query panicked: this is a bug, see the log");
    outcome.map_err(panicked)?
}

/// An answer whose first chunk is there.
struct Flow {
    state: Arc<ApiState>,
    /// Empty once it is sent.
    first: Vec<u8>,
    chunks: mpsc::Receiver<Vec<u8>>,
    work: Option<JoinHandle<Result<Computed, ApiError>>>,
    rest: Option<Rest>,
    _guard: CancelOnDrop,
}

/// What comes behind the chunks.
struct Rest {
    text: String,
    /// `None` at the end.
    pieces: Option<Pieces>,
    /// The right to keep a long rest.
    _place: Option<OwnedSemaphorePermit>,
}

impl Flow {
    /// Returns the next chunk, empty at the end.
    async fn next(mut self) -> Result<(Vec<u8>, Self), ApiError> {
        if !self.first.is_empty() {
            return Ok((std::mem::take(&mut self.first), self));
        }
        if let Some(chunk) = self.chunks.recv().await {
            return Ok((chunk, self));
        }
        if let Some(work) = self.work.take() {
            let Computed::Rest { text, pieces, is_long } = joined(work.await)? else {
                return Err(ApiError::new(
                    ErrorKind::Internal,
                    "a result came after its begin: this is a bug",
                ));
            };
            let place = if is_long {
                let within = self.state.engine().options().timeout;
                Some(self.state.query_pool().long_answer(within).await?)
            } else {
                None
            };
            self.rest = Some(Rest { text, pieces: Some(pieces), _place: place });
        }
        let chunk = self.rest.as_mut().map_or_else(Vec::new, Rest::next);
        Ok((chunk, self))
    }
}

impl Rest {
    fn next(&mut self) -> Vec<u8> {
        let mut json = JsonWriter::collecting_chunk();
        json.raw(&std::mem::take(&mut self.text));
        while let Some(pieces) = &mut self.pieces
            && json.n_bytes() < CHUNK_BYTES
        {
            if !pieces.next(&mut json) {
                self.pieces = None;
            }
        }
        json.into_bytes()
    }
}

/// Series on their way from the thread that computes them.
struct Sent {
    line: Line,
    json: JsonWriter,
    points: Points,
    n_rows: usize,
    /// Series that the client was too slow for; from the first on, all.
    collected: Vec<RangeSeries>,
}

/// The way to the client.
struct Line {
    sender: mpsc::Sender<Vec<u8>>,
    runtime: Handle,
    /// What is left of it. When nothing is, nothing goes this way any more.
    patience: Option<Duration>,
}

impl Sent {
    fn new(sender: mpsc::Sender<Vec<u8>>, patience: Duration) -> Self {
        Self {
            line: Line { sender, runtime: Handle::current(), patience: Some(patience) },
            json: JsonWriter::collecting_chunk(),
            points: Points::default(),
            n_rows: 0,
            collected: Vec::new(),
        }
    }

    /// Takes the next series.
    /// # Errors
    /// When the client is gone.
    fn take(&mut self, row: RangeSeries) -> Result<(), QueryError> {
        if self.line.patience.is_none() {
            self.collected.push(row);
            return Ok(());
        }
        if self.n_rows == 0 {
            encode::begin_matrix(&mut self.json);
        }
        let json = self.json.item(self.n_rows == 0);
        self.n_rows += 1;
        encode::write_long_series(json, &row, &mut self.points, |json| self.line.pass_on(json))
    }

    fn finish(self, mut result: QueryResult) -> Computed {
        if self.n_rows == 0 {
            return Computed::Whole(result);
        }
        let is_long = !self.collected.is_empty();
        result.value = QueryValue::Matrix(self.collected);
        Computed::Rest { text: self.json.finish(), pieces: Pieces::behind(result), is_long }
    }
}

impl Line {
    /// Sends what is written once it is a chunk. A client that is too slow for it gets the rest later.
    /// # Errors
    /// When the client is gone.
    fn pass_on(&mut self, json: &mut JsonWriter) -> Result<(), QueryError> {
        let Some(patience) = self.patience.filter(|_| json.n_bytes() >= CHUNK_BYTES) else { return Ok(()) };
        let gone = |_| QueryError::Canceled(Stage::Evaluation);
        let permit = match self.sender.try_reserve() {
            Err(mpsc::error::TrySendError::Full(())) => {
                let began = Instant::now();
                let Ok(reserved) = self.runtime.block_on(timeout(patience, self.sender.reserve())) else {
                    self.patience = None;
                    return Ok(());
                };
                self.patience = Some(patience.saturating_sub(began.elapsed()));
                reserved.map_err(gone)?
            }
            reserved => reserved.map_err(|_| QueryError::Canceled(Stage::Evaluation))?,
        };
        permit.send(std::mem::replace(json, JsonWriter::collecting_chunk()).into_bytes());
        Ok(())
    }
}
