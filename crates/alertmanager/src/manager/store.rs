//! The files `nflog` and `silences`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;

use super::{Alertmanager, AlertmanagerError, Loaded, Options, State, load};
use crate::alert::AlertStore;
use crate::nflog::NotificationLog;
use crate::silence::{Limits, Silences};

/// Builds the state from what was stored.
pub(super) fn read(options: &Options, loaded: &Loaded, now: Timestamp) -> Result<State, AlertmanagerError> {
    let (inhibitor, dispatcher) = load::parts(loaded, options, now)?;
    let mut log = NotificationLog::new(options.retention);
    let limits =
        Limits { n_silences_max: options.n_silences_max, silence_bytes_max: options.silence_bytes_max };
    let mut silences = Silences::new(options.retention, limits);
    let failed =
        |what, path: &Path, why: String| AlertmanagerError::Snapshot { what, path: path.to_owned(), why };
    let path = options.storage_path.join("nflog");
    let bytes = bytes_of(&path).map_err(|error| failed("the notification log", &path, error.to_string()))?;
    log.load(&bytes).map_err(|error| failed("the notification log", &path, error.to_string()))?;
    let path = options.storage_path.join("silences");
    let bytes = bytes_of(&path).map_err(|error| failed("silences", &path, error.to_string()))?;
    silences.load(&bytes).map_err(|error| failed("silences", &path, error.to_string()))?;
    let alerts = AlertStore::new(options.alerts_per_name_max);
    Ok(State { alerts, inhibitor, dispatcher, silences, log })
}

/// A file that is not there is empty.
fn bytes_of(path: &Path) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        result => result,
    }
}

/// Writes both files.
pub(super) async fn write(this: &Alertmanager) -> io::Result<()> {
    let snapshots = this.with_state(|state| [state.log.snapshot(), state.silences.snapshot()]);
    let folder = this.options().storage_path.clone();
    let metrics = this.metrics().snapshots.clone();
    let written = tokio::task::spawn_blocking(move || {
        fs::create_dir_all(&folder)?;
        for ((name, bytes), metrics) in ["nflog", "silences"].iter().zip(&snapshots).zip(&metrics) {
            metrics.maintenance.inc();
            #[expect(clippy::cast_precision_loss, reason = "sizes of files are far below 2^53")]
            metrics.bytes.set(bytes.len() as f64);
            let started = std::time::Instant::now();
            replace(&folder, name, bytes).inspect_err(|_| metrics.maintenance_errors.inc())?;
            metrics.snapshot_seconds.observe(started.elapsed().as_secs_f64());
        }
        Ok(())
    });
    written.await.map_err(io::Error::other).and_then(|result| result)
}

/// Puts a file in place of another; whatever happens, one of the two is there, whole.
fn replace(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let (temporary, path) = (folder.join(format!("{name}.tmp")), folder.join(name));
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&temporary, &path)?;
    // The rename itself survives a power cut only once the folder is written.
    File::open(folder).and_then(|folder| folder.sync_all())
}
