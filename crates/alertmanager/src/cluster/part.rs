//! What members tell each other: entries of the notification log and silences, in the original's messages.
//!
//! `Part{1 key, 2 data}` where the key is `nfl` or `sil` and the data length-prefixed entries, as in snapshots.

use crate::wire::{Fields, WireError, Writer, message, text};
use crate::{nflog, silence};

/// Which state a part is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// The notification log.
    Log,
    /// Silences.
    Silences,
}

impl Kind {
    /// All, as metrics begin at zero.
    pub(crate) const ALL: [Self; 2] = [Self::Log, Self::Silences];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Log => "nfl",
            Self::Silences => "sil",
        }
    }
}

/// Entries of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) kind: Kind,
    /// Length-prefixed.
    pub(crate) entries: Vec<u8>,
}

impl Part {
    /// Returns a part of one entry.
    pub(crate) fn of(kind: Kind, entry: &[u8]) -> Self {
        let mut out = Writer::default();
        out.delimited(entry);
        Self { kind, entries: out.0 }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.text(1, self.kind.as_str());
        out.bytes(2, &self.entries);
        out.0
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (mut key, mut entries) = (String::new(), Vec::new());
        let mut fields = Fields::new(bytes);
        while let Some((number, field)) = fields.next()? {
            match number {
                1 => key = text(field),
                2 => entries = message(field).to_vec(),
                _ => {}
            }
        }
        let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == key);
        let kind = kind.ok_or(WireError { at: 0, what: "a part of an unknown kind" })?;
        Ok(Self { kind, entries })
    }

    /// Returns what the first entry is about: a newer part about the same makes this one needless.
    pub(super) fn subject(&self) -> Result<Subject, WireError> {
        let mut entries = Fields::new(&self.entries);
        let entry = entries.next_message()?.ok_or(WireError { at: 0, what: "a part without entries" })?;
        let id = match self.kind {
            Kind::Log => nflog::decode(entry)?.key(),
            Kind::Silences => silence::snapshot::decode(entry)?.id,
        };
        Ok(Subject { kind: self.kind, id })
    }
}

/// What an entry is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    kind: Kind,
    id: String,
}

impl foca::Invalidates for Subject {
    fn invalidates(&self, other: &Self) -> bool {
        self == other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_as_written_and_others_refused() {
        let part = Part::of(Kind::Silences, b"abc");
        assert_eq!(Part::decode(&part.encode()), Ok(part.clone()));
        assert!(Part::decode(&[0x0a, 1, b'x']).is_err());
        assert!(part.subject().is_err());
        assert!(Part { kind: Kind::Log, entries: Vec::new() }.subject().is_err());
    }
}
