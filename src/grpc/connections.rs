//! The connections of the gRPC address, which are few: a new one takes the place of the oldest if there is no room. So a
//! stranger may hold streams for as long as it likes, and the kubelet's next probe is still answered. A stranger that opens this
//! many connections in the time of a probe does keep it out: the address is for the cluster.

use std::collections::VecDeque;
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::GrpcService;
use crate::config::Limits;
use crate::lifecycle::{Lifecycle, Phase};
use crate::server::accept;

/// Concurrent connections.
pub(super) const MAX_CONNECTIONS: usize = 64;

/// Concurrent streams of a connection.
const MAX_STREAMS: u32 = 8;

/// The maximum header list: names and values, and 32 bytes for each.
const MAX_HEADER_LIST_BYTES: u32 = 8192;

/// HTTP/2's own default.
const WINDOW_BYTES: u32 = 65_535;

/// How often a client must show that it is still there, because a stream may be silent for days.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// How long it has to do so.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client has to close a connection that is idle or ends.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(300);

/// All connections.
pub(super) struct Connections {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    /// The open connections, the oldest first.
    open: VecDeque<AbortHandle>,
}

/// What the connections share.
struct Shared {
    service: GrpcService,
    limits: Limits,
}

impl Connections {
    pub(super) fn new(service: GrpcService, limits: Limits) -> Self {
        Self { shared: Arc::new(Shared { service, limits }), tasks: JoinSet::new(), open: VecDeque::new() }
    }

    /// Serves until the service stops, and then until every stream has ended, or its client does not read.
    pub(super) async fn serve(mut self, listeners: Vec<TcpListener>, lifecycle: &Lifecycle) {
        let mut turn = 0;
        let mut stopping = pin!(lifecycle.reached(Phase::Stopping));
        loop {
            tokio::select! {
                (stream, _) = accept(&listeners, &mut turn) => self.open(stream, lifecycle.clone()),
                () = &mut stopping => break,
            }
        }
        drop(listeners);
        while self.tasks.join_next().await.is_some() {}
    }

    fn open(&mut self, stream: TcpStream, lifecycle: Lifecycle) {
        while self.tasks.try_join_next().is_some() {}
        self.open.retain(|connection| !connection.is_finished());
        if self.open.len() == MAX_CONNECTIONS
            && let Some(oldest) = self.open.pop_front()
        {
            tracing::debug!("a new gRPC connection takes the place of the oldest one");
            oldest.abort();
        }
        let shared = Arc::clone(&self.shared);
        self.open.push_back(self.tasks.spawn(async move { shared.serve(stream, lifecycle).await }));
    }
}

impl Shared {
    /// Serves one client until it leaves, is idle, or the service stops.
    async fn serve(&self, stream: TcpStream, lifecycle: Lifecycle) {
        let _ = stream.set_nodelay(true);
        let (streams, mut open_streams) = watch::channel(0_usize);
        let mut connection = pin!(
            http2::Builder::new(StreamExecutor(streams))
                .timer(TokioTimer::new())
                .max_concurrent_streams(MAX_STREAMS)
                .max_header_list_size(MAX_HEADER_LIST_BYTES)
                .initial_stream_window_size(WINDOW_BYTES)
                .initial_connection_window_size(WINDOW_BYTES)
                .max_send_buf_size(WINDOW_BYTES as usize)
                .keep_alive_interval(KEEP_ALIVE_INTERVAL)
                .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
                .serve_connection(TokioIo::new(stream), self.service.clone())
        );
        tokio::select! {
            // An error is the client's.
            _ = &mut connection => return,
            () = idle(&mut open_streams, &self.limits) => {}
            () = lifecycle.reached(Phase::Stopping) => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = timeout(CLOSE_TIMEOUT, connection).await;
    }
}

/// Waits until a connection without streams runs out of time: for its first stream, or for the next one.
async fn idle(open_streams: &mut watch::Receiver<usize>, limits: &Limits) {
    let mut time = limits.header_timeout;
    loop {
        if open_streams.wait_for(|open| *open == 0).await.is_err() {
            // The connection has ended.
            return pending().await;
        }
        tokio::select! {
            () = sleep(time) => return,
            _ = open_streams.changed() => time = limits.idle_timeout,
        }
    }
}

/// Runs the streams of a connection, and counts them.
#[derive(Clone)]
struct StreamExecutor(watch::Sender<usize>);

impl<F> hyper::rt::Executor<F> for StreamExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let counted = OpenStream::new(self.0.clone());
        tokio::spawn(async move {
            stream.await;
            drop(counted);
        });
    }
}

/// Counts an open stream.
struct OpenStream(watch::Sender<usize>);

impl OpenStream {
    fn new(streams: watch::Sender<usize>) -> Self {
        streams.send_modify(|open| *open += 1);
        Self(streams)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}
