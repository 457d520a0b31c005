//! A service that answers calls from a table, and bytes that are not what they say.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::thread;

use super::*;

/// Answers by `object interface method` and arguments, as the signature and a writer of the body.
#[derive(Default)]
pub(crate) struct Service {
    answers: BTreeMap<String, (String, Vec<u8>)>,
}

/// What a test's answer holds.
pub(crate) enum Given<'a> {
    Text(&'a str),
    U32(u32),
    U64(u64),
    Bool(bool),
}

impl Service {
    pub(crate) fn property(&mut self, object: &str, interface: &str, name: &str, given: &Given<'_>) {
        let mut body = Encoder::default();
        match given {
            Given::Text(text) => {
                body.bytes(b"\x01s\0");
                body.text(text);
            }
            Given::U32(number) => {
                body.bytes(b"\x01u\0");
                body.u32(*number);
            }
            Given::Bool(is_set) => {
                body.bytes(b"\x01b\0");
                body.u32(u32::from(*is_set));
            }
            Given::U64(number) => {
                body.bytes(b"\x01t\0");
                body.align(8);
                body.bytes(&number.to_le_bytes());
            }
        }
        let key = format!("{object} {PROPERTIES} Get {interface} {name}");
        self.answers.insert(key, ("v".to_owned(), body.into_bytes()));
    }

    /// Rows of texts (`s`, `o`) and numbers (`u`) as `signature` says, without its brackets.
    pub(crate) fn rows(
        &mut self,
        object: &str,
        interface: &str,
        method: &str,
        signature: &str,
        rows: &[&[&str]],
    ) {
        let mut body = Encoder::default();
        body.array(8, |array| {
            for row in rows {
                array.align(8);
                for (kind, text) in signature.bytes().zip(*row) {
                    match kind {
                        b'u' => array.u32(text.parse().unwrap()),
                        _ => array.text(text),
                    }
                }
            }
        });
        let key = format!("{object} {interface} {method}");
        self.answers.insert(key, (format!("a({signature})"), body.into_bytes()));
    }

    /// Serves one connection after the other on `socket` until the test ends.
    pub(crate) fn serve(self, socket: &Path) {
        let listener = UnixListener::bind(socket).unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // The client hangs up when it has enough.
                let _ = self.talk(BufReader::new(stream));
            }
        });
    }

    fn talk(&self, mut stream: BufReader<UnixStream>) -> std::io::Result<()> {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        assert!(line.starts_with("\0AUTH EXTERNAL "), "{line:?}");
        stream.get_mut().write_all(b"OK 0123456789abcdef\r\n")?;
        line.clear();
        stream.read_line(&mut line)?;
        assert_eq!(line, "BEGIN\r\n");
        loop {
            let mut message = vec![0; 16];
            stream.read_exact(&mut message)?;
            message.resize(message_length(&message).unwrap(), 0);
            stream.read_exact(&mut message[16..])?;
            let (serial, key) = asked(&message);
            let answer = match self.answers.get(&key) {
                Some((signature, body)) => reply(METHOD_RETURN, serial, None, signature, body),
                None if key.ends_with(" Hello") => reply(METHOD_RETURN, serial, None, "", &[]),
                None => reply(ERROR, serial, Some("org.freedesktop.DBus.Error.UnknownMethod"), "", &[]),
            };
            // A signal in between is nobody's answer.
            stream.get_mut().write_all(&reply(4, 0, None, "", &[]))?;
            stream.get_mut().write_all(&answer)?;
        }
    }
}

fn asked(message: &[u8]) -> (u32, String) {
    let mut decoder = Decoder::new(message, true);
    decoder.skip(8).unwrap();
    let serial = u32::from_le_bytes(*message[8..].first_chunk().unwrap());
    decoder.skip(4).unwrap();
    let fields = decoder.value("a(yv)").unwrap();
    let field = |wanted: u8| {
        let texts = fields.items().iter().filter_map(|field| match field.items() {
            [Value::Number(code), Value::Variant(value)] if *code == f64::from(wanted) => {
                Some(value.text().to_owned())
            }
            _ => None,
        });
        texts.max().unwrap_or_default()
    };
    decoder.align(8).unwrap();
    let arguments = decoder.values(&field(FIELD_SIGNATURE)).unwrap();
    let arguments: String = arguments.iter().map(|argument| format!(" {}", argument.text())).collect();
    let key = format!("{} {} {}{arguments}", field(FIELD_PATH), field(FIELD_INTERFACE), field(FIELD_MEMBER));
    (serial, key)
}

