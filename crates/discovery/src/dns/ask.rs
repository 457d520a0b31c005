//! Asks name servers: over UDP with EDNS0, over TCP when the answer did not fit.
//!
//! # Source: RFC 1035 §4.2, RFC 6891.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use hickory_proto::rr::{Name, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::resolv_conf::ResolvConf;
use crate::source::SdError;

/// Payload that passes nearly every network in one piece.
const UDP_BYTES: u16 = 4096;

/// Returns the records of the first name in the search list that has an answer; none if every server says that there is
/// no such name.
pub(super) async fn search(
    conf: &ResolvConf,
    name: &str,
    record_type: RecordType,
) -> Result<Vec<Record>, SdError> {
    let mut failure = None;
    for full in conf.names(name) {
        match ask_any(conf, &full, record_type).await {
            Ok(Some(records)) => return Ok(records),
            Ok(None) => {}
            Err(error) => failure = Some(error),
        }
    }
    failure.map_or_else(|| Ok(Vec::new()), Err)
}

/// Asks one server after the other; `None` when one says that there is no such name.
async fn ask_any(
    conf: &ResolvConf,
    name: &str,
    record_type: RecordType,
) -> Result<Option<Vec<Record>>, SdError> {
    let mut failures = Vec::new();
    for server in &conf.servers {
        match ask(*server, name, record_type, conf.timeout).await {
            Ok(message) => match message.metadata.response_code {
                ResponseCode::NoError => return Ok(Some(message.answers)),
                ResponseCode::NXDomain => return Ok(None),
                code => failures.push(format!("{server}: {code}")),
            },
            Err(error) => failures.push(format!("{server}: {error}")),
        }
    }
    if failures.is_empty() {
        failures.push("resolv.conf names no server".to_owned());
    }
    Err(format!("could not resolve {name}: {}", failures.join(", ")).into())
}

async fn ask(
    server: SocketAddr,
    name: &str,
    record_type: RecordType,
    limit: Duration,
) -> Result<Message, SdError> {
    let mut question = Message::query();
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(Name::from_ascii(name)?, record_type));
    let mut edns = Edns::new();
    edns.set_max_payload(UDP_BYTES);
    question.set_edns(edns);
    let bytes = question.to_vec()?;
    let late = |_| format!("no answer within {limit:?}");
    let answer = timeout(limit, over_udp(server, &bytes, question.metadata.id)).await.map_err(late)??;
    if answer.metadata.truncation {
        return timeout(limit, over_tcp(server, &bytes, question.metadata.id)).await.map_err(late)?;
    }
    Ok(answer)
}

async fn over_udp(server: SocketAddr, question: &[u8], id: u16) -> Result<Message, SdError> {
    let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut buffer = vec![0; usize::from(UDP_BYTES)];
    loop {
        let n_bytes = socket.recv(&mut buffer).await?;
        // What is not an answer to this question is somebody's guess.
        if let Ok(message) = Message::from_vec(buffer.get(..n_bytes).unwrap_or_default())
            && message.metadata.id == id
        {
            return Ok(message);
        }
    }
}

async fn over_tcp(server: SocketAddr, question: &[u8], id: u16) -> Result<Message, SdError> {
    let mut stream = TcpStream::connect(server).await?;
    stream.write_u16(u16::try_from(question.len())?).await?;
    stream.write_all(question).await?;
    let n_bytes = stream.read_u16().await?;
    let mut buffer = vec![0; usize::from(n_bytes)];
    stream.read_exact(&mut buffer).await?;
    let message = Message::from_vec(&buffer)?;
    if message.metadata.id != id {
        return Err("the answer is to another question".into());
    }
    Ok(message)
}
