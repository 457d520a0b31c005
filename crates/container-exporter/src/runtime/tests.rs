//! A CRI runtime and a Docker daemon with one pod, over real sockets.

use std::convert::Infallible;
use std::future::Future;
use std::path::{Path, PathBuf};

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::UnixListener;

use super::proto::{number, push_text, text};
use crate::exporter::tests::{APP, PAUSE};

const CREATED_NS: u64 = 1_700_000_000_000_000_000;

/// A runtime with a sandbox and a container.
#[derive(Clone)]
pub(crate) struct Cri {
    socket: PathBuf,
    uid: String,
}

fn message(field: u8, inner: &[u8]) -> Vec<u8> {
    let mut out = vec![field << 3 | 2];
    // Two bytes hold all lengths that occur here.
    out.push(u8::try_from(inner.len() & 0x7f).unwrap() | 0x80);
    out.push(u8::try_from(inner.len() >> 7).unwrap());
    out.extend_from_slice(inner);
    out
}

fn varint(field: u8, mut value: u64) -> Vec<u8> {
    let mut out = vec![field << 3];
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap());
    out
}

fn entry(field: u8, key: &str, value: &str) -> Vec<u8> {
    let mut inner = Vec::new();
    push_text(&mut inner, 1, key);
    push_text(&mut inner, 2, value);
    message(field, &inner)
}

fn labels(field: u8, uid: &str) -> Vec<u8> {
    let pairs = [("name", "web-0"), ("namespace", "shop"), ("uid", uid)];
    pairs.iter().flat_map(|(key, value)| entry(field, &format!("io.kubernetes.pod.{key}"), value)).collect()
}

impl Cri {
    pub(crate) fn new(socket: &Path, uid: &str) -> Self {
        Self { socket: socket.to_owned(), uid: uid.to_owned() }
    }

    fn answer(&self, method: &str, request: &[u8]) -> Vec<u8> {
        let id = |id: &str| {
            let mut out = Vec::new();
            push_text(&mut out, 1, id);
            out
        };
        let image = |name: &str| id(name);
        match method {
            "ListPodSandbox" => {
                message(1, &[id(PAUSE), varint(4, CREATED_NS), labels(5, &self.uid)].concat())
            }
            "ListContainers" => {
                let name = entry(8, "io.kubernetes.container.name", "app");
                let parts = [
                    id(APP),
                    message(4, &image("sha256:1")),
                    varint(7, CREATED_NS),
                    labels(8, &self.uid),
                    name,
                ];
                message(1, &parts.concat())
            }
            "PodSandboxStatus" if text(request, 1) == PAUSE => {
                entry(2, "info", "{\"pid\":12,\"image\":\"registry/pause:3\"}")
            }
            "ContainerStatus" if text(request, 1) == APP => {
                let status = message(1, &message(8, &image("registry/app:1")));
                let is_verbose = number(request, 2) == Some(1);
                let details = r#"{"runtimeSpec":{"process":{"env":["PATH=/bin","HTTP_PORT=80"]}}}"#;
                let details = if is_verbose { entry(2, "info", details) } else { Vec::new() };
                [status, details].concat()
            }
            _ => Vec::new(),
        }
    }

    /// Answers while `work` runs.
    pub(crate) fn serve<T>(&self, work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = UnixListener::bind(&self.socket).unwrap();
            let serve = async {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let cri = self.clone();
                    let service = service_fn(move |request: Request<Incoming>| {
                        let cri = cri.clone();
                        async move { cri.grpc(request).await }
                    });
                    let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    drop(builder.serve_connection(TokioIo::new(stream), service).await);
                }
            };
            tokio::select! { done = work => done, () = serve => unreachable!("serves for ever") }
        })
    }

    async fn grpc(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<impl hyper::body::Body<Data = Bytes, Error = Infallible> + use<>>, Infallible> {
        let method = request.uri().path().rsplit('/').next().unwrap().to_owned();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let answer = self.answer(&method, &body[5..]);
        let mut framed = BytesMut::new();
        framed.put_u8(0);
        framed.put_u32(u32::try_from(answer.len()).unwrap());
        framed.extend_from_slice(&answer);
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        let body = Full::new(framed.freeze()).with_trailers(async { Some(Ok(trailers)) });
        Ok(Response::builder().header("content-type", "application/grpc").body(body).unwrap())
    }
}

/// A daemon with one container.
pub(crate) struct Docker {
    socket: PathBuf,
}

impl Docker {
    pub(crate) fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// Answers while `work` runs.
    pub(crate) fn serve<T>(&self, work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = UnixListener::bind(&self.socket).unwrap();
            let serve = async {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let service = service_fn(|request: Request<Incoming>| async move {
                        let answer = if request.uri().path() == "/containers/json" {
                            format!(
                                r#"[{{"Id":"{APP}","Names":["/shop"],"Image":"shop:2","Created":1700000000,"Labels":{{"com.shop/team":"web"}}}}]"#
                            )
                        } else {
                            r#"{"Config":{"Env":["PATH=/bin","HTTP_PORT=80"]}}"#.to_owned()
                        };
                        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(answer))))
                    });
                    let builder = hyper::server::conn::http1::Builder::new();
                    drop(builder.serve_connection(TokioIo::new(stream), service).await);
                }
            };
            tokio::select! { done = work => done, () = serve => unreachable!("serves for ever") }
        })
    }
}
