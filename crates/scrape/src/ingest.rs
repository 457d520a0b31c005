//! Walks a page and turns it into a batch: the hot path.
//!
//! A line that a slot knows costs a hash and a number. Everything else is parsed in full, gets its labels and asks
//! storage for its series, once.
//!
//! # Reading order
//! This file (text pages), `protobuf`, `histograms` (what becomes of them), `collate` (classic histograms of text pages
//! that become native ones), `starts` (when counters began), `synthesis` (when they may have),
//! `declared` (types and units as labels), `exemplars`.

mod collate;
pub(crate) mod declared;
mod exemplars;
mod histograms;
mod protobuf;
mod starts;
mod synthesis;

use wf_exposition::{Entry, Format, Parser, Sample, SeriesText};
use wf_model::{Labels, MetricType};
use wf_series::{AppendError, HistogramValue, SampleSink, SeriesRef, WriteBatch};

use crate::config::JobSettings;
use crate::error::ScrapeError;
use crate::labels::{self, LabelProblem};
use crate::metadata::{Declaration, MetadataCache};
use crate::protocol::PageFormat;
use crate::slots::{Meaning, Slots, TEXT_BYTES_MAX};

use collate::Collator;
use declared::Declared;
use exemplars::ExemplarMemory;
use histograms::Reducer;
use starts::{PageStarts, StartMemory};
use synthesis::SynthesisMemory;

/// Samples may lie this far in the future.
const FUTURE_MAX_MS: i64 = 10 * 60 * 1000;

/// Samples on one page, whatever the user's limit: bounds the batch. A page of the default size that has more of them
/// repeats a few series with timestamps of their own, which is no page but a database.
const SAMPLES_MAX: usize = 5_000_000;

/// What happened on a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Samples on the page.
    pub(crate) n_scraped: usize,
    /// Of them, what relabeling left.
    pub(crate) n_kept: usize,
    /// Series that were not on the page before.
    pub(crate) n_added: usize,
    /// Samples of a series that has one already.
    pub(crate) n_duplicate: usize,
    /// Samples older than the newest of their series.
    pub(crate) n_out_of_order: usize,
    /// Samples in the far future or older than storage accepts.
    pub(crate) n_out_of_bounds: usize,
    /// Samples of new series that storage refused.
    pub(crate) n_refused: usize,
    /// Exemplars older than the newest of their series.
    pub(crate) n_exemplars_out_of_order: usize,
    /// Whether a limit on labels was hit.
    pub(crate) is_label_limit_hit: bool,
}

/// Where a sample of the batch came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    slot: u32,
    /// Start of the series text on the page, or in [`Scratch::texts`].
    start: u32,
}

/// Slot of samples that were not exposed, such as the zero at the start of a counter.
const NO_SLOT: u32 = u32::MAX;

impl Origin {
    fn new(slot: u32, start: usize) -> Self {
        // Pages and texts are bounded below 4 GiB.
        Self { slot, start: u32::try_from(start).unwrap_or(u32::MAX) }
    }

    /// Returns whether the sample was on the page: only such count when storage refuses them.
    pub(crate) fn is_exposed(self) -> bool {
        self.slot != NO_SLOT
    }
}

/// What one target's scrapes leave for the next.
#[derive(Debug, Default)]
pub(crate) struct PageMemory {
    pub(crate) slots: Slots,
    pub(crate) metadata: MetadataCache,
    exemplars: ExemplarMemory,
    starts: StartMemory,
    synthesis: SynthesisMemory,
}

impl PageMemory {
    /// Begins a scrape.
    pub(crate) fn begin(&mut self) {
        self.slots.begin();
        self.metadata.begin();
        self.exemplars.begin();
        self.starts.begin();
        self.synthesis.begin();
    }

    /// Ends a scrape that succeeded.
    pub(crate) fn settle(&mut self) {
        self.slots.settle();
        self.metadata.settle();
        self.exemplars.settle();
        self.starts.settle();
        self.synthesis.settle();
    }
}

/// Buffers of one scrape. There are as many as scrapes run at once, not as there are targets.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) batch: WriteBatch,
    /// Parallel to the batch's samples from the page.
    pub(crate) origins: Vec<Origin>,
    /// Parallel to the batch's histograms.
    pub(crate) histogram_origins: Vec<Origin>,
    /// Series texts, each with a space behind it, of what the page does not write as text.
    pub(crate) texts: Vec<u8>,
}

