//! Answers as peers send them: whole, in pieces, wrong, and on sockets that ended meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;

use super::framing::Chunked;
use super::*;
use crate::client::{BasicAuth, ClientOptions, HttpClient};

fn head(headers: &str) -> Response<()> {
    let text = format!("HTTP/1.1 200 OK\r\n{headers}\r\n");
    parse_head(text.as_bytes()).unwrap().unwrap().1
}

/// Takes `wire` in the given pieces; returns the body and what is left to come.
fn unframed(mut framing: Framing, pieces: &[&[u8]]) -> io::Result<(Vec<u8>, Framing)> {
    let mut buffer = Vec::new();
    for piece in pieces {
        let from = buffer.len();
        buffer.extend_from_slice(piece);
        framing.take(&mut buffer, from)?;
    }
    Ok((buffer, framing))
}

fn chunked() -> Framing {
    Framing::Chunked(Chunked::Size(0, 0))
}

#[test]
fn a_chunked_body_is_the_same_however_it_arrives() {
    let wire =
        b"4\r\nWiki\r\nA; name=\"v\"\r\npedia in\r\n\r\n01 \r\n!\r\n0\r\nTrailer: 1\r\nOther: 2\r\n\r\n";
    let want = b"Wikipedia in\r\n!";
    for at in 0..=wire.len() {
        let (body, framing) = unframed(chunked(), &[&wire[..at], &wire[at..]]).unwrap();
        assert_eq!((body.as_slice(), framing), (&want[..], Framing::End), "cut at {at}");
    }
    let single: Vec<&[u8]> = wire.chunks(1).collect();
    assert_eq!(unframed(chunked(), &single).unwrap().0, want);
    let (body, framing) = unframed(chunked(), &[b"1\r\na\r\n0\r\n\r\nHTTP/1.1 200"]).unwrap();
    assert_eq!((body.as_slice(), framing), (&b"a"[..], Framing::Surplus));
}

#[test]
fn wrong_chunks_are_refused() {
    for wire in [
        &b"\r\n"[..],
        b"x\r\n",
        b"-1\r\n",
        b" 1\r\na\r\n",
        b"1\na\r\n",
        b"1\r\nab\r\n",
        b"1;a\nb\r\n",
        b"1\r\na\n0\r\n\r\n",
        b"fffffffffffffffff\r\n",
        b"0\r\nx\r\n\r\r",
    ] {
        let error = unframed(chunked(), &[wire]).unwrap_err();
        assert_eq!(error.to_string(), "malformed chunked encoding", "{}", wire.escape_ascii());
    }
    let extension = [b"1;", vec![b'x'; 5000].as_slice()].concat();
    assert!(unframed(chunked(), &[&extension]).is_err());
    let trailer = [b"0\r\n", "a: b\r\n".repeat(3000).as_bytes()].concat();
    assert!(unframed(chunked(), &[&trailer]).is_err());
}

#[test]
fn any_bytes_end_in_a_body_or_an_error() {
    let mut state = 7_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap()
    };
    let alphabet = b"0123459aAfF;\r\n\r\n\r\n xHTTP/1.:";
    for _ in 0..20_000 {
        let n_bytes = random() % 40;
        let wire: Vec<u8> = (0..n_bytes).map(|_| alphabet[random() % alphabet.len()]).collect();
        let cut = random() % (wire.len() + 1);
        for framing in [chunked(), Framing::Length(random() as u64 % 50), Framing::UntilClose] {
            if let Ok((body, _)) = unframed(framing, &[&wire[..cut], &wire[cut..]]) {
                assert!(body.len() <= wire.len());
            }
        }
        let _ = parse_head(&wire);
    }
}

#[test]
fn heads_tell_where_bodies_end() {
    let check = |headers: &str, want: (Framing, bool)| {
        assert_eq!(framing::of(&head(headers)).unwrap(), want, "{headers}");
    };
    check("Content-Length: 5\r\n", (Framing::Length(5), true));
    check("Content-Length: 5\r\nConnection: x, CLOSE\r\n", (Framing::Length(5), false));
    check("Content-Length: 0\r\n", (Framing::End, true));
    check("Content-Length: 5, 5\r\nContent-Length: 5\r\n", (Framing::Length(5), true));
    check("Transfer-Encoding: Chunked\r\n", (chunked(), true));
    check("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", (chunked(), false));
    check("", (Framing::UntilClose, false));
    for bad in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: \r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    ] {
        assert!(framing::of(&head(bad)).is_err(), "{bad}");
    }
    let old = |headers: &str| {
        let text = format!("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n{headers}\r\n");
        framing::of(&parse_head(text.as_bytes()).unwrap().unwrap().1).unwrap().1
    };
    assert!(!old("") && old("Connection: keep-alive\r\n"));
    let (_, empty) = parse_head(b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n").unwrap().unwrap();
    assert_eq!(framing::of(&empty).unwrap(), (Framing::End, true));
}

