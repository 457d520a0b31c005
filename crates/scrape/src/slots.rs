//! What a target's last page looked like, line by line: the repeat path touches no string.
//!
//! A [`Slot`] remembers a line by the keyed hash and the length of its raw text (for a sample: of its series text) and
//! knows what it meant: a series, a dropped one, a declaration. Comments are not worth a slot. Slots stand in page order, so the line after slot `i` is
//! probably slot `i + 1`: one length check, one hash, and the line is understood. Where that fails, the next few slots
//! are tried (lines vanished), then an index by hash (lines moved); only then is the line parsed in full.
//!
//! # Invariants
//! - A slot is accepted only when length and hash are equal; the hash is keyed per process.
//! - `epoch` counts scrapes, failed ones too. A series went stale when it was tracked in the epoch before and is not in
//!   this one.
//! - After a successful scrape the slots are exactly the distinct lines of its page, in page order.
//! # Source
//! `spec/performance-design.md` §3, `spec/prometheus-core.md` §6 "Staleness".

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher, RandomState};
use std::sync::LazyLock;

use wf_model::MetricType;
use wf_series::SeriesRef;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// How many slots ahead are tried when the expected one is not met.
const LOOK_AHEAD: usize = 8;
/// Bytes that wrong guesses may hash in one scrape: 2 ms of work. A page made to look like long known lines everywhere
/// would otherwise cost the square of its size.
const WASTE_BYTES_MAX: usize = 16 << 20;
/// Slots that failing scrapes may add before unseen ones are given up.
const FAILED_GROWTH_MAX: usize = 1000;
/// Longest text that a slot can remember.
pub(crate) const TEXT_BYTES_MAX: usize = (1 << 24) - 1;

/// What a line means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A sample of this series; `None` after storage forgot the series.
    Series(Option<SeriesRef>),
    /// A sample of a series that relabeling drops.
    Dropped,
    /// A `#` line: the family it belongs to in the metadata cache, and the type it declares.
    Declaration { family: u32, declares: Option<MetricType> },
}

/// One line of the page. 24 bytes: there is one for each active series.
#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u64,
    /// Series reference, or index of the metadata family.
    payload: u64,
    /// Epoch in which the line was met last.
    seen: u32,
    /// Length of the text in the lower 24 bits; above them kind (2 bits), tracked (1), declared type (4).
    packed: u32,
}

const LEN_MASK: u32 = 0x00ff_ffff;
const KIND_SHIFT: u32 = 24;
const KIND_MASK: u32 = 0b11 << KIND_SHIFT;
const KIND_SERIES: u32 = 0;
const KIND_DROPPED: u32 = 1 << KIND_SHIFT;
const KIND_DECLARATION: u32 = 2 << KIND_SHIFT;
const TRACKED: u32 = 1 << 26;
const DECLARES_SHIFT: u32 = 27;

const DECLARABLE: [MetricType; 8] = [
    MetricType::Unknown,
    MetricType::Counter,
    MetricType::Gauge,
    MetricType::Histogram,
    MetricType::GaugeHistogram,
    MetricType::Summary,
    MetricType::Info,
    MetricType::StateSet,
];

impl Slot {
    #[inline]
    fn len(&self) -> usize {
        (self.packed & LEN_MASK) as usize
    }

    #[inline]
    fn is_hash_line(&self) -> bool {
        self.packed & KIND_MASK == KIND_DECLARATION
    }

    #[inline]
    fn is_tracked_in(&self, epoch: u32) -> bool {
        self.seen == epoch && self.packed & TRACKED != 0
    }

    fn meaning(&self) -> Meaning {
        match self.packed & KIND_MASK {
            KIND_SERIES => Meaning::Series(SeriesRef::new(self.payload)),
            KIND_DROPPED => Meaning::Dropped,
            _ => {
                // 0 declares nothing, others are one more than the type's place.
                let declared = (self.packed >> DECLARES_SHIFT) as usize;
                let declares = declared.checked_sub(1).and_then(|place| DECLARABLE.get(place).copied());
                Meaning::Declaration { family: u32::try_from(self.payload).unwrap_or(u32::MAX), declares }
            }
        }
    }

    fn set_meaning(&mut self, meaning: Meaning) {
        let (payload, bits) = match meaning {
            Meaning::Series(series) => (series.map_or(0, SeriesRef::get), KIND_SERIES),
            Meaning::Dropped => (0, KIND_DROPPED),
            Meaning::Declaration { family, declares } => {
                let place = declares.and_then(|kind| DECLARABLE.iter().position(|known| *known == kind));
                let declared = place.and_then(|place| u32::try_from(place + 1).ok()).unwrap_or(0);
                (u64::from(family), KIND_DECLARATION | declared << DECLARES_SHIFT)
            }
        };
        self.payload = payload;
        self.packed = self.packed & LEN_MASK | bits;
    }
}

