//! All silences, and a memory of which cover which alert.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use wf_model::{Labels, MatchOp};

use super::{Silence, State, snapshot};
use crate::instant::after;
use crate::wire::WireError;

/// What silences may cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    /// Most silences, expired ones among them; 0 for any number.
    pub(crate) n_silences_max: usize,
    /// Most bytes of one in its stored form; 0 for any.
    pub(crate) silence_bytes_max: usize,
}

/// Why a silence is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SetError {
    #[error("silence not found")]
    NotFound,
    #[error("invalid silence: {0}")]
    Invalid(String),
    #[error("exceeded maximum number of silences: {n} (limit: {limit})")]
    TooMany { n: usize, limit: usize },
    #[error("silence exceeded maximum size: {bytes} bytes (limit: {limit} bytes)")]
    TooLarge { bytes: usize, limit: usize },
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Silences {
    silences: BTreeMap<String, Arc<Silence>>,
    /// Ids by a label and value that alerts must have to be covered; those without one are in `others`.
    by_label: HashMap<(String, String), Vec<String>>,
    others: Vec<String>,
    /// Grows with every change: older memories are void.
    version: u64,
    /// Ids of silences that cover an alert whenever they are active, by fingerprint.
    covering: HashMap<u64, (u64, Arc<[String]>)>,
    retention: Duration,
    limits: Limits,
    /// Silences that others want to hear of, encoded; recorded once somebody asked.
    news: Option<Vec<Vec<u8>>>,
}