/// A peer that answers the n-th request of all with the n-th answer, piece by piece, and closes after those that say so.
struct Peer {
    url: Url,
    n_connections: Arc<AtomicUsize>,
    requests: Arc<parking_lot::Mutex<Vec<String>>>,
}

#[derive(Clone)]
struct Answer {
    pieces: Vec<Vec<u8>>,
    closes: bool,
}

fn answer(wire: &str) -> Answer {
    Answer { pieces: vec![wire.as_bytes().to_vec()], closes: false }
}

fn closing(wire: &str) -> Answer {
    Answer { closes: true, ..answer(wire) }
}

async fn peer(answers: Vec<Answer>) -> Peer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/metrics?a=b", listener.local_addr().unwrap())).unwrap();
    let peer = Peer { url, n_connections: Arc::default(), requests: Arc::default() };
    let (n_connections, requests) = (Arc::clone(&peer.n_connections), Arc::clone(&peer.requests));
    tokio::spawn(async move {
        let mut answers = answers.into_iter();
        while let Ok((mut stream, _)) = listener.accept().await {
            n_connections.fetch_add(1, Ordering::SeqCst);
            loop {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => request.push(byte),
                        Err(_) => break,
                    }
                }
                if request.is_empty() {
                    break;
                }
                requests.lock().push(String::from_utf8(request).unwrap());
                let Some(answer) = answers.next() else { return };
                for piece in &answer.pieces {
                    stream.write_all(piece).await.unwrap();
                    tokio::task::yield_now().await;
                }
                if answer.closes {
                    break;
                }
            }
        }
    });
    peer
}

/// One caller with its line.
struct Caller {
    client: HttpClient,
    line: Line,
}

impl Caller {
    fn new(options: &ClientOptions) -> Self {
        Self { client: HttpClient::new(options).unwrap(), line: Line::default() }
    }

    async fn ask(&mut self, url: &Url) -> Result<(u16, String), ClientError> {
        let deadline = Instant::now() + Duration::from_secs(60);
        let line = std::mem::take(&mut self.line);
        let response = self.client.get_on_line(line, url, &HeaderMap::new(), deadline, Vec::new).await?;
        let status = response.status().as_u16();
        let mut body = response.into_body();
        while body.read(1 << 20).await? {}
        let (bytes, line) = body.finish();
        self.line = line;
        Ok((status, String::from_utf8(bytes).unwrap()))
    }
}

fn caller() -> Caller {
    Caller::new(&ClientOptions::default())
}

#[tokio::test]
async fn one_socket_serves_many_requests_whatever_frames_their_answers() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
    let byte_by_byte = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        .chunks(1)
        .map(<[u8]>::to_vec);
    let peer = peer(vec![
        answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
        Answer { pieces: byte_by_byte.collect(), closes: false },
        answer(&format!("{interim}HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{}", "x".repeat(100_000))),
        answer("HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\nbad"),
        answer("HTTP/1.1 204 Empty\r\n\r\n"),
        closing("HTTP/1.1 200 OK\r\n\r\nuntil it closes"),
    ])
    .await;
    let mut caller = caller();
    assert_eq!(caller.ask(&peer.url).await.unwrap(), (200, "hi".to_owned()));
    assert_eq!(caller.ask(&peer.url).await.unwrap(), (200, "abc".to_owned()));
    assert_eq!(caller.ask(&peer.url).await.unwrap().1.len(), 100_000);
    assert_eq!(caller.ask(&peer.url).await.unwrap(), (500, "bad".to_owned()));
    assert_eq!(caller.ask(&peer.url).await.unwrap(), (204, String::new()));
    assert_eq!(caller.ask(&peer.url).await.unwrap(), (200, "until it closes".to_owned()));
    assert_eq!(peer.n_connections.load(Ordering::SeqCst), 1);
    let authority = peer.url[Position::BeforeHost..Position::AfterPort].to_owned();
    let want = format!("GET /metrics?a=b HTTP/1.1\r\nhost: {authority}\r\n\r\n");
    assert!(peer.requests.lock().iter().all(|request| *request == want), "{:?}", peer.requests.lock());
}