impl Scratch {
    pub(crate) fn discard_samples(&mut self) {
        self.batch.clear();
        self.origins.clear();
        self.histogram_origins.clear();
        self.texts.clear();
    }
}

/// One walk over one page.
pub(crate) struct Ingest<'a> {
    pub(crate) memory: &'a mut PageMemory,
    pub(crate) scratch: &'a mut Scratch,
    pub(crate) target: &'a Labels,
    pub(crate) settings: &'a JobSettings,
    pub(crate) sink: &'a dyn SampleSink,
    /// Time of samples without one of their own, ms.
    pub(crate) time_ms: i64,
    pub(crate) counts: Counts,
    /// Why storage refused a new series, the first time.
    pub(crate) refusal: Option<AppendError>,
    /// Whether series texts of floats stand in [`Scratch::texts`] rather than on the page.
    is_protobuf: bool,
    /// Place of the family that was declared last.
    family: Option<u32>,
    /// What was declared last, if types and units become labels.
    declared: Declared,
    /// Name of that family, if starts are made up.
    synthesis_family: String,
    reducer: Reducer,
    /// Before it, a sample with a time of its own may be too old, ms.
    late_from_ms: i64,
}

/// A sample that storage would refuse as too old. Others that it refuses are counted, this one fails the scrape.
struct TooOld;

impl From<TooOld> for ScrapeError {
    fn from(_: TooOld) -> Self {
        Self::TooOld
    }
}

impl<'a> Ingest<'a> {
    /// Gets ready for one page.
    pub(crate) fn new(
        memory: &'a mut PageMemory,
        scratch: &'a mut Scratch,
        target: &'a Labels,
        settings: &'a JobSettings,
        sink: &'a dyn SampleSink,
        time_ms: i64,
    ) -> Self {
        let reducer = Reducer::new(&settings.histograms);
        let counts = Counts::default();
        Self {
            memory,
            scratch,
            target,
            settings,
            sink,
            time_ms,
            counts,
            refusal: None,
            is_protobuf: false,
            family: None,
            declared: Declared::default(),
            synthesis_family: String::new(),
            reducer,
            late_from_ms: sink.late_from_ms().unwrap_or(i64::MIN),
        }
    }

    /// Fills the batch from the page.
    /// # Errors
    /// What fails the whole scrape; the batch then holds what came before and must be thrown away.
    pub(crate) fn run(&mut self, page: &[u8], format: PageFormat) -> Result<(), ScrapeError> {
        match format {
            PageFormat::Text(format) => self.run_text(page, format)?,
            PageFormat::Protobuf => self.run_protobuf(page)?,
        }
        let limit = self.samples_max();
        if self.counts.n_kept > limit {
            return Err(ScrapeError::SampleLimit { n_samples: self.counts.n_kept, limit });
        }
        self.reducer.result()
    }

    fn run_text(&mut self, page: &[u8], format: Format) -> Result<(), ScrapeError> {
        let mut parser = Parser::new(format, page);
        let starts = match format {
            Format::OpenMetrics if self.settings.start_times.are_read() => PageStarts::read(page),
            _ => PageStarts::default(),
        };
        let mut collator = self.settings.histograms.converts_classic.then(Collator::default);
        let adds_declared = self.settings.type_and_unit_labels;
        // All look at more than a line, and at labels: the short way does not do.
        let synthesises = self.settings.start_times.synthesise;
        let has_short_way = collator.is_none() && starts.is_empty() && !adds_declared && !synthesises;
        loop {
            if has_short_way
                && let Some(id) = self.memory.slots.predict(parser.rest(), parser.kind())
                && self.take_known(&mut parser, id)?
            {
                continue;
            }
            let (before, kind) = (parser.position(), parser.kind());
            let entry = parser.next_entry()?;
            let line = hash_line(page, before, parser.position());
            match entry {
                Entry::Sample(sample) => {
                    if starts.is_created_line(&sample.series) {
                        continue;
                    }
                    let start_time_ms = starts.of(&sample.series);
                    if let Some(collator) = &mut collator
                        && self.collate(collator, &sample, start_time_ms)?
                    {
                        continue;
                    }
                    self.take_sample(page, kind, &sample, start_time_ms)?;
                }
                Entry::Help(name, help) => {
                    // Labels of the histogram before it depend on what was declared before it.
                    if let Some(collator) = collator.as_mut().filter(|_| adds_declared) {
                        self.finish_collated(collator)?;
                    }
                    self.declare(line, &name, Declaration::Help(&help));
                }
                Entry::Type(name, kind) => {
                    if let Some(collator) = &mut collator {
                        self.finish_collated(collator)?;
                        collator.begin_family(&name, kind);
                    }
                    if synthesises {
                        self.synthesis_family = name.to_string();
                    }
                    self.declare(line, &name, Declaration::Type(kind));
                }
                Entry::Unit(name, unit) => self.declare(line, &name, Declaration::Unit(unit)),
                Entry::Comment => {}
                Entry::Eof => break,
            }
        }
        match &mut collator {
            Some(collator) => self.finish_collated(collator),
            None => Ok(()),
        }
    }