/// Hashes that are hashes already.
#[derive(Debug, Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        debug_assert!(false, "only u64 keys are used, not {bytes:?}");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

type Index = HashMap<u64, u32, BuildHasherDefault<Identity>>;

/// The slots of one target.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    slots: Vec<Slot>,
    epoch: u32,
    /// Where the next line is expected.
    cursor: usize,
    /// Order of first visits in this scrape, once it left the order of the slots; before, visits are `0..cursor`.
    trail: Option<Vec<u32>>,
    /// By hash; built when the first line of a scrape is not where it was expected.
    index: Option<Index>,
    /// Number of slots after the last successful scrape.
    n_settled: usize,
    /// What wrong guesses may still hash in this scrape; nothing left, no guesses.
    waste_left: usize,
    /// What series texts mean beside what they say; see [`Slots::set_context`].
    context: u64,
}

/// A key per process, so that no target can build collisions.
fn key() -> u64 {
    use std::hash::BuildHasher;
    static KEY: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one("slots"));
    *KEY
}

/// Series text means something else under histograms and summaries, where bounds are normalised.
#[inline]
fn hash_of(text: &[u8], kind: MetricType, context: u64) -> u64 {
    let seed = match kind {
        MetricType::Histogram => key() ^ 1,
        MetricType::Summary => key() ^ 2,
        _ => key(),
    };
    xxh3_64_with_seed(text, seed ^ context)
}

/// Whether a line begins with `#`: it is remembered whole and independent of the declared type.
fn is_hash_line(text: &[u8]) -> bool {
    text.first() == Some(&b'#')
}

impl Slots {
    /// Begins a scrape.
    pub(crate) fn begin(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
        self.cursor = 0;
        self.trail = None;
        self.waste_left = WASTE_BYTES_MAX;
        self.context = 0;
    }

    /// Tells apart series texts that are equal and mean different series, from here on in this scrape.
    pub(crate) fn set_context(&mut self, context: u64) {
        self.context = context;
    }

    /// Returns the number of slots.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Guesses which slot the line at the start of `rest` is; `kind` is the type declared last.
    #[inline]
    pub(crate) fn predict(&mut self, rest: &[u8], kind: MetricType) -> Option<u32> {
        let candidates = self.slots.get(self.cursor..)?;
        let is_hash_line = is_hash_line(rest);
        let (end, kind, context) =
            if is_hash_line { (b'\n', MetricType::Unknown, 0) } else { (b' ', kind, self.context) };
        for (ahead, slot) in candidates.iter().take(LOOK_AHEAD + 1).enumerate() {
            let is_possible = rest.get(slot.len()) == Some(&end) && slot.is_hash_line() == is_hash_line;
            if !is_possible || self.waste_left == 0 {
                continue;
            }
            if rest.get(..slot.len()).is_some_and(|text| hash_of(text, kind, context) == slot.hash) {
                return u32::try_from(self.cursor + ahead).ok();
            }
            self.waste_left = self.waste_left.saturating_sub(slot.len());
        }
        None
    }

    /// Looks a text up that prediction did not find.
    pub(crate) fn find(&mut self, text: &[u8], kind: MetricType) -> Option<u32> {
        let hash = self.hash_line(text, kind);
        let slots = &self.slots;
        let index = self.index.get_or_insert_with(|| {
            let ids = (0_u32..).zip(slots);
            ids.map(|(id, slot)| (slot.hash, id)).collect()
        });
        let id = *index.get(&hash)?;
        let slot = slots.get(id as usize)?;
        (slot.len() == text.len() && slot.is_hash_line() == is_hash_line(text)).then_some(id)
    }

    fn hash_line(&self, text: &[u8], kind: MetricType) -> u64 {
        if is_hash_line(text) {
            hash_of(text, MetricType::Unknown, 0)
        } else {
            hash_of(text, kind, self.context)
        }
    }