#[tokio::test]
async fn a_socket_that_ended_is_replaced_and_the_request_repeated_once() {
    let fine = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n";
    let peer = peer(vec![
        closing(&format!("{fine}a")),
        // Asked again, on a socket that was kept: it ends without a word.
        answer(&format!("{fine}b")),
        closing(""),
        answer(&format!("{fine}c")),
    ])
    .await;
    let mut caller = caller();
    for want in ["a", "b", "c"] {
        assert_eq!(caller.ask(&peer.url).await.unwrap().1, want);
    }
    assert_eq!((peer.n_connections.load(Ordering::SeqCst), peer.requests.lock().len()), (3, 4));
}

#[tokio::test]
async fn bytes_behind_an_answer_are_no_answer() {
    let first =
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong";
    let peer = peer(vec![closing(first), answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nright")]).await;
    let mut caller = caller();
    assert_eq!(caller.ask(&peer.url).await.unwrap().1, "a");
    assert_eq!(caller.ask(&peer.url).await.unwrap().1, "right");
    assert_eq!(peer.n_connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_breaks_is_told() {
    for (wire, want) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
            "read body: unexpected EOF: closed inside the body",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "exchange: malformed chunked encoding",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
            "read body: unexpected EOF: closed inside the body",
        ),
        ("HTTP/1.1 200 OK\r\nX: ", "exchange: closed inside the head of an answer"),
        ("", "exchange: closed before an answer came"),
        ("SSH-2.0-x\r\n\r\n", "exchange: malformed HTTP response: invalid HTTP version"),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", "exchange: an upgrade that nobody asked for"),
    ] {
        let peer = peer(vec![closing(wire)]).await;
        let told = match caller().ask(&peer.url).await.unwrap_err() {
            ClientError::Body { source, .. } => format!("read body: {source}"),
            ClientError::Exchange { source, .. } => format!("exchange: {source}"),
            other => panic!("{wire}: {other}"),
        };
        assert_eq!(told, want, "{wire}");
    }
    let endless = closing(&format!("HTTP/1.1 200 OK\r\n{}", "X: y\r\n".repeat(20_000)));
    let error = caller().ask(&peer(vec![endless]).await.url).await.unwrap_err();
    assert!(matches!(error, ClientError::Exchange { .. }), "{error}");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = caller().ask(&Url::parse(&format!("http://{closed}/")).unwrap()).await.unwrap_err();
    assert!(matches!(error, ClientError::Connect { .. }), "{error}");
    let error = caller().ask(&Url::parse("http://host.invalid/").unwrap()).await.unwrap_err();
    assert!(matches!(error, ClientError::Resolve { .. }), "{error}");
}

#[tokio::test]
async fn redirects_are_followed_by_the_pool_which_is_then_asked_at_once() {
    let other = peer(vec![answer("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhere"); 2]).await;
    let away = format!("HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", other.url);
    let first = peer(vec![closing(&away); 3]).await;
    let mut follower = caller();
    assert_eq!(follower.ask(&first.url).await.unwrap(), (200, "here".to_owned()));
    assert_eq!(first.requests.lock().len(), 2);
    assert_eq!(follower.ask(&first.url).await.unwrap(), (200, "here".to_owned()));
    assert_eq!(first.requests.lock().len(), 3);
    let stay = peer(vec![answer(&away)]).await;
    let mut caller = Caller::new(&ClientOptions { follow_redirects: false, ..ClientOptions::default() });
    assert_eq!(caller.ask(&stay.url).await.unwrap(), (302, String::new()));
}

#[tokio::test]
async fn credentials_are_sent_and_another_place_gets_another_socket() {
    let fine = answer("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
    let (first, second) = (peer(vec![fine.clone()]).await, peer(vec![fine]).await);
    let basic =
        BasicAuth { username: "u".to_owned(), password: Some("p".to_owned().into()), ..BasicAuth::default() };
    let mut caller = Caller::new(&ClientOptions { basic_auth: Some(basic), ..ClientOptions::default() });
    caller.ask(&first.url).await.unwrap();
    caller.ask(&second.url).await.unwrap();
    for peer in [first, second] {
        assert!(peer.requests.lock().concat().contains("\r\nauthorization: Basic dTpw\r\n"));
    }
}

#[test]
fn a_line_is_for_plain_urls_only() {
    let reaches = |url: &str| Line::reaches(&Url::parse(url).unwrap());
    assert!(reaches("http://a:9100/metrics") && reaches("http://[::1]/"));
    assert!(!reaches("https://a/") && !reaches("http://u:p@a/") && !reaches("unix:/x"));
}