fn reply(kind: u8, to: u32, error: Option<&str>, signature: &str, body: &[u8]) -> Vec<u8> {
    let mut message = Encoder::default();
    message.bytes(&[b'l', kind, 1, 1]);
    message.u32(u32::try_from(body.len()).unwrap());
    message.u32(77);
    message.array(8, |fields| {
        fields.align(8);
        fields.bytes(&[FIELD_REPLY_SERIAL]);
        fields.bytes(b"\x01u\0");
        fields.u32(to);
        if let Some(error) = error {
            fields.field(FIELD_ERROR_NAME, "s", error);
        }
        if !signature.is_empty() {
            fields.field(FIELD_SIGNATURE, "g", signature);
        }
    });
    message.align(8);
    message.bytes(body);
    message.into_bytes()
}

const TARGET: Target<'_> = Target { service: "a.b", object: "/a/b", interface: "a.b.C" };

#[test]
fn a_call_is_the_bytes_of_the_specification() {
    let message = encode_call(1, Target { service: "a.b", object: "/a", interface: "a.I" }, "M", &["x"]);
    // Little endian, call, no flags, version 1; body of 6 bytes; serial 1; 71 bytes of fields.
    assert_eq!(&message[..16], [b'l', 1, 0, 1, 6, 0, 0, 0, 1, 0, 0, 0, 71, 0, 0, 0]);
    assert_eq!(&message[16..27], [1, 1, b'o', 0, 2, 0, 0, 0, b'/', b'a', 0]);
    assert_eq!(&message[message.len() - 6..], [1, 0, 0, 0, b'x', 0]);
    assert_eq!(message_length(&message), Some(message.len()));
}

#[test]
fn properties_and_errors_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("bus");
    let mut service = Service::default();
    service.property("/a/b", "a.b.C", "Name", &Given::Text("näme"));
    service.property("/a/b", "a.b.C", "Count", &Given::U64(1 << 40));
    service.serve(&socket);
    let mut connection = Connection::to_bus(&socket).unwrap();
    assert_eq!(connection.property(TARGET, "Name").unwrap().text(), "näme");
    assert_eq!(connection.property(TARGET, "Count").unwrap().number(), Some((1_u64 << 40) as f64));
    let error = connection.property(TARGET, "Nothing").unwrap_err();
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert!(why.contains("UnknownMethod"), "{why}");
    assert_eq!(connection.property(TARGET, "Name").unwrap().text(), "näme", "an error ends nothing");
}

#[test]
fn a_bus_that_is_not_there_is_no_data() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Connection::to_bus(&folder.path().join("none")).unwrap_err().is_no_data());
    let socket = folder.path().join("left-behind");
    drop(UnixListener::bind(&socket).unwrap());
    assert!(Connection::to_bus(&socket).unwrap_err().is_no_data());
}

#[test]
fn damaged_messages_are_told_from_whole_ones() {
    let mut body = Encoder::default();
    body.text("whole");
    let message = reply(METHOD_RETURN, 3, None, "s", &body.into_bytes());
    assert_eq!(Message::decode(&message).unwrap().body, [Value::Text("whole".to_owned())]);
    for cut in 0..message.len() {
        assert!(Message::decode(&message[..cut]).is_none(), "{cut}");
    }
    for idx in 0..message.len() {
        let mut bent = message.clone();
        bent[idx] ^= 0xff;
        // Whatever it means, nobody panics.
        let _ = Message::decode(&bent);
    }
    // Variants of variants of variants.
    let deep = b"\x01v\0".repeat(1_000);
    assert_eq!(Decoder::new(&deep, true).values("v"), None);
}
