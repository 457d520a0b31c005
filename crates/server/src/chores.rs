//! The thread that does what is due about once a second: upkeep of the database and of kept results, and giving way when
//! memory is scarce.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use tracing::{info, warn};
use wf_tsdb::Tsdb;

use crate::pressure::{PressureWatch, Relief};
use crate::server::ServerError;
use crate::state::ServerState;

/// How often the chores are done.
const INTERVAL: Duration = Duration::from_secs(1);

/// The thread, until it is stopped.
pub(crate) struct Chores {
    stop: mpsc::SyncSender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Chores {
    pub(crate) fn start(
        tsdb: Arc<Tsdb>,
        state: Arc<ServerState>,
        mut pressure: Option<PressureWatch>,
    ) -> Result<Self, ServerError> {
        let (stop, stopped) = mpsc::sync_channel(1);
        let run = move || {
            // Ends when told to, or when whoever would tell is gone.
            while stopped.recv_timeout(INTERVAL) == Err(mpsc::RecvTimeoutError::Timeout) {
                if let Some(watch) = &mut pressure {
                    let (relief, is_new) = watch.look(state.now_ms());
                    give_way(relief, is_new, &tsdb, &state);
                }
                tsdb.maintain(state.now_ms());
                state.range_queries().maintain(&tsdb.stats());
            }
        };
        let thread = std::thread::Builder::new().name("tsdb-chores".to_owned()).spawn(run);
        let thread =
            thread.map_err(|error| ServerError::Thread(format!("start the storage thread: {error}")))?;
        Ok(Self { stop, thread })
    }

    pub(crate) fn stop(self) {
        // A thread that panicked no longer listens; the panic hook has logged it.
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

fn give_way(relief: Relief, is_new: bool, tsdb: &Tsdb, state: &ServerState) {
    if relief > Relief::None {
        state.range_queries().clear();
    }
    if !is_new {
        return;
    }
    tsdb.pause_compaction(relief > Relief::None);
    state.query_pool().run_one_by_one(relief == Relief::Queries);
    match relief {
        Relief::None => info!("memory is no longer scarce: compaction and queries go on as usual"),
        Relief::Spare => warn!("memory is scarce: kept results are forgotten, compaction waits"),
        Relief::Queries => warn!("memory is still scarce: queries run one at a time"),
    }
}
