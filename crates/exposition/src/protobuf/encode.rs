//! Writes protobuf messages field by field.

/// A message being written.
#[derive(Clone, Debug, Default)]
pub struct Message(Vec<u8>);

impl Message {
    /// Starts an empty message.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an integer.
    #[must_use]
    pub fn varint(mut self, number: u32, value: u64) -> Self {
        push_varint(&mut self.0, u64::from(number) << 3);
        push_varint(&mut self.0, value);
        self
    }

    /// Adds a zigzag integer.
    #[must_use]
    pub fn sint(self, number: u32, value: i64) -> Self {
        self.varint(number, zigzag(value))
    }

    /// Adds a double.
    #[must_use]
    pub fn double(mut self, number: u32, value: f64) -> Self {
        push_varint(&mut self.0, u64::from(number) << 3 | 1);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// Adds a string or bytes.
    #[must_use]
    pub fn bytes(mut self, number: u32, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        push_varint(&mut self.0, u64::from(number) << 3 | 2);
        push_varint(&mut self.0, value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    /// Adds a message.
    #[must_use]
    pub fn message(self, number: u32, value: &Self) -> Self {
        self.bytes(number, &value.0)
    }

    /// Adds a packed list of zigzag integers.
    #[must_use]
    pub fn packed_sints(self, number: u32, values: &[i64]) -> Self {
        let mut packed = Vec::new();
        for value in values {
            push_varint(&mut packed, zigzag(*value));
        }
        self.bytes(number, packed)
    }

    /// Adds a packed list of integers.
    #[must_use]
    pub fn packed_varints(self, number: u32, values: &[u64]) -> Self {
        let mut packed = Vec::new();
        values.iter().for_each(|value| push_varint(&mut packed, *value));
        self.bytes(number, packed)
    }

    /// Adds a packed list of doubles.
    #[must_use]
    pub fn packed_doubles(self, number: u32, values: &[f64]) -> Self {
        let packed: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.bytes(number, packed)
    }

    /// Adds a label pair, which has this number in metrics and exemplars.
    #[must_use]
    pub fn label(self, name: &str, value: &str) -> Self {
        self.message(1, &Self::new().bytes(1, name).bytes(2, value))
    }

    /// Returns what is written, without a length before it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Appends the message behind its length to a page.
    pub fn write_delimited(&self, page: &mut Vec<u8>) {
        push_varint(page, self.0.len() as u64);
        page.extend_from_slice(&self.0);
    }
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f | 0x80).to_le_bytes()[0]);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}
