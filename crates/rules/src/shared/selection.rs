//! A selection that several rules read: each series is decoded once, labels are looked up once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use wf_model::{Labels, TimeRange};
use wf_series::{LabelColumn, SampleColumns, SelectError, Selection};

/// Decoded samples that all groups together may keep for their rules, by default.
const BYTES_DEFAULT: usize = 64 << 20;

/// A time and a value, and what a series takes besides.
const SAMPLE_BYTES: usize = 16;
const SERIES_BYTES: usize = 128;

/// How much memory evaluations may use to keep what was decoded. Clones share it. When it is used up, rules decode for
/// themselves.
#[derive(Clone, Debug)]
pub struct SharedMemory {
    free_bytes: Arc<AtomicUsize>,
}

impl SharedMemory {
    /// Allows `bytes` in all.
    pub fn new(bytes: usize) -> Self {
        Self { free_bytes: Arc::new(AtomicUsize::new(bytes)) }
    }

    pub(super) fn take(&self, bytes: usize) -> bool {
        let less = |free: usize| free.checked_sub(bytes);
        self.free_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

impl Default for SharedMemory {
    fn default() -> Self {
        Self::new(BYTES_DEFAULT)
    }
}

/// See the module.
pub(super) struct SharedSelection {
    inner: Arc<dyn Selection>,
    /// What is decoded, as long as there is memory.
    range: TimeRange,
    /// Samples by series; `None` for a series that everybody decodes for themselves.
    kept: Vec<OnceLock<Option<SampleColumns>>>,
    columns: Mutex<HashMap<String, LabelColumn>>,
    memory: SharedMemory,
    taken_bytes: AtomicUsize,
    /// There was not enough memory for a series: the others are not tried.
    is_full: AtomicBool,
}

impl SharedSelection {
    pub(super) fn new(inner: Arc<dyn Selection>, range: TimeRange, memory: SharedMemory) -> Self {
        let taken_bytes = inner.len().saturating_mul(SERIES_BYTES);
        let has_room = memory.take(taken_bytes);
        let mut kept = Vec::new();
        kept.resize_with(if has_room { inner.len() } else { 0 }, OnceLock::new);
        Self {
            inner,
            range,
            kept,
            columns: Mutex::default(),
            memory,
            taken_bytes: AtomicUsize::new(if has_room { taken_bytes } else { 0 }),
            is_full: AtomicBool::new(!has_room),
        }
    }

    /// Decodes a series for all; `None` when that is not to be.
    fn decode(&self, idx: usize) -> Result<Option<&SampleColumns>, SelectError> {
        let Some(slot) = self.kept.get(idx) else { return Ok(None) };
        if let Some(known) = slot.get() {
            return Ok(known.as_ref());
        }
        if self.is_full.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let mut samples = SampleColumns::default();
        self.inner.read(idx, self.range, &mut samples)?;
        // Whoever comes second with the same series throws away the same samples.
        let kept = Some(samples).filter(|samples| self.may_keep(samples));
        Ok(slot.get_or_init(|| kept).as_ref())
    }

    /// Histograms are large and carry hints that belong to what was read with them.
    fn may_keep(&self, samples: &SampleColumns) -> bool {
        if !samples.histograms.is_empty() || !samples.start_times_ms.is_empty() {
            return false;
        }
        let bytes = samples.len().saturating_mul(SAMPLE_BYTES);
        let has_room = self.memory.take(bytes);
        if has_room {
            self.taken_bytes.fetch_add(bytes, Ordering::Relaxed);
        } else {
            self.is_full.store(true, Ordering::Relaxed);
        }
        has_room
    }
}

impl Drop for SharedSelection {
    fn drop(&mut self) {
        self.memory.free_bytes.fetch_add(*self.taken_bytes.get_mut(), Ordering::Relaxed);
    }
}

impl Selection for SharedSelection {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn labels(&self, idx: usize) -> Labels {
        self.inner.labels(idx)
    }

    fn read(&self, idx: usize, range: TimeRange, out: &mut SampleColumns) -> Result<(), SelectError> {
        let is_inside = self.range.start_ms <= range.start_ms && range.end_ms <= self.range.end_ms;
        let Some(samples) = (if is_inside { self.decode(idx)? } else { None }) else {
            return self.inner.read(idx, range, out);
        };
        let start = samples.times_ms.partition_point(|time_ms| *time_ms < range.start_ms);
        let end = samples.times_ms.partition_point(|time_ms| *time_ms <= range.end_ms);
        out.clear();
        out.times_ms.extend_from_slice(samples.times_ms.get(start..end).unwrap_or_default());
        out.values.extend_from_slice(samples.values.get(start..end).unwrap_or_default());
        Ok(())
    }

    fn read_newest(&self, idx: usize, range: TimeRange, out: &mut SampleColumns) -> Result<(), SelectError> {
        self.inner.read_newest(idx, range, out)
    }

    fn label_column(&self, name: &str) -> LabelColumn {
        if let Some(known) = self.columns.lock().get(name) {
            return known.clone();
        }
        let column = self.inner.label_column(name);
        self.columns.lock().insert(name.to_owned(), column.clone());
        column
    }
}