impl Silences {
    pub(crate) fn new(retention: Duration, limits: Limits) -> Self {
        Self { retention, limits, ..Self::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.silences.len()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Arc<Silence>> {
        self.silences.get(id)
    }

    /// Records from now on what changes, for [`Silences::take_news`].
    pub(crate) fn record_news(&mut self) {
        self.news = Some(Vec::new());
    }

    /// Returns the silences that changed since the last call, encoded.
    pub(crate) fn take_news(&mut self) -> Vec<Vec<u8>> {
        self.news.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Takes over another's silences, length-prefixed: the newer one of each id stays, and what may be forgotten is
    /// left alone. Returns those that were taken over, encoded.
    /// # Errors
    /// When the bytes are no silences; nothing is taken over then.
    pub(crate) fn merge(&mut self, bytes: &[u8], now: Timestamp) -> Result<Vec<Vec<u8>>, WireError> {
        let mut taken = Vec::new();
        for silence in snapshot::decode_all(bytes)?.into_iter().filter(|silence| silence.expires_at > now) {
            let known = self.silences.get(&silence.id);
            if known.is_none_or(|known| known.updated_at < silence.updated_at) {
                taken.push(snapshot::encode(&silence));
                self.insert(silence);
            }
        }
        Ok(taken)
    }

    /// Takes over a change that was made here.
    fn change(&mut self, silence: Silence) {
        if let Some(news) = &mut self.news {
            news.push(snapshot::encode(&silence));
        }
        self.insert(silence);
    }

    /// Returns all in order of ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Silence>> {
        self.silences.values()
    }

    /// Returns the ids of the active silences that cover an alert, sorted.
    pub(crate) fn covering(&mut self, fingerprint: u64, labels: &Labels, now: Timestamp) -> Vec<String> {
        if self.silences.is_empty() {
            return Vec::new();
        }
        let known = self.covering.get(&fingerprint).filter(|(version, _)| *version == self.version);
        let ids = match known {
            Some((_, ids)) => Arc::clone(ids),
            None => {
                let ids: Arc<[String]> = self.search(labels).into();
                self.covering.insert(fingerprint, (self.version, Arc::clone(&ids)));
                ids
            }
        };
        let is_active =
            |id: &&String| self.silences.get(*id).is_some_and(|it| it.state(now) == State::Active);
        ids.iter().filter(is_active).cloned().collect()
    }

    fn search(&self, labels: &Labels) -> Vec<String> {
        let by_label =
            labels.iter().filter_map(|(name, value)| self.by_label.get(&(name.to_owned(), value.to_owned())));
        let candidates = by_label.flatten().chain(&self.others);
        let mut ids: Vec<String> = candidates
            .filter(|id| self.silences.get(*id).is_some_and(|it| it.covers(labels)))
            .cloned()
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Takes a silence: a new one without an id, or a change of one that is there. Returns the id it has now: a change
    /// that would rewrite history ends the old one and begins another.
    pub(crate) fn set(
        &mut self,
        mut silence: Silence,
        now: Timestamp,
        is_name: impl Fn(&str) -> bool,
    ) -> Result<String, SetError> {
        let old = match silence.id.as_str() {
            "" => None,
            id => Some(Arc::clone(self.silences.get(id).ok_or(SetError::NotFound)?)),
        };
        silence.updated_at = now;
        let in_place = old.as_ref().is_some_and(|old| may_change(old, &silence, now));
        if !in_place {
            silence.starts_at = silence.starts_at.max(now);
            silence.id = new_id();
        }
        silence.validate(is_name).map_err(SetError::Invalid)?;
        let n = self.silences.len() + 1;
        if !in_place && self.limits.n_silences_max > 0 && n > self.limits.n_silences_max {
            return Err(SetError::TooMany { n, limit: self.limits.n_silences_max });
        }
        silence.expires_at = after(silence.ends_at, self.retention);
        let bytes = snapshot::encode(&silence).len();
        if self.limits.silence_bytes_max > 0 && bytes > self.limits.silence_bytes_max {
            return Err(SetError::TooLarge { bytes, limit: self.limits.silence_bytes_max });
        }
        if let Some(old) = old.filter(|old| !in_place && old.state(now) != State::Expired) {
            self.end(&old, now);
        }
        let id = silence.id.clone();
        self.change(silence);
        Ok(id)
    }

    /// Ends a silence; one that is over stays as it is.
    pub(crate) fn expire(&mut self, id: &str, now: Timestamp) -> Result<(), SetError> {
        let silence = Arc::clone(self.silences.get(id).ok_or(SetError::NotFound)?);
        if silence.state(now) != State::Expired {
            self.end(&silence, now);
        }
        Ok(())
    }

    fn end(&mut self, silence: &Silence, now: Timestamp) {
        let mut ended = silence.clone();
        ended.starts_at = ended.starts_at.min(now);
        ended.ends_at = now;
        ended.updated_at = now;
        ended.expires_at = after(now, self.retention);
        self.change(ended);
    }

    fn insert(&mut self, silence: Silence) {
        let is_known =
            self.silences.get(&silence.id).is_some_and(|old| old.matcher_sets == silence.matcher_sets);
        if !is_known {
            self.forget(&silence.id);
            self.index(&silence);
            self.version += 1;
        }
        self.silences.insert(silence.id.clone(), Arc::new(silence));
    }

    fn index(&mut self, silence: &Silence) {
        for matchers in &silence.matcher_sets {
            let key =
                matchers.iter().find(|matcher| matcher.op() == MatchOp::Equal && !matcher.value().is_empty());
            let list = match key {
                Some(key) => {
                    self.by_label.entry((key.name().to_owned(), key.value().to_owned())).or_default()
                }
                None => &mut self.others,
            };
            if !list.contains(&silence.id) {
                list.push(silence.id.clone());
            }
        }
    }

    fn forget(&mut self, id: &str) {
        if self.silences.remove(id).is_some() {
            self.others.retain(|known| known != id);
            self.by_label.retain(|_, ids| {
                ids.retain(|known| known != id);
                !ids.is_empty()
            });
        }
    }

    /// Forgets silences that have been over for long enough, and memories of alerts for which `is_known` fails.
    pub(crate) fn collect_garbage(&mut self, now: Timestamp, is_known: impl Fn(u64) -> bool) {
        let gone: Vec<String> =
            self.silences.values().filter(|it| it.expires_at <= now).map(|it| it.id.clone()).collect();
        for id in &gone {
            self.forget(id);
        }
        self.version += u64::from(!gone.is_empty());
        self.covering.retain(|fingerprint, _| is_known(*fingerprint));
    }

    /// Reads a snapshot; nothing is kept of a broken one.
    pub(crate) fn load(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        let read = snapshot::decode_all(bytes)?;
        for silence in read {
            self.insert(silence);
        }
        Ok(())
    }

    /// Returns all as a snapshot.
    pub(crate) fn snapshot(&self) -> Vec<u8> {
        let mut out = crate::wire::Writer::default();
        for silence in self.silences.values() {
            out.delimited(&snapshot::encode(silence));
        }
        out.0
    }
}

/// Whether `new` may take the place of `old` without rewriting history.
fn may_change(old: &Silence, new: &Silence, now: Timestamp) -> bool {
    if old.matcher_sets != new.matcher_sets {
        return false;
    }
    match old.state(now) {
        State::Active => old.starts_at.as_second() == new.starts_at.as_second() && new.ends_at >= now,
        State::Pending => new.starts_at >= now,
        State::Expired => false,
    }
}

/// Returns a random UUID, version 4.
pub(crate) fn new_id() -> String {
    let bits = fastrand::u128(..);
    let bits = (bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}
