//! The little of protocol buffers that three messages of CRI need: walking fields in place.
//!
//! # Source
//! The encoding: <https://protobuf.dev/programming-guides/encoding/>.

/// A field: its number and value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field<'a> {
    /// A whole number.
    Number(u32, u64),
    /// Text, bytes or a message.
    Bytes(u32, &'a [u8]),
}

/// Iterates over the fields of a message; a damaged rest ends it.
pub(super) fn fields(message: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let mut rest = message;
    std::iter::from_fn(move || {
        loop {
            let tag = varint(&mut rest)?;
            let number = u32::try_from(tag >> 3).ok()?;
            match tag & 7 {
                0 => return Some(Field::Number(number, varint(&mut rest)?)),
                2 => {
                    let length = usize::try_from(varint(&mut rest)?).ok()?;
                    return Some(Field::Bytes(number, take(&mut rest, length)?));
                }
                // Fixed widths: of no use here.
                1 => drop(take(&mut rest, 8)?),
                5 => drop(take(&mut rest, 4)?),
                _ => return None,
            }
        }
    })
}

/// Finds a message or text.
pub(super) fn bytes(message: &[u8], wanted: u32) -> Option<&[u8]> {
    all(message, wanted).next()
}

/// Iterates over a repeated message or text.
pub(super) fn all(message: &[u8], wanted: u32) -> impl Iterator<Item = &[u8]> {
    fields(message).filter_map(move |field| match field {
        Field::Bytes(number, value) if number == wanted => Some(value),
        _ => None,
    })
}

/// Finds text.
pub(super) fn text(message: &[u8], wanted: u32) -> String {
    String::from_utf8_lossy(bytes(message, wanted).unwrap_or_default()).into_owned()
}

/// Finds a whole number.
pub(super) fn number(message: &[u8], wanted: u32) -> Option<u64> {
    fields(message).find_map(|field| match field {
        Field::Number(number, value) if number == wanted => Some(value),
        _ => None,
    })
}

/// Finds the value of a key in a map of texts.
pub(super) fn entry(message: &[u8], map: u32, key: &str) -> Option<String> {
    let is_it = |entry: &&[u8]| bytes(entry, 1) == Some(key.as_bytes());
    all(message, map).find(is_it).map(|entry| text(entry, 2))
}

/// Writes text.
pub(super) fn push_text(out: &mut Vec<u8>, field: u8, text: &str) {
    out.push(field << 3 | 2);
    push_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Writes a truth.
pub(super) fn push_true(out: &mut Vec<u8>, field: u8) {
    out.extend_from_slice(&[field << 3, 1]);
}

fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or(0);
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *take(rest, 1)?.first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_damage_ends_the_walk() {
        let mut message = Vec::new();
        push_text(&mut message, 1, &"x".repeat(200));
        push_true(&mut message, 2);
        assert_eq!((text(&message, 1).len(), number(&message, 2)), (200, Some(1)));
        for cut in 0..message.len() {
            let _ = fields(&message[..cut]).count();
        }
        assert_eq!(fields(&[0xff; 20]).count(), 0);
        assert_eq!(fields(&[0x0a, 0xff, 0xff, 0x03]).count(), 0);
    }
}
