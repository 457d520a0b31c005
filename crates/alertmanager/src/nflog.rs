//! The notification log: what was sent to whom, so that it is not sent twice, not even after a restart.
//!
//! Source: `spec/alertmanager-pushgateway.md` §A6, §A13.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;

use crate::instant::after;
use crate::wire::{Field, Fields, WireError, Writer, message, text, timestamp};

/// Who was told: an integration of a receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) receiver: String,
    pub(crate) kind: String,
    pub(crate) idx: u32,
}

impl Told {
    /// `webhook[0]`
    pub(crate) fn shown(&self) -> String {
        format!("{}[{}]", self.kind, self.idx)
    }
}

/// A value that an integration remembers, such as the id of its message.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Remembered {
    Text(String),
    Int(i64),
    Float(f64),
}

/// What was told last about a group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) group_key: Vec<u8>,
    pub(crate) told: Told,
    pub(crate) at: Timestamp,
    /// Hashes of the alerts that fired.
    pub(crate) firing: Vec<u64>,
    pub(crate) resolved: Vec<u64>,
    pub(crate) data: BTreeMap<String, Remembered>,
    pub(crate) expires_at: Timestamp,
}

impl Entry {
    /// `<group key>:<receiver>/<kind>/<idx>`
    pub(crate) fn key(&self) -> String {
        key_of(&String::from_utf8_lossy(&self.group_key), &self.told)
    }
}

fn key_of(group_key: &str, told: &Told) -> String {
    format!("{group_key}:{}/{}/{}", told.receiver, told.kind, told.idx)
}

/// Why a group is told about now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    First,
    NewAlerts,
    AllResolved,
    SomeResolved,
    Repeat,
}

impl Reason {
    /// As templates and webhooks show it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::First => "first notification",
            Self::NewAlerts => "new alerts added",
            Self::AllResolved => "all alerts resolved",
            Self::SomeResolved => "some alerts resolved",
            Self::Repeat => "repeat interval elapsed",
        }
    }
}

/// Decides whether a group with these alerts is told about again; `None` when it need not be.
pub(crate) fn decide(
    entry: Option<&Entry>,
    firing: &[u64],
    resolved: &[u64],
    now: Timestamp,
    repeat_interval: Duration,
    sends_resolved: bool,
) -> Option<Reason> {
    let Some(entry) = entry else { return (!firing.is_empty()).then_some(Reason::First) };
    let is_new = |hash: &u64, known: &[u64]| !known.contains(hash);
    if firing.iter().any(|hash| is_new(hash, &entry.firing)) {
        return Some(if entry.firing.is_empty() { Reason::First } else { Reason::NewAlerts });
    }
    if firing.is_empty() {
        // Told also to those who do not want to hear of it: the log must clear.
        return (!entry.firing.is_empty()).then_some(Reason::AllResolved);
    }
    if sends_resolved && resolved.iter().any(|hash| is_new(hash, &entry.resolved)) {
        return Some(Reason::SomeResolved);
    }
    (entry.at < crate::instant::before(now, repeat_interval)).then_some(Reason::Repeat)
}

/// The log.
#[derive(Debug, Default)]
pub(crate) struct NotificationLog {
    entries: HashMap<String, Entry>,
    retention: Duration,
    /// Entries that others want to hear of, encoded; recorded once somebody asked.
    news: Option<Vec<Vec<u8>>>,
}

impl NotificationLog {
    pub(crate) fn new(retention: Duration) -> Self {
        Self { retention, ..Self::default() }
    }

    /// Records from now on what is written down, for [`NotificationLog::take_news`].
    pub(crate) fn record_news(&mut self) {
        self.news = Some(Vec::new());
    }

