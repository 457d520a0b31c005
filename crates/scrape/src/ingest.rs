//! Walks a page and turns it into a batch: the hot path.
//!
//! A line that a slot knows costs a hash and a number. Everything else is parsed in full, gets its labels and asks
//! storage for its series, once.

use wf_exposition::{Entry, Format, Parser, Sample, SeriesText};
use wf_model::{Labels, MetricType};
use wf_series::{AppendError, Exemplar, SampleSink, SeriesRef, WriteBatch};

use crate::config::JobSettings;
use crate::error::ScrapeError;
use crate::labels::{self, LabelProblem};
use crate::metadata::{Declaration, MetadataCache};
use crate::slots::{Meaning, Slots, TEXT_BYTES_MAX};

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
    pub(crate) slot: u32,
    /// Start of the series text on the page.
    start: u32,
}

/// What one target's scrapes leave for the next.
#[derive(Debug, Default)]
pub(crate) struct PageMemory {
    pub(crate) slots: Slots,
    pub(crate) metadata: MetadataCache,
}

/// Buffers of one scrape. There are as many as scrapes run at once, not as there are targets.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) batch: WriteBatch,
    /// Parallel to the batch's samples from the page.
    pub(crate) origins: Vec<Origin>,
}

impl Scratch {
    pub(crate) fn discard_samples(&mut self) {
        self.batch.clear();
        self.origins.clear();
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
}

impl Ingest<'_> {
    /// Fills the batch from the page.
    /// # Errors
    /// What fails the whole scrape; the batch then holds what came before and must be thrown away.
    pub(crate) fn run(&mut self, page: &[u8], format: Format) -> Result<(), ScrapeError> {
        let mut parser = Parser::new(format, page);
        loop {
            if let Some(id) = self.memory.slots.predict(parser.rest(), parser.kind())
                && self.take_known(&mut parser, id)
            {
                continue;
            }
            let (before, kind) = (parser.position(), parser.kind());
            let entry = parser.next_entry()?;
            let line = hash_line(page, before, parser.position());
            match entry {
                Entry::Sample(sample) => self.take_sample(page, kind, &sample)?,
                Entry::Help(name, help) => self.declare(line, &name, Declaration::Help(&help)),
                Entry::Type(name, kind) => self.declare(line, &name, Declaration::Type(kind)),
                Entry::Unit(name, unit) => self.declare(line, &name, Declaration::Unit(unit)),
                Entry::Comment => {}
                Entry::Eof => break,
            }
        }
        let limit = self.samples_max();
        if self.counts.n_kept > limit {
            return Err(ScrapeError::SampleLimit { n_samples: self.counts.n_kept, limit });
        }
        Ok(())
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
    fn take_known(&mut self, parser: &mut Parser<'_>, id: u32) -> bool {
        let len = self.memory.slots.text_len(id);
        let start = parser.position();
        match self.memory.slots.meaning(id) {
            Meaning::Declaration { family, declares } => {
                self.memory.slots.visit(id);
                self.memory.metadata.touch(family);
                parser.skip_known_line(len, declares);
                true
            }
            // Storage forgot the series: its labels are needed again.
            Meaning::Series(None) => false,
            Meaning::Series(Some(_)) | Meaning::Dropped => match parser.known_sample(len) {
                Some(sample) => {
                    self.record(id, &sample, start);
                    true
                }
                None => false,
            },
        }
    }

    /// Takes a sample that was parsed in full.
    fn take_sample(&mut self, page: &[u8], kind: MetricType, sample: &Sample<'_>) -> Result<(), ScrapeError> {
        let text = sample.series.bytes();
        // The text is a part of the page.
        let start = text.as_ptr().addr() - page.as_ptr().addr();
        let problem = |problem: String| ScrapeError::Series { line: line_of(page, start), problem };
        if text.len() > TEXT_BYTES_MAX {
            return Err(problem(format!("the series text is longer than {TEXT_BYTES_MAX} bytes")));
        }
        let id = match self.memory.slots.find(text, kind) {
            Some(id) if self.memory.slots.meaning(id) != Meaning::Series(None) => Some(id),
            known => {
                let meaning = match self.new_meaning(&sample.series) {
                    Ok(Some(meaning)) => meaning,
                    Ok(None) => {
                        self.count_unstored();
                        return Ok(());
                    }
                    Err(NewSeriesError::Label(label)) => {
                        self.counts.is_label_limit_hit = label.is_limit();
                        return Err(problem(label.to_string()));
                    }
                    Err(NewSeriesError::Append(error)) => return Err(error.into()),
                };
                Some(match known {
                    Some(id) => {
                        self.memory.slots.set_meaning(id, meaning);
                        id
                    }
                    None => {
                        self.counts.n_added += usize::from(meaning != Meaning::Dropped);
                        self.memory.slots.insert(text, kind, meaning)
                    }
                })
            }
        };
        if let Some(id) = id {
            self.record(id, sample, start);
        }
        Ok(())
    }

    /// Finds out what a series text means; `None` when it cannot be stored although nothing is wrong with it.
    fn new_meaning(&mut self, text: &SeriesText<'_>) -> Result<Option<Meaning>, NewSeriesError> {
        let Some(labels) = labels::series_labels(text, self.target, self.settings)? else {
            return Ok(Some(Meaning::Dropped));
        };
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
    fn record(&mut self, id: u32, sample: &Sample<'_>, start: usize) {
        self.counts.n_scraped += 1;
        let (meaning, is_repeated) = self.memory.slots.visit(id);
        let Meaning::Series(Some(series)) = meaning else { return };
        self.counts.n_kept += 1;
        let own_time_ms = if self.settings.honor_timestamps { sample.timestamp_ms } else { None };
        if is_repeated && own_time_ms.is_none() {
            self.counts.n_duplicate += 1;
            return;
        }
        if own_time_ms.is_none() || self.settings.track_timestamps_staleness {
            self.memory.slots.track(id);
        }
        if self.counts.n_kept > self.samples_max() {
            return;
        }
        let time_ms = own_time_ms.unwrap_or(self.time_ms);
        if time_ms > self.time_ms.saturating_add(FUTURE_MAX_MS) {
            self.counts.n_out_of_bounds += 1;
            return;
        }
        self.scratch.batch.push(series, time_ms, sample.value);
        if self.settings.keeps_exemplars
            && let Some(exemplar) = &sample.exemplar
        {
            self.keep_exemplar(series, exemplar, time_ms);
        }
        // Pages are bounded below 4 GiB.
        self.scratch.origins.push(Origin { slot: id, start: u32::try_from(start).unwrap_or(u32::MAX) });
    }

    /// Puts an exemplar into the batch; without a time of its own it has that of its sample.
    fn keep_exemplar(
        &mut self,
        series: SeriesRef,
        exposed: &wf_exposition::parse::Exemplar<'_>,
        time_ms: i64,
    ) {
        let labels = Labels::from_pairs(exposed.labels.labels());
        let time_ms = exposed.timestamp_ms.unwrap_or(time_ms);
        self.scratch.batch.exemplars.push((series, Exemplar { labels, time_ms, value: exposed.value }));
    }

    fn declare(&mut self, line: Option<&[u8]>, name: &str, declaration: Declaration<'_>) {
        let family = self.memory.metadata.declare(name, declaration);
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

    /// Asks storage again for the series of a sample of this page, which storage has forgotten.
    pub(crate) fn resolve_again(&mut self, page: &[u8], origin: Origin) -> Option<SeriesRef> {
        let start = origin.start as usize;
        let text = page.get(start..start + self.memory.slots.text_len(origin.slot))?;
        let text = SeriesText::from_known(text, self.memory.slots.kind_of(origin.slot, text)?);
        let labels = labels::series_labels(&text, self.target, self.settings).ok()??;
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
