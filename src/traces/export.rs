//! Sends batches of spans to the collector, with hyper: one connection for each batch, which comes every few seconds.

use std::io;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::{BufMut, BytesMut};
use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue, TE};
use http::{Uri, Version};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::settings::{Protocol, TraceSettings};

/// The maximum of the collector's answer that is read.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// How often a failure is logged.
const LOG_INTERVAL: Duration = Duration::from_mins(1);

/// The connection to the collector. The SDK calls it on a thread of its own, and it runs on the service's runtime.
#[derive(Debug)]
pub(super) struct Collector {
    runtime: Handle,
    protocol: Protocol,
    headers: HeaderMap,
    timeout: Duration,
    last_logged: Mutex<Option<Instant>>,
}

impl Collector {
    /// Must be called inside the tokio runtime.
    pub(super) fn new(settings: &TraceSettings) -> Self {
        Self {
            runtime: Handle::current(),
            protocol: settings.protocol,
            headers: settings.headers.0.clone(),
            timeout: settings.timeout,
            last_logged: Mutex::default(),
        }
    }

    fn log(&self, failure: &str) {
        let now = Instant::now();
        let mut last_logged = self.last_logged.lock().expect("no holder panics");
        if last_logged.is_none_or(|last| now.duration_since(last) >= LOG_INTERVAL) {
            *last_logged = Some(now);
            tracing::warn!("cannot export spans: {failure}; check OTEL_EXPORTER_OTLP_ENDPOINT and the collector");
        }
    }
}

#[tonic::async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        request.headers_mut().extend(self.headers.clone());
        let (protocol, limit) = (self.protocol, self.timeout);
        // Timers and sockets need the runtime, which the caller's thread is not part of.
        let sent = self.runtime.spawn(async move {
            match protocol {
                Protocol::Http => timeout(limit, send_http(request)).await,
                Protocol::Grpc => timeout(limit, send_grpc(request)).await,
            }
        });
        let failure = match sent.await? {
            Ok(Ok(response)) if response.status().is_success() => return Ok(response),
            Ok(Ok(response)) => {
                self.log(&format!("the collector answered {}", response.status().as_u16()));
                return Ok(response);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} ms", self.timeout.as_millis()),
        };
        self.log(&failure);
        Err(failure.into())
    }
}

async fn connect(target: &Uri) -> io::Result<TokioIo<TcpStream>> {
    let host = target.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    Ok(TokioIo::new(TcpStream::connect((host, target.port_u16().unwrap_or(80))).await?))
}

async fn send_http(mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let (mut requests, connection) = http1::handshake(connect(request.uri()).await?).await?;
    // Its errors are those of the request.
    tokio::spawn(async { drop(connection.await) });
    let authority = request.uri().authority().map_or("", |authority| authority.as_str());
    let host = HeaderValue::from_str(authority)?;
    request.headers_mut().insert(HOST, host);
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).parse()?;
    *request.uri_mut() = path;
    let (parts, body) = requests.send_request(request.map(Full::new)).await?.into_parts();
    Ok(Response::from_parts(parts, read(body).await?.0))
}

/// An export by gRPC is a POST over HTTP/2. Its message has a prefix, and its result is in the trailers.
async fn send_grpc(mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let (mut requests, connection) = http2::handshake(TokioExecutor::new(), connect(request.uri()).await?).await?;
    tokio::spawn(async { drop(connection.await) });
    *request.version_mut() = Version::HTTP_2;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
    let request = request.map(|message| {
        let mut prefixed = BytesMut::with_capacity(5 + message.len());
        prefixed.put_u8(0);
        prefixed.put_u32(u32::try_from(message.len()).expect("a batch is limited"));
        prefixed.extend_from_slice(&message);
        Full::new(prefixed.freeze())
    });
    let (parts, body) = requests.send_request(request).await?.into_parts();
    let trailers = read(body).await?.1;
    let status = trailers.get("grpc-status").or_else(|| parts.headers.get("grpc-status"));
    match status.map(HeaderValue::as_bytes) {
        Some(b"0") => Ok(Response::new(Bytes::new())),
        Some(status) => Err(format!("the collector answered gRPC status {}", status.escape_ascii()).into()),
        None => Err(format!("the collector answered {} without a gRPC status", parts.status.as_u16()).into()),
    }
}

/// The body and the trailers of an answer.
async fn read(body: Incoming) -> Result<(Bytes, HeaderMap), HttpError> {
    let collected = Limited::new(body, MAX_ANSWER_BYTES).collect().await?;
    let trailers = collected.trailers().cloned().unwrap_or_default();
    Ok((collected.to_bytes(), trailers))
}
