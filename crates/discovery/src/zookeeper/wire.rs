//! ZooKeeper's wire protocol, as far as reading a tree needs it: length-prefixed records of big-endian numbers.
//!
//! # Source: ZooKeeper's `zookeeper.jute` (connect, getData, getChildren, exists, ping, watcher events).

use std::collections::VecDeque;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::source::SdError;

const GET_DATA: i32 = 4;
const GET_CHILDREN: i32 = 8;
const EXISTS: i32 = 3;
const PING: i32 = 11;
const XID_EVENT: i32 = -1;
const XID_PING: i32 = -2;
const NO_NODE: i32 = -101;
/// Largest record; a list of a hundred thousand children fits.
const RECORD_BYTES_MAX: usize = 16 << 20;

/// What has happened to a node that was watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventKind {
    /// It is gone.
    Deleted,
    /// It has come, or its data or children are others.
    Changed,
}

/// A watch that fired; it must be set again by reading again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) kind: EventKind,
    pub(super) path: String,
}

/// A session with a server. Dropping it closes the connection.
#[derive(Debug)]
pub(super) struct Session {
    writer: OwnedWriteHalf,
    /// Records as they come in; the reader waits when nobody takes them.
    records: mpsc::Receiver<Result<Vec<u8>, SdError>>,
    /// The reader; ends with the session.
    _reader: JoinSet<()>,
    events: VecDeque<Event>,
    xid: i32,
    timeout: Duration,
}

impl Session {
    /// Opens a session; `limit` is both the session's timeout and how long an answer may take.
    pub(super) async fn open(stream: TcpStream, limit: Duration) -> Result<Self, SdError> {
        stream.set_nodelay(true)?;
        let (mut reader, mut writer) = stream.into_split();
        let mut hello = Vec::new();
        hello.extend_from_slice(&0_i32.to_be_bytes());
        hello.extend_from_slice(&0_i64.to_be_bytes());
        hello.extend_from_slice(&i32::try_from(limit.as_millis()).unwrap_or(i32::MAX).to_be_bytes());
        hello.extend_from_slice(&0_i64.to_be_bytes());
        put_bytes(&mut hello, &[0; 16])?;
        write_record(&mut writer, &hello).await?;
        let late = |_| format!("no session within {limit:?}");
        let answer = timeout(limit, read_record(&mut reader)).await.map_err(late)??;
        let mut answer = Input(&answer);
        let _protocol = answer.int()?;
        let negotiated = Duration::from_millis(u64::try_from(answer.int()?).unwrap_or(0));
        if negotiated.is_zero() {
            return Err("the server refused the session".into());
        }
        let (sender, records) = mpsc::channel(16);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            loop {
                let record = read_record(&mut reader).await;
                let is_last = record.is_err();
                if sender.send(record).await.is_err() || is_last {
                    return;
                }
            }
        });
        Ok(Self { writer, records, _reader: tasks, events: VecDeque::new(), xid: 0, timeout: negotiated })
    }

    /// Returns a node's data and watches it; `None` if there is no such node.
    pub(super) async fn data(&mut self, path: &str) -> Result<Option<Vec<u8>>, SdError> {
        let Some(answer) = self.ask(GET_DATA, path).await? else { return Ok(None) };
        Ok(Some(Input(&answer).bytes()?.to_vec()))
    }

    /// Returns the names of a node's children and watches them; `None` if there is no such node.
    pub(super) async fn children(&mut self, path: &str) -> Result<Option<Vec<String>>, SdError> {
        let Some(answer) = self.ask(GET_CHILDREN, path).await? else { return Ok(None) };
        let mut input = Input(&answer);
        let n_children = input.int()?;
        let mut names = Vec::new();
        for _ in 0..n_children {
            names.push(input.text()?);
        }
        Ok(Some(names))
    }

    /// Watches for a node to come; returns whether it is there already.
    pub(super) async fn watch_existence(&mut self, path: &str) -> Result<bool, SdError> {
        Ok(self.ask(EXISTS, path).await?.is_some())
    }

    /// Waits for a watch to fire, keeping the session alive.
    pub(super) async fn next_event(&mut self) -> Result<Event, SdError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            let record = tokio::select! {
                record = self.records.recv() => Some(record),
                () = sleep(self.timeout / 3) => None,
            };
            match record {
                Some(record) => {
                    let record = record.ok_or("the connection was closed")??;
                    self.sort(&record)?;
                }
                None => self.ping().await?,
            }
        }
    }

    /// Returns an event that has come already.
    pub(super) fn ready_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    async fn ping(&mut self) -> Result<(), SdError> {
        let mut request = Vec::new();
        request.extend_from_slice(&XID_PING.to_be_bytes());
        request.extend_from_slice(&PING.to_be_bytes());
        write_record(&mut self.writer, &request).await?;
        // A server that does not answer a ping is gone.
        self.wait_for(XID_PING).await.map(drop)
    }

    /// Asks for a node with a watch; `None` if there is no such node.
    async fn ask(&mut self, operation: i32, path: &str) -> Result<Option<Vec<u8>>, SdError> {
        self.xid = if self.xid == i32::MAX { 1 } else { self.xid + 1 };
        let mut request = Vec::new();
        request.extend_from_slice(&self.xid.to_be_bytes());
        request.extend_from_slice(&operation.to_be_bytes());
        put_bytes(&mut request, path.as_bytes())?;
        request.push(1);
        write_record(&mut self.writer, &request).await?;
        let (error, body) = self.wait_for(self.xid).await?;
        match error {
            0 => Ok(Some(body)),
            NO_NODE => Ok(None),
            code => Err(format!("{path}: the server answered error {code}").into()),
        }
    }

    /// Waits for the answer to a request; events that come first are kept.
    async fn wait_for(&mut self, xid: i32) -> Result<(i32, Vec<u8>), SdError> {
        loop {
            let limit = self.timeout;
            let record = timeout(limit, self.records.recv()).await;
            let record = record.map_err(|_| format!("no answer within {limit:?}"))?;
            let record = record.ok_or("the connection was closed")??;
            if let Some((answered, error, body)) = self.sort(&record)?
                && answered == xid
            {
                return Ok((error, body));
            }
        }
    }

    /// Takes an event, or returns an answer: its request, error and body.
    fn sort(&mut self, record: &[u8]) -> Result<Option<(i32, i32, Vec<u8>)>, SdError> {
        let mut input = Input(record);
        let (xid, _zxid, error) = (input.int()?, input.take(8)?, input.int()?);
        if xid != XID_EVENT {
            return Ok(Some((xid, error, input.0.to_vec())));
        }
        let (kind, _state, path) = (input.int()?, input.int()?, input.text()?);
        let kind = match kind {
            2 => EventKind::Deleted,
            1 | 3 | 4 => EventKind::Changed,
            // About the session, not about a node.
            _ => return Ok(None),
        };
        self.events.push_back(Event { kind, path });
        Ok(None)
    }
}

