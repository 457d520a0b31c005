//! `/notifications` and `/notifications/live`: what a person should know at once, as a list and as events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use hyper::body::Frame;
use tokio::sync::broadcast::error::RecvError;

use super::ApiState;
use super::select::{envelope, reply};
use super::status::rfc3339_ms;
use crate::json::JsonWriter;
use crate::notifications::{Listener, Notification};

pub(crate) async fn list(State(state): State<Arc<ApiState>>) -> Response {
    let active = state.notifications().active();
    reply(envelope(false, |json| {
        json.list(&active, write);
    }))
}

/// Tells those that hold, then each change, until the client or the server goes.
pub(crate) async fn live(State(state): State<Arc<ApiState>>) -> Response {
    let Some((active, listener)) = state.notifications().listen() else {
        return StatusCode::NO_CONTENT.into_response();
    };
    let events = Events { waiting: active.into(), next: Some(Box::pin(next(listener))) };
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-cache")];
    (headers, Body::new(events)).into_response()
}

fn write(json: &mut JsonWriter, notification: &Notification) {
    json.raw(r#"{"text":"#).string(notification.text);
    json.raw(r#","date":"#).string(&rfc3339_ms(notification.since_ms));
    json.raw(r#","active":"#).boolean(notification.is_active).raw("}");
}

/// Waits for the next change; none when there will be no more.
async fn next(mut listener: Listener) -> Option<(Notification, Listener)> {
    loop {
        match listener.changes.recv().await {
            Ok(change) => return Some((change, listener)),
            // It was too slow for some: what comes now is newer.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
}

type Next = Pin<Box<dyn Future<Output = Option<(Notification, Listener)>> + Send>>;

struct Events {
    waiting: VecDeque<Notification>,
    next: Option<Next>,
}

impl HttpBody for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.waiting.is_empty() {
            let Some(pending) = &mut self.next else { return Poll::Ready(None) };
            let changed = std::task::ready!(pending.as_mut().poll(ctx));
            let Some((change, listener)) = changed else {
                self.next = None;
                return Poll::Ready(None);
            };
            // A stop is the last thing to tell: connections are waited for.
            let is_last = change.text == crate::notifications::STOPPING;
            self.next = if is_last { None } else { Some(Box::pin(next(listener))) };
            self.waiting.push_back(change);
        }
        let event = self.waiting.pop_front().map(|notification| {
            let mut json = JsonWriter::collecting();
            json.raw("data: ");
            write(&mut json, &notification);
            json.raw("\n\n");
            Ok(Frame::data(Bytes::from(json.finish())))
        });
        Poll::Ready(event)
    }
}