    /// Returns the entries that were written down since the last call, encoded.
    pub(crate) fn take_news(&mut self) -> Vec<Vec<u8>> {
        self.news.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Takes over entries of another's log, length-prefixed: the newer one of each key stays, and what is over is left
    /// alone. Returns those that were taken over, encoded.
    /// # Errors
    /// When the bytes are no entries; nothing is taken over then.
    pub(crate) fn merge(&mut self, bytes: &[u8], now: Timestamp) -> Result<Vec<Vec<u8>>, WireError> {
        let mut messages = Fields::new(bytes);
        let mut read = Vec::new();
        while let Some(message) = messages.next_message()? {
            read.push((decode(message)?, message));
        }
        let mut taken = Vec::new();
        for (entry, message) in read.into_iter().filter(|(entry, _)| entry.expires_at > now) {
            let key = entry.key();
            if self.entries.get(&key).is_none_or(|known| known.at < entry.at) {
                self.entries.insert(key, entry);
                taken.push(message.to_vec());
            }
        }
        Ok(taken)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn get(&self, group_key: &str, told: &Told) -> Option<&Entry> {
        self.entries.get(&key_of(group_key, told))
    }

    /// Returns what the integrations of a receiver were told about a group, in order of integrations.
    pub(crate) fn of_group(&self, group_key: &str, receiver: &str) -> impl Iterator<Item = &Entry> {
        let mut entries: Vec<&Entry> = self
            .entries
            .values()
            .filter(|entry| entry.group_key == group_key.as_bytes() && entry.told.receiver == receiver)
            .collect();
        entries.sort_unstable_by(|a, b| (&a.told.kind, a.told.idx).cmp(&(&b.told.kind, b.told.idx)));
        entries.into_iter()
    }

    /// Writes down what was told. An entry from the future is left alone: another's clock is ahead.
    pub(crate) fn log(&mut self, mut entry: Entry, repeat_interval: Duration) {
        entry.expires_at = after(entry.at, self.retention.min(repeat_interval * 2));
        let key = entry.key();
        if self.entries.get(&key).is_none_or(|known| known.at <= entry.at) {
            if let Some(news) = &mut self.news {
                news.push(encode(&entry));
            }
            self.entries.insert(key, entry);
        }
    }

    pub(crate) fn collect_garbage(&mut self, now: Timestamp) {
        self.entries.retain(|_, entry| entry.expires_at > now);
    }

    /// Reads a snapshot; nothing is kept of a broken one.
    pub(crate) fn load(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        let mut read = HashMap::new();
        let mut messages = Fields::new(bytes);
        while let Some(message) = messages.next_message()? {
            let entry = decode(message)?;
            read.insert(entry.key(), entry);
        }
        self.entries = read;
        Ok(())
    }

    /// Returns the log as a snapshot, in order of keys.
    pub(crate) fn snapshot(&self) -> Vec<u8> {
        let mut keys: Vec<&String> = self.entries.keys().collect();
        keys.sort_unstable();
        let mut out = Writer::default();
        for entry in keys.into_iter().filter_map(|key| self.entries.get(key)) {
            out.delimited(&encode(entry));
        }
        out.0
    }
}

/// `MeshEntry`
pub(crate) fn encode(entry: &Entry) -> Vec<u8> {
    let mut out = Writer::default();
    out.message(1, |inner| {
        inner.bytes(1, &entry.group_key);
        inner.message(2, |told| {
            told.text(1, &entry.told.receiver);
            told.text(2, &entry.told.kind);
            told.number(3, u64::from(entry.told.idx));
        });
        inner.timestamp(5, entry.at);
        inner.packed(6, &entry.firing);
        inner.packed(7, &entry.resolved);
        for (name, value) in &entry.data {
            inner.message(8, |pair| {
                pair.text(1, name);
                pair.message(2, |inner| match value {
                    Remembered::Text(text) => inner.bytes(1, text.as_bytes()),
                    Remembered::Int(int) => inner.number(2, int.cast_unsigned()),
                    Remembered::Float(float) => inner.double(3, *float),
                });
            });
        }
    });
    out.timestamp(2, entry.expires_at);
    out.0
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Entry, WireError> {
    let zero = Timestamp::UNIX_EPOCH;
    let mut entry = Entry {
        group_key: Vec::new(),
        told: Told::default(),
        at: zero,
        firing: Vec::new(),
        resolved: Vec::new(),
        data: BTreeMap::new(),
        expires_at: zero,
    };
    let (mut has_entry, mut has_receiver) = (false, false);
    let mut outer = Fields::new(bytes);
    while let Some((number, field)) = outer.next()? {
        match number {
            1 => {
                has_entry = true;
                has_receiver |= decode_inner(message(field), &mut entry)?;
            }
            2 => entry.expires_at = timestamp(message(field))?,
            _ => {}
        }
    }
    match (has_entry, has_receiver) {
        (true, true) => Ok(entry),
        (false, _) => Err(WireError { at: 0, what: "an entry without content" }),
        (true, false) => Err(WireError { at: 0, what: "an entry without a receiver" }),
    }
}

/// Reads `Entry`; returns whether it names a receiver.
fn decode_inner(bytes: &[u8], entry: &mut Entry) -> Result<bool, WireError> {
    let mut has_receiver = false;
    let mut fields = Fields::new(bytes);
    while let Some((number, field)) = fields.next()? {
        match number {
            1 => entry.group_key = message(field).to_vec(),
            2 => {
                has_receiver = true;
                entry.told = decode_told(message(field))?;
            }
            5 => entry.at = timestamp(message(field))?,
            6 => numbers(field, &mut entry.firing)?,
            7 => numbers(field, &mut entry.resolved)?,
            8 => {
                let (name, value) = decode_pair(message(field))?;
                entry.data.extend(value.map(|value| (name, value)));
            }
            _ => {}
        }
    }
    Ok(has_receiver)
}

fn decode_told(bytes: &[u8]) -> Result<Told, WireError> {
    let mut told = Told::default();
    let mut fields = Fields::new(bytes);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, field) => told.receiver = text(field),
            (2, field) => told.kind = text(field),
            (3, Field::Varint(idx)) => told.idx = u32::try_from(idx).unwrap_or(u32::MAX),
            _ => {}
        }
    }
    Ok(told)
}