    /// Returns how many samples may be stored.
    #[inline]
    fn samples_max(&self) -> usize {
        match usize::try_from(self.settings.limits.n_samples_max) {
            Ok(limit @ 1..) => limit.min(SAMPLES_MAX),
            _ => SAMPLES_MAX,
        }
    }

    /// Reads the line of slot `id` the short way; returns whether that was possible.
    #[inline]
    fn take_known(&mut self, parser: &mut Parser<'_>, id: u32) -> Result<bool, TooOld> {
        let len = self.memory.slots.text_len(id);
        let start = parser.position();
        match self.memory.slots.meaning(id) {
            Meaning::Declaration { family, declares } => {
                self.memory.slots.visit(id);
                self.memory.metadata.touch(family);
                self.family = Some(family);
                parser.skip_known_line(len, declares);
                Ok(true)
            }
            // Storage forgot the series: its labels are needed again.
            Meaning::Series(None) => Ok(false),
            Meaning::Series(Some(_)) | Meaning::Dropped => match parser.known_sample(len) {
                Some(sample) => {
                    self.record(id, &sample, start)?;
                    Ok(true)
                }
                None => Ok(false),
            },
        }
    }

    /// Takes a sample that was parsed in full.
    fn take_sample(
        &mut self,
        page: &[u8],
        kind: MetricType,
        sample: &Sample<'_>,
        start_time_ms: Option<i64>,
    ) -> Result<(), ScrapeError> {
        // The text is a part of the page.
        let start = sample.series.bytes().as_ptr().addr() - page.as_ptr().addr();
        match self.slot_of(&sample.series, kind) {
            Ok(Some(id)) => self.record_started(id, sample, start, start_time_ms)?,
            Ok(None) => self.count_unstored(),
            Err(NewSeriesError::Append(error)) => return Err(error.into()),
            Err(NewSeriesError::Label(problem)) => {
                let place = format!("line {}", line_of(page, start));
                return Err(ScrapeError::Series { place, problem: problem.to_string() });
            }
        }
        Ok(())
    }

    /// Returns the slot of a series text, a new one if need be; `None` when the series cannot be stored although
    /// nothing is wrong with it.
    fn slot_of(&mut self, series: &SeriesText<'_>, kind: MetricType) -> Result<Option<u32>, NewSeriesError> {
        let text = series.bytes();
        if text.len() > TEXT_BYTES_MAX {
            return Err(LabelProblem::LongText.into());
        }
        let known = match self.memory.slots.find(text, kind) {
            Some(id) if self.memory.slots.meaning(id) != Meaning::Series(None) => return Ok(Some(id)),
            known => known,
        };
        let Some(meaning) = self.new_meaning(series)? else { return Ok(None) };
        Ok(Some(match known {
            Some(id) => {
                self.memory.slots.set_meaning(id, meaning);
                id
            }
            None => {
                self.counts.n_added += usize::from(meaning != Meaning::Dropped);
                self.memory.slots.insert(text, kind, meaning)
            }
        }))
    }

