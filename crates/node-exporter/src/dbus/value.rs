//! Values of D-Bus as bytes: aligned to their size, counted from the beginning of the message.

/// A value. All numbers that occur here fit a float without loss, or lose nothing that a metric shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Any number or boolean.
    Number(f64),
    /// Text, a path or a signature.
    Text(String),
    /// An array, a structure or an entry of a dictionary.
    Items(Vec<Value>),
    /// A value that brings its type along.
    Variant(Box<Value>),
}

impl Value {
    /// Returns the parts of an array or a structure; none of anything else.
    pub fn items(&self) -> &[Self] {
        match self {
            Self::Items(items) => items,
            _ => &[],
        }
    }

    /// Returns the text; empty for anything else.
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            _ => "",
        }
    }

    /// Returns the number.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }
}

/// Values nest at most this deep; the protocol allows 64.
const DEPTH_MAX: usize = 16;

/// Values in one message: far more than any list of units has.
const VALUES_MAX: usize = 1 << 20;

/// Writes values.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    out: Vec<u8>,
}

impl Encoder {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    pub(super) fn align(&mut self, to: usize) {
        self.out.resize(self.out.len().next_multiple_of(to), 0);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub(super) fn u32(&mut self, number: u32) {
        self.align(4);
        self.bytes(&number.to_le_bytes());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
        self.bytes(text.as_bytes());
        self.bytes(&[0]);
    }

    fn signature(&mut self, text: &str) {
        self.bytes(&[u8::try_from(text.len()).unwrap_or(u8::MAX)]);
        self.bytes(text.as_bytes());
        self.bytes(&[0]);
    }

    /// An entry `(code, variant)` of a header.
    pub(super) fn field(&mut self, code: u8, signature: &str, text: &str) {
        self.align(8);
        self.bytes(&[code]);
        self.signature(signature);
        match signature {
            "g" => self.signature(text),
            _ => self.text(text),
        }
    }

    /// An array whose elements align to `to`; its length leaves the padding in front of them out.
    pub(super) fn array(&mut self, to: usize, write: impl FnOnce(&mut Self)) {
        self.u32(0);
        let length_at = self.out.len() - 4;
        self.align(to);
        let start = self.out.len();
        write(self);
        let length = u32::try_from(self.out.len() - start).unwrap_or(u32::MAX);
        if let Some(place) = self.out.get_mut(length_at..length_at + 4) {
            place.copy_from_slice(&length.to_le_bytes());
        }
    }
}

/// Reads values; none wherever bytes are not as announced.
#[derive(Debug)]
pub(super) struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
    is_little: bool,
    n_values: usize,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(bytes: &'a [u8], is_little: bool) -> Self {
        Self { bytes, at: 0, is_little, n_values: 0 }
    }

    pub(super) fn skip(&mut self, n_bytes: usize) -> Option<()> {
        self.take(n_bytes).map(drop)
    }

    pub(super) fn align(&mut self, to: usize) -> Option<()> {
        self.at = self.at.checked_next_multiple_of(to)?;
        (self.at <= self.bytes.len()).then_some(())
    }

    /// Reads one value of a complete type.
    pub(super) fn value(&mut self, signature: &str) -> Option<Value> {
        self.values(signature)?.into_iter().next()
    }

    /// Reads values of the types listed.
    pub(super) fn values(&mut self, signature: &str) -> Option<Vec<Value>> {
        self.list(signature.as_bytes(), 0)
    }

    fn list(&mut self, mut signature: &[u8], depth: usize) -> Option<Vec<Value>> {
        let mut values = Vec::new();
        while !signature.is_empty() {
            let (first, rest) = split(signature)?;
            values.push(self.one(first, depth)?);
            signature = rest;
        }
        Some(values)
    }

    fn one(&mut self, signature: &[u8], depth: usize) -> Option<Value> {
        self.n_values += 1;
        if depth > DEPTH_MAX || self.n_values > VALUES_MAX {
            return None;
        }
        let value = match *signature.first()? {
            b'y' => Value::Number(f64::from(*self.take(1)?.first()?)),
            b'b' | b'u' => Value::Number(f64::from(self.u32()?)),
            b'i' | b'h' => Value::Number(f64::from(self.u32()?.cast_signed())),
            b'q' => Value::Number(self.integer(2)? as f64),
            b'n' => Value::Number(f64::from(u16::try_from(self.integer(2)?).ok()?.cast_signed())),
            b't' => Value::Number(self.integer(8)? as f64),
            b'x' => Value::Number(self.integer(8)?.cast_signed() as f64),
            b'd' => Value::Number(f64::from_bits(self.integer(8)?)),
            b's' | b'o' => self.text()?,
            b'g' => Value::Text(String::from_utf8_lossy(self.signature()?).into_owned()),
            b'v' => {
                let inner = self.signature()?.to_vec();
                Value::Variant(Box::new(self.one(&inner, depth + 1)?))
            }
            b'(' | b'{' => {
                self.align(8)?;
                Value::Items(self.list(signature.get(1..signature.len() - 1)?, depth + 1)?)
            }
            b'a' => self.array(signature.get(1..)?, depth)?,
            _ => return None,
        };
        Some(value)
    }

    fn array(&mut self, element: &[u8], depth: usize) -> Option<Value> {
        let length = usize::try_from(self.u32()?).ok()?;
        self.align(alignment(*element.first()?))?;
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len())?;
        let mut items = Vec::new();
        while self.at < end {
            items.push(self.one(element, depth + 1)?);
        }
        (self.at == end).then_some(Value::Items(items))
    }

    fn text(&mut self) -> Option<Value> {
        let length = usize::try_from(self.u32()?).ok()?;
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.skip(1)?;
        Some(Value::Text(text))
    }

    fn signature(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(*self.take(1)?.first()?);
        let text = self.take(length)?;
        self.skip(1)?;
        Some(text)
    }

    fn u32(&mut self) -> Option<u32> {
        u32::try_from(self.integer(4)?).ok()
    }

    /// An unsigned number of `n_bytes`, aligned to its size.
    fn integer(&mut self, n_bytes: usize) -> Option<u64> {
        self.align(n_bytes)?;
        let is_little = self.is_little;
        let bytes = self.take(n_bytes)?;
        let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if is_little { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) })
    }

    fn take(&mut self, n_bytes: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(n_bytes)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }
}

fn alignment(kind: u8) -> usize {
    match kind {
        b'y' | b'g' | b'v' => 1,
        b'n' | b'q' => 2,
        b'x' | b't' | b'd' | b'(' | b'{' => 8,
        _ => 4,
    }
}

/// Splits the first complete type off.
fn split(signature: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut depth = 0_usize;
    for (idx, byte) in signature.iter().enumerate() {
        match byte {
            b'(' | b'{' => depth += 1,
            b')' | b'}' => depth = depth.checked_sub(1)?,
            // The type of its elements follows.
            b'a' => continue,
            _ => {}
        }
        if depth == 0 {
            return Some(signature.split_at(idx + 1));
        }
    }
    None
}
