//! Long answers, written piece by piece as the client takes them: no thread waits for a slow one, and the text of an answer
//! is never there as a whole.

use std::convert::Infallible;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use hyper::body::Frame;

use crate::api_v1::error::ApiError;
use crate::json::{CHUNK_BYTES, JsonWriter};
use crate::query_pool::block;

/// Makes a body of the chunks that `next` returns, until there are none. Each is asked for when there is room for it, on
/// a thread of the network: it should be written within half a millisecond.
pub(crate) fn body(next: impl FnMut() -> Option<Vec<u8>> + Send + Unpin + 'static) -> Body {
    Body::new(Pulled { next })
}

/// Makes a body of the chunks that `next` returns, until one is empty. Each is made when there is room for it, on a thread
/// that may block. An error ends the connection: the client knows that something is missing.
pub(crate) fn blocking<S: Send + 'static>(
    state: S,
    next: impl Fn(&mut S) -> Result<Vec<u8>, ApiError> + Clone + Send + Unpin + 'static,
) -> Body {
    unfold(state, move |mut state| {
        let next = next.clone();
        async move {
            let work = move || {
                let chunk = next(&mut state)?;
                Ok((chunk, state))
            };
            block(work).await
        }
    })
}

/// Makes a body of the chunks that `next` returns with the state for its next call, until one is empty. An error ends the
/// connection.
pub(crate) fn unfold<S, F, Fut>(state: S, mut next: F) -> Body
where
    F: FnMut(S) -> Fut + Send + Unpin + 'static,
    Fut: Future<Output = Result<(Vec<u8>, S), ApiError>> + Send + 'static,
    S: 'static,
{
    let step = Some(Box::pin(next(state)));
    Body::new(Unfolded { next, step, _state: PhantomData })
}

/// Answers with JSON; `write` adds a piece and returns whether more follows.
pub(crate) fn json(mut write: impl FnMut(&mut JsonWriter) -> bool + Send + Unpin + 'static) -> Response {
    let mut has_more = true;
    let body = body(move || {
        let mut json = JsonWriter::collecting_chunk();
        while has_more && json.n_bytes() < CHUNK_BYTES {
            has_more = write(&mut json);
        }
        Some(json.into_bytes()).filter(|chunk| !chunk.is_empty())
    });
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

/// Answers with a list as data; `write` writes an item. Short ones go out in one piece, with their length.
pub(crate) fn list<T: Send + Unpin + 'static>(
    items: Vec<T>,
    is_cut: bool,
    write: impl Fn(&mut JsonWriter, &T) + Send + Unpin + 'static,
) -> Response {
    const N_AT_ONCE: usize = 100;
    if items.len() <= N_AT_ONCE {
        return crate::api_v1::select::reply(crate::api_v1::select::envelope(is_cut, |json| {
            json.list(&items, |json, item| write(json, item));
        }));
    }
    let (mut items, mut is_first) = (items.into_iter(), true);
    json(move |json| {
        if is_first {
            json.raw(r#"{"status":"success","data":["#);
        }
        for item in items.by_ref().take(N_AT_ONCE) {
            write(json.item(is_first), &item);
            is_first = false;
        }
        let has_more = items.len() > 0;
        if !has_more {
            json.raw("]");
            crate::api_v1::select::write_cut(json, is_cut);
            json.raw("}");
        }
        has_more
    })
}

struct Pulled<F> {
    next: F,
}

impl<F: FnMut() -> Option<Vec<u8>> + Unpin> HttpBody for Pulled<F> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready((self.next)().map(|chunk| Ok(Frame::data(chunk.into()))))
    }
}

struct Unfolded<S, F, Fut> {
    next: F,
    _state: PhantomData<fn(S)>,
    /// `None` at the end.
    step: Option<Pin<Box<Fut>>>,
}

impl<S, F, Fut> HttpBody for Unfolded<S, F, Fut>
where
    F: FnMut(S) -> Fut + Unpin,
    Fut: Future<Output = Result<(Vec<u8>, S), ApiError>>,
{
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let Some(step) = &mut self.step else { return Poll::Ready(None) };
        let Poll::Ready(outcome) = step.as_mut().poll(cx) else { return Poll::Pending };
        self.step = None;
        Poll::Ready(match outcome {
            Ok((chunk, _)) if chunk.is_empty() => None,
            Ok((chunk, state)) => {
                let step = (self.next)(state);
                self.step = Some(Box::pin(step));
                Some(Ok(Frame::data(chunk.into())))
            }
            Err(error) => {
                tracing::warn!(error = %error.message, "an answer that had begun was broken off");
                Some(Err(Broken(error.message)))
            }
        })
    }
}

/// Why an answer that had begun was not ended.
#[derive(Debug, thiserror::Error)]
#[error("the answer was broken off: {0}")]
struct Broken(String);

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn text(response: Response) -> String {
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_list_is_the_same_in_one_piece_and_in_many() {
        for n_items in [0, 1, 100, 101, 200, 20_000] {
            for is_cut in [false, true] {
                let items: Vec<u32> = (0..n_items).collect();
                let written = text(list(items.clone(), is_cut, |json, item| {
                    json.integer(*item);
                }))
                .await;
                let read: serde_json::Value = serde_json::from_str(&written).unwrap();
                assert_eq!(read["data"], serde_json::to_value(items).unwrap());
                assert_eq!(read.get("warnings").is_some(), is_cut, "{n_items}");
            }
        }
    }

    #[test]
    fn a_chunk_is_not_much_larger_than_asked_for() {
        let mut n_left = 1_000;
        let response = json(move |json| {
            json.raw(&"x".repeat(1_000));
            n_left -= 1;
            n_left > 0
        });
        let mut body = response.into_body();
        let mut ctx = Context::from_waker(std::task::Waker::noop());
        let mut sizes = Vec::new();
        while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut body).poll_frame(&mut ctx) {
            sizes.push(frame.into_data().unwrap().len());
        }
        assert_eq!(sizes.iter().sum::<usize>(), 1_000_000);
        assert!(sizes.iter().all(|size| *size < CHUNK_BYTES + 1_000), "{sizes:?}");
    }

    #[tokio::test]
    async fn a_body_of_a_blocking_thread_ends_with_an_empty_chunk_or_breaks_off() {
        let next = |left: &mut usize| {
            *left = left.checked_sub(1).ok_or_else(|| ApiError::bad_data("there is no more"))?;
            Ok(vec![b'x'; if *left == 10 { 0 } else { 5 }])
        };
        let whole = blocking(14, next).collect().await.unwrap().to_bytes();
        assert_eq!(whole.len(), 15);
        let error = blocking(3, next).collect().await.unwrap_err();
        assert!(format!("{error:?}").contains("there is no more"), "{error:?}");
    }
}