    /// Adds a line that was found nowhere, not yet visited. `text` is at most [`TEXT_BYTES_MAX`] long.
    pub(crate) fn insert(&mut self, text: &[u8], kind: MetricType, meaning: Meaning) -> u32 {
        debug_assert!(text.len() <= TEXT_BYTES_MAX, "the caller checks the length");
        let hash = self.hash_line(text, kind);
        let len = u32::try_from(text.len()).unwrap_or(LEN_MASK).min(LEN_MASK);
        let mut slot = Slot { hash, payload: 0, seen: self.epoch.wrapping_sub(1), packed: len };
        slot.set_meaning(meaning);
        // Pages are bounded far below 2^32 lines.
        let id = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.slots.push(slot);
        if let Some(index) = &mut self.index {
            index.insert(hash, id);
        }
        id
    }

    /// Notes that slot `id` was met; returns what it means, and whether it was met before in this scrape.
    #[inline]
    pub(crate) fn visit(&mut self, id: u32) -> (Meaning, bool) {
        let idx = id as usize;
        let epoch = self.epoch;
        let Some(slot) = self.slots.get_mut(idx) else { return (Meaning::Dropped, true) };
        let is_repeated = slot.seen == epoch;
        if !is_repeated {
            slot.seen = epoch;
            slot.packed &= !TRACKED;
        }
        let meaning = slot.meaning();
        if is_repeated {
            return (meaning, true);
        }
        if idx != self.cursor || self.trail.is_some() {
            self.leave_order(id);
        }
        self.cursor = idx + 1;
        (meaning, false)
    }

    #[cold]
    fn leave_order(&mut self, id: u32) {
        let visited = u32::try_from(self.cursor).unwrap_or(u32::MAX);
        self.trail.get_or_insert_with(|| (0..visited).collect()).push(id);
    }

    /// Notes that slot `id`, visited before, shall get a stale marker when it vanishes.
    #[inline]
    pub(crate) fn track(&mut self, id: u32) {
        if let Some(slot) = self.slots.get_mut(id as usize) {
            slot.packed |= TRACKED;
        }
    }

    /// Changes what slot `id` means; it stays tracked if it was.
    pub(crate) fn set_meaning(&mut self, id: u32, meaning: Meaning) {
        if let Some(slot) = self.slots.get_mut(id as usize) {
            let tracked = slot.packed & TRACKED;
            slot.set_meaning(meaning);
            slot.packed |= tracked;
        }
    }

    /// Returns what slot `id` means.
    #[inline]
    pub(crate) fn meaning(&self, id: u32) -> Meaning {
        self.slots.get(id as usize).map_or(Meaning::Dropped, Slot::meaning)
    }

    /// Returns the type under which `text`, the text of slot `id`, was met without a context, as far as it changes labels.
    pub(crate) fn kind_of(&self, id: u32, text: &[u8]) -> Option<MetricType> {
        let slot = self.slots.get(id as usize)?;
        let kinds = [MetricType::Unknown, MetricType::Histogram, MetricType::Summary];
        kinds.into_iter().find(|kind| hash_of(text, *kind, 0) == slot.hash)
    }

    /// Returns the length of the text of slot `id`.
    pub(crate) fn text_len(&self, id: u32) -> usize {
        self.slots.get(id as usize).map_or(0, Slot::len)
    }