async fn write_record(writer: &mut OwnedWriteHalf, record: &[u8]) -> Result<(), SdError> {
    let mut framed = Vec::with_capacity(record.len() + 4);
    put_bytes(&mut framed, record)?;
    Ok(writer.write_all(&framed).await?)
}

async fn read_record(reader: &mut OwnedReadHalf) -> Result<Vec<u8>, SdError> {
    let n_bytes = usize::try_from(reader.read_i32().await?)?;
    if n_bytes > RECORD_BYTES_MAX {
        return Err(format!("a record of {n_bytes} bytes: at most {RECORD_BYTES_MAX} are taken").into());
    }
    let mut record = vec![0; n_bytes];
    reader.read_exact(&mut record).await?;
    Ok(record)
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), SdError> {
    out.extend_from_slice(&i32::try_from(bytes.len())?.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

/// What is left to read of a record.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, n_bytes: usize) -> Result<&'a [u8], SdError> {
        let (taken, rest) = self.0.split_at_checked(n_bytes).ok_or("the record ends early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn int(&mut self) -> Result<i32, SdError> {
        let bytes = self.take(4)?.first_chunk().ok_or("the record ends early")?;
        Ok(i32::from_be_bytes(*bytes))
    }

    /// A length below zero stands for none.
    fn bytes(&mut self) -> Result<&'a [u8], SdError> {
        let n_bytes = usize::try_from(self.int()?).unwrap_or(0);
        self.take(n_bytes)
    }

    fn text(&mut self) -> Result<String, SdError> {
        Ok(String::from_utf8_lossy(self.bytes()?).into_owned())
    }
}