    /// Finds out what a series text means; `None` when it cannot be stored although nothing is wrong with it.
    fn new_meaning(&mut self, text: &SeriesText<'_>) -> Result<Option<Meaning>, NewSeriesError> {
        let labels = labels::series_labels(text, &self.declared, self.target, self.settings);
        let labels = labels.inspect_err(|problem| {
            // It was read: what comes behind it is not.
            self.counts.n_scraped += 1;
            self.counts.is_label_limit_hit = problem.is_limit();
        })?;
        let Some(labels) = labels else { return Ok(Some(Meaning::Dropped)) };
        // Beyond the limit nothing is stored, so storage need not know the series.
        if self.counts.n_kept >= self.samples_max() {
            return Ok(None);
        }
        match self.sink.resolve(&labels) {
            Ok(series) => Ok(Some(Meaning::Series(Some(series)))),
            Err(refusal @ (AppendError::SeriesLimit { .. } | AppendError::MemoryLimit { .. })) => {
                self.counts.n_refused += 1;
                self.refusal.get_or_insert(refusal);
                Ok(None)
            }
            Err(error) => Err(NewSeriesError::Append(error)),
        }
    }

    fn count_unstored(&mut self) {
        self.counts.n_scraped += 1;
        self.counts.n_kept += 1;
    }

    /// Puts a sample of slot `id` into the batch, if it is acceptable.
    #[inline]
    fn record(&mut self, id: u32, sample: &Sample<'_>, start: usize) -> Result<(), TooOld> {
        let Some((series, time_ms)) = self.accept(id, sample.timestamp_ms)? else { return Ok(()) };
        self.scratch.batch.push(series, time_ms, sample.value);
        self.scratch.origins.push(Origin::new(id, start));
        if self.settings.keeps_exemplars
            && let Some(exemplar) = &sample.exemplar
        {
            self.keep_exemplar(series, exemplar, time_ms);
        }
        Ok(())
    }

    /// As [`Ingest::record`], with the time at which the counter began, told or made up.
    fn record_started(
        &mut self,
        id: u32,
        sample: &Sample<'_>,
        start: usize,
        start_time_ms: Option<i64>,
    ) -> Result<(), TooOld> {
        if start_time_ms.is_none() && !self.synthesises(&sample.series) {
            return self.record(id, sample, start);
        }
        let Some((series, time_ms)) = self.accept(id, sample.timestamp_ms)? else { return Ok(()) };
        let origin = Origin::new(id, start);
        match start_time_ms {
            Some(started) => self.push_started(series, origin, (started, time_ms), sample.value),
            None if self.push_synthesised(series, origin, time_ms, sample.value) => {}
            None => return Ok(()),
        }
        if self.settings.keeps_exemplars
            && let Some(exemplar) = &sample.exemplar
        {
            self.keep_exemplar(series, exemplar, time_ms);
        }
        Ok(())
    }

    /// Counts a sample of slot `id`; returns its series and its time if it shall be stored.
    #[inline]
    fn accept(&mut self, id: u32, timestamp_ms: Option<i64>) -> Result<Option<(SeriesRef, i64)>, TooOld> {
        self.counts.n_scraped += 1;
        let (meaning, is_repeated) = self.memory.slots.visit(id);
        let Meaning::Series(Some(series)) = meaning else { return Ok(None) };
        self.counts.n_kept += 1;
        let own_time_ms = if self.settings.honor_timestamps { timestamp_ms } else { None };
        if is_repeated && own_time_ms.is_none() {
            self.counts.n_duplicate += 1;
            return Ok(None);
        }
        if own_time_ms.is_none() || self.settings.track_timestamps_staleness {
            self.memory.slots.track(id);
        }
        if self.counts.n_kept > self.samples_max() {
            return Ok(None);
        }
        let time_ms = own_time_ms.unwrap_or(self.time_ms);
        if time_ms > self.time_ms.saturating_add(FUTURE_MAX_MS) {
            self.counts.n_out_of_bounds += 1;
            return Ok(None);
        }
        if time_ms < self.late_from_ms && own_time_ms.is_some() && self.sink.is_too_old(series, time_ms) {
            // It was read, and that is all.
            self.counts.n_kept -= 1;
            return Err(TooOld);
        }
        if self.settings.keeps_metadata {
            self.keep_metadata(series);
        }
        Ok(Some((series, time_ms)))
    }