    /// Returns the series that were tracked in the scrape before and are not in this one.
    pub(crate) fn stale(&self) -> impl Iterator<Item = SeriesRef> + '_ {
        let before = self.epoch.wrapping_sub(1);
        let vanished = self.slots.iter().filter(move |slot| slot.is_tracked_in(before));
        vanished.filter_map(|slot| match slot.meaning() {
            Meaning::Series(series) => series,
            Meaning::Dropped | Meaning::Declaration { .. } => None,
        })
    }

    /// Ends a scrape that succeeded: what was not met is forgotten, the rest is brought into page order.
    pub(crate) fn settle(&mut self) {
        match self.trail.take() {
            None => self.slots.truncate(self.cursor),
            Some(trail) => {
                let in_order = trail.iter().filter_map(|id| self.slots.get(*id as usize).copied());
                self.slots = in_order.collect();
            }
        }
        self.slots.shrink_to(self.slots.len() + self.slots.len() / 8);
        self.n_settled = self.slots.len();
        self.index = None;
    }

    /// Ends a scrape that failed: everything is kept, unless failures pile up; returns whether that was so.
    pub(crate) fn keep(&mut self) -> bool {
        self.trail = None;
        self.index = None;
        let is_flushed = self.slots.len() > self.n_settled + FAILED_GROWTH_MAX;
        if is_flushed {
            let epoch = self.epoch;
            self.slots.retain(|slot| slot.seen == epoch);
            self.n_settled = self.slots.len();
        }
        is_flushed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrape(slots: &mut Slots, lines: &[&str]) -> Vec<(bool, bool)> {
        slots.begin();
        let kind = MetricType::Unknown;
        let mut met = Vec::new();
        for line in lines {
            let end = if line.starts_with('#') { "\n" } else { " 1\n" };
            let predicted = slots.predict(format!("{line}{end}").as_bytes(), kind);
            let known = predicted.or_else(|| slots.find(line.as_bytes(), kind));
            let next = SeriesRef::new(slots.len() as u64 + 1);
            let id = known.unwrap_or_else(|| slots.insert(line.as_bytes(), kind, Meaning::Series(next)));
            let (_, is_repeated) = slots.visit(id);
            slots.track(id);
            met.push((predicted.is_some(), is_repeated));
        }
        met
    }

    fn is_predicted(met: &[(bool, bool)]) -> Vec<bool> {
        met.iter().map(|(is_predicted, _)| *is_predicted).collect()
    }

    #[test]
    fn a_slot_is_24_bytes() {
        assert_eq!(size_of::<Slot>(), 24);
    }

    #[test]
    fn meanings_survive_packing() {
        let mut slots = Slots::default();
        slots.begin();
        let meanings = [
            Meaning::Series(SeriesRef::new(u64::MAX)),
            Meaning::Series(None),
            Meaning::Dropped,
            Meaning::Declaration { family: 7, declares: None },
            Meaning::Declaration { family: u32::MAX, declares: Some(MetricType::Unknown) },
            Meaning::Declaration { family: 0, declares: Some(MetricType::StateSet) },
        ];
        for meaning in meanings {
            let id = slots.insert(b"text", MetricType::Unknown, meaning);
            assert_eq!(slots.visit(id), (meaning, false));
            assert_eq!(slots.visit(id), (meaning, true));
            assert_eq!(slots.text_len(id), 4);
        }
    }

    #[test]
    fn unchanged_vanished_and_moved_lines_are_known() {
        let mut slots = Slots::default();
        assert_eq!(is_predicted(&scrape(&mut slots, &["a", "b", "c", "d"])), [false; 4]);
        slots.settle();
        assert_eq!(is_predicted(&scrape(&mut slots, &["a", "b", "c", "d"])), [true; 4]);
        slots.settle();
        // b vanished: the look-ahead finds c; a moved behind: the index finds it.
        assert_eq!(is_predicted(&scrape(&mut slots, &["c", "d", "a"])), [true, true, false]);
        assert_eq!(slots.stale().count(), 1);
        slots.settle();
        assert_eq!(slots.len(), 3);
        assert_eq!(is_predicted(&scrape(&mut slots, &["c", "d", "a"])), [true; 3]);
        assert_eq!(slots.stale().count(), 0);
    }

    #[test]
    fn a_line_met_twice_is_told() {
        let mut slots = Slots::default();
        assert_eq!(scrape(&mut slots, &["a", "a", "b"]), [(false, false), (false, true), (false, false)]);
        slots.settle();
        assert_eq!(slots.len(), 2);
        assert_eq!(
            scrape(&mut slots, &["a", "a", "b"]).iter().filter(|(_, is_repeated)| *is_repeated).count(),
            1
        );
    }

    #[test]
    fn wrong_guesses_end_before_they_cost_the_square_of_a_page() {
        let mut slots = Slots::default();
        let long = "x".repeat(1 << 20);
        scrape(&mut slots, &[&long, "a"]);
        slots.settle();
        slots.begin();
        let hostile = " ".repeat((1 << 20) + 1);
        for _ in 0..100 {
            assert!(slots.predict(hostile.as_bytes(), MetricType::Unknown).is_none());
        }
        assert_eq!(slots.waste_left, 0);
        assert_eq!(slots.find(b"a", MetricType::Unknown), Some(1), "the index still knows");
    }

    #[test]
    fn one_text_under_two_types_is_two_lines() {
        let mut slots = Slots::default();
        slots.begin();
        slots.insert(b"a", MetricType::Histogram, Meaning::Dropped);
        assert!(slots.find(b"a", MetricType::Summary).is_none());
        assert!(slots.find(b"a", MetricType::Histogram).is_some());
    }

    #[test]
    fn failing_scrapes_cannot_grow_the_cache_without_bound() {
        let mut slots = Slots::default();
        for round in 0..10 {
            let names: Vec<String> = (0..300).map(|idx| format!("m_{round}_{idx}")).collect();
            scrape(&mut slots, &names.iter().map(String::as_str).collect::<Vec<_>>());
            slots.keep();
            assert!(slots.len() <= 1_300);
        }
    }
}
