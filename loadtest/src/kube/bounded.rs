//! Reads each answer of the API server within bounds of time and size, whoever asked.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt};
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body, Frame};
use kube::client::Body as Asked;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use tower::{BoxError, Service};

use super::Failure;
use crate::kube::weight::Weight;

/// The most bytes of one answer. A page of 500 ordinary pods has three million; lists are asked for in smaller pages where
/// one is longer.
pub const MOST: usize = 4 << 20;

/// The most bytes of one line of a watch: etcd keeps no object of more than one and a half million.
pub const LINE: usize = 2 << 20;

/// How long one answer of the API server may take as a whole; those who ask are mostly less patient.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The most interim answers (1xx) that may come before an answer: hyper skips any number of them.
const INTERIM: usize = 100;

/// Counts the interim answers to one request.
pub struct Interim(Arc<Notify>);

impl Interim {
    /// Counts them from now on.
    pub fn of<B>(request: &mut Request<B>) -> Self {
        let (excess, count) = (Arc::new(Notify::new()), AtomicUsize::new(0));
        let told = Arc::clone(&excess);
        hyper::ext::on_informational(request, move |_| {
            if count.fetch_add(1, Ordering::Relaxed) == INTERIM {
                told.notify_one();
            }
        });
        Self(excess)
    }

    /// Waits for an answer, and gives up once there are too many before it.
    pub async fn before<T, E: From<Failure>>(self, answer: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        tokio::select! {
            biased;
            () = self.0.notified() => {
                Err(Failure::Other(format!("more than {INTERIM} interim answers (1xx) came before the answer")).into())
            }
            answer = answer => answer,
        }
    }
}

/// A client whose answers are bounded.
#[derive(Clone, Debug)]
pub struct Bounded<S> {
    /// Who gets the answers.
    pub inner: S,
}

impl<S, B> Service<Request<Asked>> for Bounded<S>
where
    S: Service<Request<Asked>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<UnsyncBoxBody<Bytes, BoxError>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<Asked>) -> Self::Future {
        let watches = is_watch(request.uri().query().unwrap_or_default());
        let interim = Interim::of(&mut request);
        let answer = self.inner.call(request);
        Box::pin(async move {
            let until = Instant::now() + PATIENCE;
            let late = |_| Failure::Late(PATIENCE);
            let answer = interim.before(async { answer.await.map_err(Into::<BoxError>::into) });
            let answer = timeout_at(until, answer).await.map_err(late)??;
            let (head, body) = answer.into_parts();
            let body = match head.status {
                // What follows is no answer but the other protocol's.
                StatusCode::SWITCHING_PROTOCOLS => body.map_err(Into::into).boxed_unsync(),
                StatusCode::OK if watches => lines(body),
                _ => {
                    let whole = timeout_at(until, read(body)).await.map_err(late)??;
                    Full::new(whole).map_err(|never| match never {}).boxed_unsync()
                }
            };
            Ok(Response::from_parts(head, body))
        })
    }
}

fn is_watch(query: &str) -> bool {
    query.split('&').any(|part| matches!(part, "watch=true" | "watch=1"))
}

/// The whole of a body that is neither too long nor too heavy. The time is the caller's to bound.
pub async fn read<B>(mut body: B) -> Result<Bytes, Failure>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let mut weight = Weight::default();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::of(&*error.into()))?;
        let Ok(piece) = frame.into_data() else { continue };
        if whole.len() + piece.len() > MOST {
            return Err(Failure::Excess(format!("is longer than {} MiB", MOST >> 20)));
        }
        weight.add(&piece)?;
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

/// A watch goes on for as long as it likes; each of its lines is bounded.
fn lines<B>(body: B) -> UnsyncBoxBody<Bytes, BoxError>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let mut line = Line::default();
    let pieces = body.into_data_stream().map_err(Into::into).map(move |piece| {
        let piece = piece?;
        line.add(&piece)?;
        Ok(Frame::data(piece))
    });
    // A stream that has failed is not asked again.
    StreamBody::new(pieces).boxed_unsync()
}

/// The line of a watch that is not whole yet.
#[derive(Default)]
struct Line {
    length: usize,
    weight: Weight,
}

impl Line {
    fn add(&mut self, piece: &[u8]) -> Result<(), Failure> {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.length += part.len();
            if self.length > LINE {
                return Err(Failure::Excess(format!("has a line of more than {} MiB", LINE >> 20)));
            }
            self.weight.add(part)?;
            if part.ends_with(b"\n") {
                *self = Self::default();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Empty;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// The status of an answer after so many interim ones.
    async fn status_after(interim: usize) -> Result<StatusCode, Failure> {
        let (mut server, client) = tokio::io::duplex(1 << 20);
        let answers = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(interim) + "HTTP/1.1 204 No Content\r\n\r\n";
        tokio::spawn(async move {
            let _ = server.read(&mut [0; 1024]).await;
            let _ = server.write_all(answers.as_bytes()).await;
        });
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(client)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::get("/").body(Empty::<Bytes>::new()).unwrap();
        let interim = Interim::of(&mut request);
        let answer = async { sender.send_request(request).await.map_err(|error| Failure::Other(error.to_string())) };
        interim.before(answer).await.map(|answer| answer.status())
    }

    #[tokio::test]
    async fn interim_answers_are_bounded_in_number() {
        assert_eq!(status_after(0).await, Ok(StatusCode::NO_CONTENT));
        assert_eq!(status_after(INTERIM).await, Ok(StatusCode::NO_CONTENT));
        for flood in [INTERIM + 1, 10_000] {
            let failure = status_after(flood).await.unwrap_err().to_string();
            assert_eq!(failure, "more than 100 interim answers (1xx) came before the answer");
        }
    }

    #[test]
    fn a_watch_may_be_long_and_its_lines_may_not() {
        let mut line = Line::default();
        let event = [&[b'x'; 1000][..], b"\n"].concat();
        for _ in 0..10_000 {
            line.add(&event).unwrap();
        }
        let endless = [b'x'; 4096];
        let failure = (0..1000).find_map(|_| line.add(&endless).err()).expect("it is refused");
        assert_eq!(failure.to_string(), "the answer has a line of more than 2 MiB; it was not read");
        assert!(is_watch("limit=1&watch=true") && !is_watch("unwatch=true"));
    }

    #[tokio::test]
    async fn four_mebibytes_are_read_and_a_byte_more_is_not() {
        let whole = read(Full::new(Bytes::from(vec![b'x'; MOST]))).await.unwrap();
        assert_eq!(whole.len(), MOST);
        let failure = read(Full::new(Bytes::from(vec![b'x'; MOST + 1]))).await.unwrap_err();
        assert_eq!(failure.to_string(), "the answer is longer than 4 MiB; it was not read");
    }
}