/// Takes numbers one by one or packed.
fn numbers(field: Field<'_>, out: &mut Vec<u64>) -> Result<(), WireError> {
    match field {
        Field::Varint(value) => out.push(value),
        Field::Bytes(bytes) => {
            let mut packed = Fields::new(bytes);
            while !packed.is_over() {
                out.push(packed.varint()?);
            }
        }
        Field::Fixed64(_) | Field::Fixed32 => {}
    }
    Ok(())
}

fn decode_pair(bytes: &[u8]) -> Result<(String, Option<Remembered>), WireError> {
    let (mut name, mut value) = (String::new(), None);
    let mut fields = Fields::new(bytes);
    while let Some((number, field)) = fields.next()? {
        match number {
            1 => name = text(field),
            2 => {
                let mut inner = Fields::new(message(field));
                while let Some((number, field)) = inner.next()? {
                    value = match (number, field) {
                        (1, field @ Field::Bytes(_)) => Some(Remembered::Text(text(field))),
                        (2, Field::Varint(int)) => Some(Remembered::Int(int.cast_signed())),
                        (3, Field::Fixed64(bits)) => Some(Remembered::Float(f64::from_bits(bits))),
                        _ => value,
                    };
                }
            }
            _ => {}
        }
    }
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::testing::at;

    fn entry(firing: &[u64], resolved: &[u64], seconds: i64) -> Entry {
        Entry {
            group_key: b"{}:{}".to_vec(),
            told: Told { receiver: "r".to_owned(), kind: "webhook".to_owned(), idx: 0 },
            at: at(seconds),
            firing: firing.to_vec(),
            resolved: resolved.to_vec(),
            data: [("threadTs".to_owned(), Remembered::Text("1.2".to_owned()))].into(),
            expires_at: at(seconds + 1000),
        }
    }

    #[test]
    fn each_reason_to_tell_is_found() {
        let hour = Duration::from_secs(3600);
        let check =
            |entry: Option<&Entry>, firing: &[u64], resolved: &[u64], now: i64, want: Option<Reason>| {
                assert_eq!(
                    decide(entry, firing, resolved, at(now), hour, true),
                    want,
                    "{firing:?} {resolved:?} {now}"
                );
            };
        check(None, &[1], &[], 0, Some(Reason::First));
        check(None, &[], &[1], 0, None);
        let known = entry(&[1, 2], &[3], 100);
        check(Some(&known), &[1, 2], &[], 200, None);
        check(Some(&known), &[1, 4], &[], 200, Some(Reason::NewAlerts));
        check(Some(&known), &[], &[1, 2], 200, Some(Reason::AllResolved));
        check(Some(&known), &[1], &[2], 200, Some(Reason::SomeResolved));
        check(Some(&known), &[1], &[3], 200, None);
        check(Some(&known), &[1], &[], 3700, None);
        check(Some(&known), &[1], &[], 3701, Some(Reason::Repeat));
        check(Some(&entry(&[], &[1], 100)), &[1], &[], 200, Some(Reason::First));
        check(Some(&entry(&[], &[1], 100)), &[], &[1], 9000, None);
        assert_eq!(decide(Some(&known), &[1], &[2], at(200), hour, false), None);
        assert_eq!(decide(Some(&known), &[], &[1], at(200), hour, false), Some(Reason::AllResolved));
    }

    #[test]
    fn a_snapshot_is_read_back_and_a_broken_one_refused() {
        let mut log = NotificationLog::new(Duration::from_secs(7200));
        log.log(entry(&[u64::MAX, 1], &[3], 100), Duration::from_secs(600));
        let bytes = log.snapshot();
        let mut other = NotificationLog::new(Duration::from_secs(7200));
        other.load(&bytes).unwrap();
        let told = Told { receiver: "r".to_owned(), kind: "webhook".to_owned(), idx: 0 };
        let read = other.get("{}:{}", &told).unwrap();
        assert_eq!((read.firing.as_slice(), read.expires_at), (&[u64::MAX, 1][..], at(1300)));
        assert_eq!(other.snapshot(), bytes);
        assert!(other.load(&bytes[..bytes.len() - 1]).is_err());
        assert!(other.load(&[2, 0x12, 0]).is_err());
        assert_eq!(other.load(&[]), Ok(()));
    }

    #[test]
    fn merging_keeps_the_newer_and_tells_what_was_taken() {
        let hours = Duration::from_secs(7200);
        let mut log = NotificationLog::new(hours);
        log.record_news();
        log.log(entry(&[1], &[], 100), hours);
        let news = log.take_news();
        assert_eq!((news.len(), log.take_news().len()), (1, 0));
        let mut prefixed = Writer::default();
        prefixed.delimited(&news[0]);
        let mut other = NotificationLog::new(hours);
        assert_eq!(other.merge(&prefixed.0, at(200)).unwrap(), news);
        assert!(other.merge(&prefixed.0, at(200)).unwrap().is_empty());
        assert!(other.merge(&prefixed.0[..9], at(200)).is_err());
        other.log(entry(&[1, 2], &[], 150), hours);
        assert!(other.merge(&prefixed.0, at(200)).unwrap().is_empty());
        assert!(NotificationLog::new(hours).merge(&prefixed.0, at(1_000_000)).unwrap().is_empty());
    }

    #[test]
    fn the_newer_entry_wins_and_expired_ones_go() {
        let mut log = NotificationLog::new(Duration::from_secs(7200));
        log.log(entry(&[1], &[], 100), Duration::from_secs(500));
        log.log(entry(&[9], &[], 60), Duration::from_secs(600));
        log.collect_garbage(at(1099));
        assert_eq!(log.len(), 1);
        log.collect_garbage(at(1100));
        assert_eq!(log.len(), 0);
    }
}
