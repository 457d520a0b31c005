//! Where the body of an answer ends, and taking the frames of a chunked one away in place.
//!
//! # Source: RFC 9112 §6.3 (length of a message), §7.1 (chunked), §9.3 (persistence).

use std::io;

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, Response, StatusCode, Version};

/// Longest line about a chunk: its size and what extensions say.
const CHUNK_LINE_BYTES_MAX: u32 = 4 << 10;

/// Longest trailer.
const TRAILER_BYTES_MAX: u32 = 16 << 10;

/// What is still to come of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes.
    Length(u64),
    Chunked(Chunked),
    /// All until the peer closes.
    UntilClose,
    /// Nothing.
    End,
    /// Nothing, but more came: nobody knows what it is.
    Surplus,
}

/// What comes next of a chunked body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chunked {
    /// Digits of a chunk's size; the sum of those before, and how many there were.
    Size(u64, u32),
    /// The rest of the line behind a size, of so many bytes yet.
    Extension(u64, u32),
    /// The line feed behind a size.
    SizeEnd(u64),
    /// So many bytes of a chunk.
    Data(u64),
    DataReturn,
    DataEnd,
    /// A line of the trailer, or the empty line that ends the body; how long the trailer was so far.
    LineStart(u32),
    Line(u32),
    LastEnd,
}

