//! Endpoints whose subject does not exist here yet: clients ask, and the true answer is "none".

use axum::response::Response;

use super::select::{envelope, reply};

fn answer(data: &str) -> Response {
    reply(envelope(false, |json| {
        json.raw(data);
    }))
}

/// There are no blocks yet: the head is all there is.
pub(crate) async fn blocks() -> Response {
    answer(r#"{"blocks":[]}"#)
}

pub(crate) async fn notifications() -> Response {
    answer("[]")
}
