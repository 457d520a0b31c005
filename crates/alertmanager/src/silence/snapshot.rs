//! Silences as the original stores them: `MeshSilence`.
//!
//! Source: `spec/alertmanager-pushgateway.md` §A13.

use std::collections::BTreeMap;

use jiff::Timestamp;
use wf_model::{MatchOp, Matcher};

use super::Silence;
use crate::wire::{Field, Fields, WireError, Writer, message, text, timestamp};

/// The order of operators in the storage.
const OPS: [MatchOp; 4] = [MatchOp::Equal, MatchOp::Regex, MatchOp::NotEqual, MatchOp::NotRegex];

pub(crate) fn encode(silence: &Silence) -> Vec<u8> {
    let mut out = Writer::default();
    out.message(1, |inner| {
        inner.text(1, &silence.id);
        // Older readers know one set only.
        for matcher in silence.matcher_sets.first().into_iter().flatten() {
            inner.message(2, |out| encode_matcher(out, matcher));
        }
        inner.timestamp(3, silence.starts_at);
        inner.timestamp(4, silence.ends_at);
        inner.timestamp(5, silence.updated_at);
        inner.text(8, &silence.created_by);
        inner.text(9, &silence.comment);
        for (name, value) in &silence.annotations {
            inner.message(10, |pair| {
                pair.text(1, name);
                pair.text(2, value);
            });
        }
        for matchers in &silence.matcher_sets {
            inner.message(11, |set| {
                for matcher in matchers {
                    set.message(1, |out| encode_matcher(out, matcher));
                }
            });
        }
        for set in &silence.receiver_matcher_sets {
            inner.bytes(12, set);
        }
    });
    out.timestamp(2, silence.expires_at);
    out.0
}

fn encode_matcher(out: &mut Writer, matcher: &Matcher) {
    let op = OPS.iter().position(|op| *op == matcher.op()).unwrap_or(0);
    out.number(1, op as u64);
    out.text(2, matcher.name());
    out.text(3, matcher.value());
}

/// Reads length-prefixed silences to the end.
pub(super) fn decode_all(bytes: &[u8]) -> Result<Vec<Silence>, WireError> {
    let mut silences = Vec::new();
    let mut messages = Fields::new(bytes);
    while let Some(message) = messages.next_message()? {
        silences.push(decode(message)?);
    }
    Ok(silences)
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Silence, WireError> {
    let zero = Timestamp::UNIX_EPOCH;
    let mut silence = Silence {
        id: String::new(),
        matcher_sets: Vec::new(),
        starts_at: zero,
        ends_at: zero,
        updated_at: zero,
        created_by: String::new(),
        comment: String::new(),
        annotations: BTreeMap::new(),
        receiver_matcher_sets: Vec::new(),
        expires_at: zero,
    };
    let mut has_silence = false;
    let mut outer = Fields::new(bytes);
    while let Some((number, field)) = outer.next()? {
        match number {
            1 => {
                has_silence = true;
                decode_inner(message(field), &mut silence)?;
            }
            2 => silence.expires_at = timestamp(message(field))?,
            _ => {}
        }
    }
    match has_silence {
        true => Ok(silence),
        false => Err(WireError { at: 0, what: "an entry without a silence" }),
    }
}

fn decode_inner(bytes: &[u8], silence: &mut Silence) -> Result<(), WireError> {
    let (mut first_set, mut old_comment) = (Vec::new(), None);
    let mut fields = Fields::new(bytes);
    while let Some((number, field)) = fields.next()? {
        match number {
            1 => silence.id = text(field),
            2 => first_set.push(decode_matcher(message(field))?),
            3 => silence.starts_at = timestamp(message(field))?,
            4 => silence.ends_at = timestamp(message(field))?,
            5 => silence.updated_at = timestamp(message(field))?,
            7 => {
                let comment = decode_pair(message(field))?;
                old_comment.get_or_insert(comment);
            }
            8 => silence.created_by = text(field),
            9 => silence.comment = text(field),
            10 => {
                let (name, value) = decode_pair(message(field))?;
                silence.annotations.insert(name, value);
            }
            11 => silence.matcher_sets.push(decode_set(message(field))?),
            12 => silence.receiver_matcher_sets.push(message(field).to_vec()),
            _ => {}
        }
    }
    if silence.matcher_sets.is_empty() && !first_set.is_empty() {
        silence.matcher_sets.push(first_set);
    }
    if let Some((author, comment)) = old_comment {
        (silence.created_by, silence.comment) = (author, comment);
    }
    Ok(())
}

fn decode_set(bytes: &[u8]) -> Result<Vec<Matcher>, WireError> {
    let mut matchers = Vec::new();
    let mut fields = Fields::new(bytes);
    while let Some((number, field)) = fields.next()? {
        if number == 1 {
            matchers.push(decode_matcher(message(field))?);
        }
    }
    Ok(matchers)
}

/// Reads fields 1 and 2 as texts: an annotation, or author and text of an old comment.
fn decode_pair(bytes: &[u8]) -> Result<(String, String), WireError> {
    let (mut first, mut second) = (String::new(), String::new());
    let mut fields = Fields::new(bytes);
    while let Some((number, field)) = fields.next()? {
        match number {
            1 => first = text(field),
            2 => second = text(field),
            _ => {}
        }
    }
    Ok((first, second))
}

fn decode_matcher(bytes: &[u8]) -> Result<Matcher, WireError> {
    let (mut op, mut name, mut value) = (MatchOp::Equal, String::new(), String::new());
    let mut fields = Fields::new(bytes);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Varint(idx)) => {
                let known = usize::try_from(idx).ok().and_then(|idx| OPS.get(idx));
                op = *known.ok_or(WireError { at: 0, what: "an unknown kind of matcher" })?;
            }
            (2, field) => name = text(field),
            (3, field) => value = text(field),
            _ => {}
        }
    }
    Matcher::new(op, &name, &value)
        .map_err(|_| WireError { at: 0, what: "a matcher whose expression does not compile" })
}
