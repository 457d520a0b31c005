//! A D-Bus client: calls of methods over a unix socket, one at a time, with a time limit.
//!
//! What collectors ask is a handful of calls and properties, none of which needs signals, introspection or an executor: a
//! few hundred lines stand for a library of some forty crates. A bus that is absent, silent or lying costs the collector
//! its samples and nothing else.
//!
//! # Source
//! D-Bus Specification: "Authentication Protocol" (EXTERNAL), "Message Format", "Marshaling".

mod value;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::collector::CollectError;

pub use value::Value;
use value::{Decoder, Encoder};

/// Longest wait for one read or write.
const PATIENCE: Duration = Duration::from_secs(5);

/// The protocol allows 128 MiB; a list of ten thousand units is 4.
const MESSAGE_BYTES_MAX: usize = 32 << 20;

/// Messages that are no answer, such as signals, before one gives up waiting for it.
const STRANGERS_MAX: usize = 1_000;

const METHOD_CALL: u8 = 1;
const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;

const FIELD_PATH: u8 = 1;
const FIELD_INTERFACE: u8 = 2;
const FIELD_MEMBER: u8 = 3;
const FIELD_ERROR_NAME: u8 = 4;
const FIELD_REPLY_SERIAL: u8 = 5;
const FIELD_DESTINATION: u8 = 6;
const FIELD_SIGNATURE: u8 = 8;

const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// Where a method is: service, object, interface.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Name of the service on the bus.
    pub service: &'a str,
    /// Path of the object.
    pub object: &'a str,
    /// Name of the interface.
    pub interface: &'a str,
}

/// A connection to a bus, or to a service's own socket.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<UnixStream>,
    socket: PathBuf,
    serial: u32,
}

impl Connection {
    /// Connects to a bus and says hello.
    /// # Errors
    /// An absent socket is [`CollectError::NoData`].
    pub fn to_bus(socket: &Path) -> Result<Self, CollectError> {
        let mut connection = Self::to_peer(socket)?;
        let bus = "org.freedesktop.DBus";
        connection.call(
            Target { service: bus, object: "/org/freedesktop/DBus", interface: bus },
            "Hello",
            &[],
        )?;
        Ok(connection)
    }

    /// Connects to a service's own socket, where no bus is in between.
    /// # Errors
    /// An absent socket is [`CollectError::NoData`].
    pub fn to_peer(socket: &Path) -> Result<Self, CollectError> {
        let from_io = |source: std::io::Error| match source.kind() {
            // A socket whose service is gone.
            ErrorKind::ConnectionRefused => {
                CollectError::NoData { why: format!("{}: {source}", socket.display()) }
            }
            _ => CollectError::from_io(socket, source),
        };
        let stream = UnixStream::connect(socket).map_err(from_io)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(from_io)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(from_io)?;
        let mut connection = Self { stream: BufReader::new(stream), socket: socket.to_owned(), serial: 0 };
        connection.authenticate()?;
        Ok(connection)
    }

    /// Calls a method with text arguments; returns the values of the answer.
    /// # Errors
    /// When the service refuses, or no whole answer comes in time.
    pub fn call(
        &mut self,
        target: Target<'_>,
        method: &str,
        arguments: &[&str],
    ) -> Result<Vec<Value>, CollectError> {
        self.serial = self.serial.wrapping_add(1).max(1);
        let message = encode_call(self.serial, target, method, arguments);
        self.write(&message)?;
        for _ in 0..STRANGERS_MAX {
            let Some(answer) = Message::decode(&self.read_message()?) else {
                return Err(self.bad("a message that is not as documented"));
            };
            if answer.reply_to != Some(f64::from(self.serial)) {
                continue;
            }
            return match answer.kind {
                METHOD_RETURN => Ok(answer.body),
                ERROR => Err(self.refused(method, &answer)),
                _ => Err(self.bad("an answer of an unknown kind")),
            };
        }
        Err(self.bad("many messages and no answer"))
    }

    /// Reads a property.
    /// # Errors
    /// As [`Connection::call`].
    pub fn property(&mut self, target: Target<'_>, name: &str) -> Result<Value, CollectError> {
        let of_properties = Target { interface: PROPERTIES, ..target };
        let answer = self.call(of_properties, "Get", &[target.interface, name])?;
        match answer.into_iter().next() {
            Some(Value::Variant(value)) => Ok(*value),
            _ => Err(self.bad("a property without a value")),
        }
    }