    /// Hands the declarations of the current family to storage when they are new, for this series or at all.
    #[cold]
    fn keep_metadata(&mut self, series: SeriesRef) {
        let Some(family) = self.family else { return };
        if let Some(metadata) = self.memory.metadata.news_for(family, series) {
            self.scratch.batch.metadata.push((series, metadata));
        }
    }

    /// Puts a native histogram into the batch, if it is acceptable.
    fn record_histogram(
        &mut self,
        id: u32,
        start: usize,
        timestamp_ms: Option<i64>,
        start_time_ms: Option<i64>,
        value: HistogramValue,
    ) -> Result<Option<(SeriesRef, i64)>, TooOld> {
        let Some((series, time_ms)) = self.accept(id, timestamp_ms)? else { return Ok(None) };
        self.push_histogram(series, Origin::new(id, start), (start_time_ms, time_ms), value);
        Ok(Some((series, time_ms)))
    }

    fn declare(&mut self, line: Option<&[u8]>, name: &str, declaration: Declaration<'_>) {
        if self.settings.type_and_unit_labels {
            self.note_declared(name, declaration);
        }
        let family = self.memory.metadata.declare(name, declaration);
        self.family = family;
        let declares = match declaration {
            Declaration::Type(kind) => Some(kind),
            Declaration::Help(_) | Declaration::Unit(_) => None,
        };
        // A line that is not remembered is parsed again next time: right, only slower.
        let (Some(line), Some(family)) = (line, family) else { return };
        let meaning = Meaning::Declaration { family, declares };
        let slots = &mut self.memory.slots;
        let id = match slots.find(line, MetricType::Unknown) {
            Some(id) => id,
            None => slots.insert(line, MetricType::Unknown, meaning),
        };
        slots.set_meaning(id, meaning);
        slots.visit(id);
    }

    /// Asks storage again for the series of a float of this page, which storage has forgotten.
    pub(crate) fn resolve_again(&mut self, page: &[u8], origin: Origin) -> Option<SeriesRef> {
        if self.is_protobuf {
            return self.resolve_text_again(origin);
        }
        self.resolve_at(page, origin)
    }

    /// As [`Ingest::resolve_again`], for a series whose text stands in [`Scratch::texts`].
    pub(crate) fn resolve_text_again(&mut self, origin: Origin) -> Option<SeriesRef> {
        let texts = std::mem::take(&mut self.scratch.texts);
        let series = self.resolve_at(&texts, origin);
        self.scratch.texts = texts;
        series
    }

    fn resolve_at(&mut self, texts: &[u8], origin: Origin) -> Option<SeriesRef> {
        if self.settings.type_and_unit_labels {
            // What was declared of it is gone: the next scrape finds it anew.
            self.memory.slots.set_meaning(origin.slot, Meaning::Series(None));
            return None;
        }
        let start = origin.start as usize;
        let text = texts.get(start..start + self.memory.slots.text_len(origin.slot))?;
        let text = SeriesText::from_known(text, self.memory.slots.kind_of(origin.slot, text)?);
        let labels = labels::series_labels(&text, &self.declared, self.target, self.settings).ok()??;
        let series = self.sink.resolve(&labels).ok();
        self.memory.slots.set_meaning(origin.slot, Meaning::Series(series));
        series
    }
}

/// Why a new series fails the scrape.
enum NewSeriesError {
    Label(LabelProblem),
    Append(AppendError),
}

impl From<LabelProblem> for NewSeriesError {
    fn from(problem: LabelProblem) -> Self {
        Self::Label(problem)
    }
}

/// Returns the `#` line that ends before `end`, if it is one that can be remembered.
fn hash_line(page: &[u8], start: usize, end: usize) -> Option<&[u8]> {
    let read = page.get(start..end)?;
    let read = read.strip_suffix(b"\n").unwrap_or(read);
    // Blank lines before it were passed over.
    let line_start = memchr::memrchr(b'\n', read).map_or(0, |newline| newline + 1);
    let line = read.get(line_start..)?;
    (line.first() == Some(&b'#') && line.len() <= TEXT_BYTES_MAX).then_some(line)
}

fn line_of(page: &[u8], position: usize) -> usize {
    memchr::memchr_iter(b'\n', page.get(..position).unwrap_or_default()).count() + 1
}
