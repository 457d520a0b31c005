//! Compression of answers, as they stream.
//!
//! As Prometheus: the first of gzip and deflate in the client's `Accept-Encoding`; zstd, which it lacks, as well. Answers that are small, compressed
//! already or events go out as they are.

use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::{Buf, Bytes};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use hyper::body::{Body as HttpBody, Frame};

/// Below this size the encoder's header and CPU cost more than they save.
const BYTES_MIN: u64 = 860;

/// Compressed in one go, about 0.2 ms: between such steps other tasks get their turn.
const STEP_BYTES: usize = 64 << 10;

/// Level 3 of zlib-rs: within 10 % of the default level's size for metric text at half its CPU.
const LEVEL: u32 = 3;

/// The fastest level: smaller than gzip's third at a fraction of its CPU.
const ZSTD_LEVEL: i32 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    Deflate,
    Zstd,
}

/// Returns the first encoding in the client's list that we have.
pub(super) fn choose(headers: &HeaderMap) -> Encoding {
    let lists = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    for item in lists.flat_map(|list| list.split(',')) {
        let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
        let weight = parameters.trim().strip_prefix("q=").and_then(|text| text.trim().parse::<f64>().ok());
        if weight == Some(0.0) {
            continue;
        }
        match name.trim().to_ascii_lowercase().as_str() {
            "gzip" => return Encoding::Gzip,
            "deflate" => return Encoding::Deflate,
            "zstd" => return Encoding::Zstd,
            _ => {}
        }
    }
    Encoding::Identity
}

/// Compresses `response` unless it should stay as it is.
pub(super) fn compress(response: Response, encoding: Encoding) -> Response {
    if !is_worth_it(&response) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    head.headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    let (name, encoder) = match encoding {
        Encoding::Identity => return Response::from_parts(head, body),
        Encoding::Gzip => ("gzip", Encoder::Gzip(GzEncoder::new(Vec::new(), Compression::new(LEVEL)))),
        Encoding::Deflate => {
            ("deflate", Encoder::Deflate(ZlibEncoder::new(Vec::new(), Compression::new(LEVEL))))
        }
        Encoding::Zstd => match zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL) {
            Ok(encoder) => ("zstd", Encoder::Zstd(Box::new(encoder))),
            // Without memory for its tables the answer goes out as it is.
            Err(_) => return Response::from_parts(head, body),
        },
    };
    head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
    head.headers.remove(CONTENT_LENGTH);
    let body = Compressed { body, encoder: Some(encoder), pending: Bytes::new(), trailers: None };
    Response::from_parts(head, Body::new(body))
}

fn is_worth_it(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let is_text = kind.starts_with("text/") && !kind.starts_with("text/event-stream")
        || ["json", "yaml", "javascript", "xml", "openmetrics", "protobuf", "wasm"]
            .iter()
            .any(|part| kind.contains(part));
    let has_body = !matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        && response.status() != StatusCode::SWITCHING_PROTOCOLS
        && response.status() != StatusCode::PARTIAL_CONTENT;
    let is_small = response.body().size_hint().upper().is_some_and(|upper| upper < BYTES_MIN);
    is_text && has_body && !is_small && !response.headers().contains_key(CONTENT_ENCODING)
}

enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Deflate(ZlibEncoder<Vec<u8>>),
    Zstd(Box<zstd::stream::write::Encoder<'static, Vec<u8>>>),
}

impl Encoder {
    fn write(&mut self, data: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.write_all(data),
            Self::Deflate(encoder) => encoder.write_all(data),
            Self::Zstd(encoder) => encoder.write_all(data),
        }
    }

    fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(match self {
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Deflate(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
        })
    }

    fn finish(self) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Deflate(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

/// A body compressed step by step.
struct Compressed {
    body: Body,
    /// None once the end has been written.
    encoder: Option<Encoder>,
    /// Received and not compressed yet.
    pending: Bytes,
    trailers: Option<Frame<Bytes>>,
}

type PolledFrame = Poll<Option<Result<Frame<Bytes>, axum::Error>>>;

impl HttpBody for Compressed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> PolledFrame {
        loop {
            let this = &mut *self;
            let Some(encoder) = &mut this.encoder else {
                return Poll::Ready(this.trailers.take().map(Ok));
            };
            if !this.pending.is_empty() {
                let n_bytes = this.pending.len().min(STEP_BYTES);
                let written = encoder.write(&this.pending.split_to(n_bytes));
                if let Err(error) = written {
                    return Poll::Ready(Some(Err(axum::Error::new(error))));
                }
                let output = encoder.take_output();
                if !output.is_empty() {
                    return Poll::Ready(Some(Ok(Frame::data(output.into()))));
                }
                if !this.pending.is_empty() {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                continue;
            }
            match std::task::ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(mut data) => this.pending = data.copy_to_bytes(data.remaining()),
                    Err(trailers) => this.trailers = Some(trailers),
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    let Some(encoder) = this.encoder.take() else { return Poll::Ready(None) };
                    let rest =
                        encoder.finish().map(|rest| Frame::data(rest.into())).map_err(axum::Error::new);
                    return Poll::Ready(Some(rest));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_first_known_encoding_wins() {
        let check = |value: &'static str, want| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(value));
            assert_eq!(choose(&headers), want, "{value}");
        };
        check("gzip, deflate", Encoding::Gzip);
        check("br, deflate, gzip", Encoding::Deflate);
        check("gzip;q=0, deflate;q=0.5", Encoding::Deflate);
        check("br", Encoding::Identity);
        check("", Encoding::Identity);
        check("zstd", Encoding::Zstd);
        check("gzip, deflate, br, zstd", Encoding::Gzip);
    }

    #[tokio::test]
    async fn what_is_compressed_reads_back() {
        let text = "metric_name_total{label=\"value\"} 1\n".repeat(20_000);
        for (encoding, name) in
            [(Encoding::Gzip, "gzip"), (Encoding::Deflate, "deflate"), (Encoding::Zstd, "zstd")]
        {
            let mut response = Response::new(Body::from(text.clone()));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            let packed = compress(response, encoding);
            assert_eq!(packed.headers()[CONTENT_ENCODING], name);
            let bytes = axum::body::to_bytes(packed.into_body(), usize::MAX).await.unwrap();
            assert!(bytes.len() < text.len() / 10, "{name}: {}", bytes.len());
            let mut plain = String::new();
            match encoding {
                Encoding::Gzip => flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut plain),
                Encoding::Deflate => flate2::read::ZlibDecoder::new(&bytes[..]).read_to_string(&mut plain),
                Encoding::Zstd => {
                    zstd::stream::read::Decoder::new(&bytes[..]).unwrap().read_to_string(&mut plain)
                }
                Encoding::Identity => Ok(0),
            }
            .unwrap();
            assert_eq!(plain, text, "{name}");
        }
    }
}