    fn authenticate(&mut self) -> Result<(), CollectError> {
        let uid = rustix::process::geteuid().as_raw().to_string();
        let hex: String = uid.bytes().map(|byte| format!("{byte:02x}")).collect();
        // The zero byte in front carries credentials on some systems.
        self.write(format!("\0AUTH EXTERNAL {hex}\r\n").as_bytes())?;
        let mut line = Vec::new();
        let read = (&mut self.stream).take(4096).read_until(b'\n', &mut line);
        read.map_err(|source| self.failed(source))?;
        if !line.starts_with(b"OK ") {
            return Err(self.bad("no welcome: this user may not speak to it"));
        }
        self.write(b"BEGIN\r\n")
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), CollectError> {
        self.stream.get_mut().write_all(bytes).map_err(|source| self.failed(source))
    }

    fn read_message(&mut self) -> Result<Vec<u8>, CollectError> {
        let mut message = vec![0; 16];
        self.stream.read_exact(&mut message).map_err(|source| self.failed(source))?;
        let length = message_length(&message).filter(|length| *length <= MESSAGE_BYTES_MAX);
        let Some(length) = length else { return Err(self.bad("a message of impossible length")) };
        let mut rest = vec![0; length - message.len()];
        self.stream.read_exact(&mut rest).map_err(|source| self.failed(source))?;
        message.append(&mut rest);
        Ok(message)
    }

    fn failed(&self, source: std::io::Error) -> CollectError {
        CollectError::Read { path: self.socket.display().to_string(), source }
    }

    fn bad(&self, what: &str) -> CollectError {
        self.failed(std::io::Error::new(ErrorKind::InvalidData, what.to_owned()))
    }

    fn refused(&self, method: &str, answer: &Message) -> CollectError {
        let name = answer.error.as_deref().unwrap_or("an error without a name");
        let text = match answer.body.first() {
            Some(Value::Text(text)) => text.as_str(),
            _ => "",
        };
        let why = format!("{method}: {name}: {text}");
        // Nobody offers that service: the host lacks it.
        if name == "org.freedesktop.DBus.Error.ServiceUnknown" {
            return CollectError::NoData { why };
        }
        self.failed(std::io::Error::other(why))
    }
}

/// Length of a whole message, from its first 16 bytes: header, fields, padding, body.
fn message_length(start: &[u8]) -> Option<usize> {
    let is_little = *start.first()? == b'l';
    let number = |at: usize| {
        let bytes: [u8; 4] = *start.get(at..)?.first_chunk()?;
        let number = if is_little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) };
        usize::try_from(number).ok()
    };
    let fields = number(12)?.checked_add(16)?.checked_next_multiple_of(8)?;
    fields.checked_add(number(4)?)
}

/// Writes a call. Numbers are little-endian whatever this machine is: the first byte says so.
fn encode_call(serial: u32, target: Target<'_>, method: &str, arguments: &[&str]) -> Vec<u8> {
    let mut body = Encoder::default();
    arguments.iter().for_each(|argument| body.text(argument));
    let body = body.into_bytes();
    let mut message = Encoder::default();
    message.bytes(&[b'l', METHOD_CALL, 0, 1]);
    message.u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
    message.u32(serial);
    let signature = "s".repeat(arguments.len());
    message.array(8, |fields| {
        fields.field(FIELD_PATH, "o", target.object);
        fields.field(FIELD_DESTINATION, "s", target.service);
        fields.field(FIELD_INTERFACE, "s", target.interface);
        fields.field(FIELD_MEMBER, "s", method);
        if !signature.is_empty() {
            fields.field(FIELD_SIGNATURE, "g", &signature);
        }
    });
    message.align(8);
    message.bytes(&body);
    message.into_bytes()
}

/// A message as far as it matters.
#[derive(Debug, PartialEq)]
struct Message {
    kind: u8,
    reply_to: Option<f64>,
    error: Option<String>,
    body: Vec<Value>,
}

impl Message {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let kind = *bytes.get(1)?;
        let mut decoder = Decoder::new(bytes, *bytes.first()? == b'l');
        decoder.skip(12)?;
        let fields = decoder.value("a(yv)")?;
        let (mut reply_to, mut error, mut signature) = (None, None, String::new());
        for field in fields.items() {
            let [Value::Number(code), Value::Variant(value)] = field.items() else { return None };
            let is = |field: u8| *code == f64::from(field);
            match &**value {
                Value::Number(serial) if is(FIELD_REPLY_SERIAL) => reply_to = Some(*serial),
                Value::Text(name) if is(FIELD_ERROR_NAME) => error = Some(name.clone()),
                Value::Text(text) if is(FIELD_SIGNATURE) => signature.clone_from(text),
                _ => {}
            }
        }
        decoder.align(8)?;
        Some(Self { kind, reply_to, error, body: decoder.values(&signature)? })
    }
}

#[cfg(test)]
pub(crate) mod tests;