/// Returns how the body behind `head` is framed, and whether the peer takes a request behind it.
pub(super) fn of(head: &Response<()>) -> io::Result<(Framing, bool)> {
    let headers = head.headers();
    let is_persistent = match head.version() {
        Version::HTTP_10 => has_token(headers, &CONNECTION, "keep-alive"),
        _ => !has_token(headers, &CONNECTION, "close"),
    };
    if matches!(head.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Ok((Framing::End, is_persistent));
    }
    let length = content_length(headers)?;
    if headers.contains_key(TRANSFER_ENCODING) {
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        let is_chunked = match (codings.next(), codings.next()) {
            (Some(coding), None) => coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"),
            _ => false,
        };
        if !is_chunked {
            return Err(invalid("a transfer-encoding other than chunked was not asked for"));
        }
        // A length beside it is somebody's mistake, or an attempt to smuggle: it does not count.
        return Ok((Framing::Chunked(Chunked::Size(0, 0)), is_persistent && length.is_none()));
    }
    Ok(match length {
        Some(0) => (Framing::End, is_persistent),
        Some(n_bytes) => (Framing::Length(n_bytes), is_persistent),
        None => (Framing::UntilClose, false),
    })
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().map(|value| value.as_bytes());
    let mut tokens = values.flat_map(|value| value.split(|byte| *byte == b','));
    tokens.any(|part| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

/// Reads the length; several that agree are one.
fn content_length(headers: &HeaderMap) -> io::Result<Option<u64>> {
    let mut length = None;
    let values = headers.get_all(CONTENT_LENGTH).iter().map(|value| value.as_bytes());
    for part in values.flat_map(|value| value.split(|byte| *byte == b',')) {
        let digits = part.trim_ascii();
        let number = (!digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
            .then(|| std::str::from_utf8(digits).ok()?.parse::<u64>().ok())
            .flatten();
        match (number, length) {
            (Some(number), None) => length = Some(number),
            (Some(number), Some(before)) if number == before => {}
            _ => return Err(invalid("content-length is no number, or two numbers")),
        }
    }
    Ok(length)
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

impl Framing {
    /// Whether nothing more comes.
    pub(super) fn is_end(&self) -> bool {
        matches!(self, Self::End | Self::Surplus)
    }

    /// Whether the body ended where it said.
    pub(super) fn is_clean_end(&self) -> bool {
        *self == Self::End
    }

    /// Returns how much is still to come, as far as that is known.
    pub(super) fn n_bytes_left(&self) -> usize {
        match self {
            Self::Length(n_bytes) => usize::try_from(*n_bytes).unwrap_or(usize::MAX),
            Self::Chunked(_) | Self::UntilClose => usize::MAX,
            Self::End | Self::Surplus => 0,
        }
    }

    /// Takes note that the peer has closed.
    pub(super) fn close(&mut self) -> io::Result<()> {
        match self {
            Self::UntilClose => {
                *self = Self::End;
                Ok(())
            }
            Self::End | Self::Surplus => Ok(()),
            Self::Length(_) | Self::Chunked(_) => {
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, "unexpected EOF: closed inside the body"))
            }
        }
    }

    /// Takes what was received from `from` on; leaves only bytes of the body there.
    pub(super) fn take(&mut self, buffer: &mut Vec<u8>, from: usize) -> io::Result<()> {
        let n_bytes = buffer.len().saturating_sub(from);
        let n_surplus = match self {
            Self::UntilClose => 0,
            Self::End | Self::Surplus => n_bytes,
            Self::Length(left) => {
                let n_taken = n_bytes.min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= n_taken as u64;
                if *left == 0 {
                    *self = Self::End;
                }
                n_bytes - n_taken
            }
            Self::Chunked(next) => match take_chunks(next, buffer, from)? {
                Some(n_surplus) => {
                    *self = Self::End;
                    n_surplus
                }
                None => 0,
            },
        };
        if n_surplus > 0 {
            buffer.truncate(buffer.len() - n_surplus);
            *self = Self::Surplus;
        }
        Ok(())
    }
}

/// Moves the data of chunks together, from `from` on; returns how many bytes there are behind the body when it has ended:
/// they are left at the end of the buffer.
fn take_chunks(next: &mut Chunked, buffer: &mut Vec<u8>, from: usize) -> io::Result<Option<usize>> {
    let (mut at, mut end) = (from, from);
    while let Some(&byte) = buffer.get(at) {
        if let Chunked::Data(left) = next {
            let n_bytes = (buffer.len() - at).min(usize::try_from(*left).unwrap_or(usize::MAX));
            buffer.copy_within(at..at + n_bytes, end);
            (at, end) = (at + n_bytes, end + n_bytes);
            *left -= n_bytes as u64;
            if *left == 0 {
                *next = Chunked::DataReturn;
            }
            continue;
        }
        at += 1;
        let Some(then) = next.step(byte)? else {
            let n_surplus = buffer.len() - at;
            buffer.copy_within(at.., end);
            buffer.truncate(end + n_surplus);
            return Ok(Some(n_surplus));
        };
        *next = then;
    }
    buffer.truncate(end);
    Ok(None)
}

impl Chunked {
    /// Returns what comes behind a byte that is no data; `None` at the end of the body.
    fn step(&self, byte: u8) -> io::Result<Option<Self>> {
        Ok(Some(match (self, byte) {
            (Self::Size(n_bytes, n_digits @ 0..15), digit) if digit.is_ascii_hexdigit() => {
                let digit = char::from(digit).to_digit(16).map_or(0, u64::from);
                Self::Size(n_bytes * 16 + digit, n_digits + 1)
            }
            (Self::Size(n_bytes, 1..), b'\r') => Self::SizeEnd(*n_bytes),
            (Self::Size(n_bytes, 1..), b';' | b' ' | b'\t') => {
                Self::Extension(*n_bytes, CHUNK_LINE_BYTES_MAX)
            }
            (Self::Extension(n_bytes, _), b'\r') => Self::SizeEnd(*n_bytes),
            (Self::Extension(n_bytes, left @ 1..), other) if other != b'\n' => {
                Self::Extension(*n_bytes, left - 1)
            }
            (Self::SizeEnd(0), b'\n') => Self::LineStart(0),
            (Self::SizeEnd(n_bytes), b'\n') => Self::Data(*n_bytes),
            (Self::DataReturn, b'\r') => Self::DataEnd,
            (Self::DataEnd, b'\n') => Self::Size(0, 0),
            (Self::LineStart(_), b'\r') => Self::LastEnd,
            (Self::Line(n_bytes), b'\n') => Self::LineStart(n_bytes + 1),
            (Self::LineStart(n_bytes) | Self::Line(n_bytes), _) if *n_bytes < TRAILER_BYTES_MAX => {
                Self::Line(n_bytes + 1)
            }
            (Self::LastEnd, b'\n') => return Ok(None),
            _ => return Err(invalid("malformed chunked encoding")),
        }))
    }
}
