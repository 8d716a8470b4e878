//! The servers that the generator sends load to, each with its own behaviour.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use clap::Parser as _;
use shopfront::activity::Activity;
use shopfront::app::{self, App};
use shopfront::config::{Config, EnvironmentMode};
use shopfront::document::Document;
use shopfront::http_rules::Hosts;
use shopfront::lifecycle::Lifecycle;
use shopfront::metrics::Metrics;
use shopfront::server::{self, Budget, Pressure, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of a request.
#[derive(Clone)]
pub enum Reply {
    /// These bytes, and the connection stays.
    Answer(String),
    /// These bytes, and the connection is closed.
    Last(String),
    /// These bytes, and nothing more, ever.
    Half(String),
    /// The connection is reset.
    Reset,
    /// Nothing, ever.
    Stall,
}

/// A server on a free port of the loopback. Ends with its test.
pub struct Target {
    pub address: SocketAddr,
    heads: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Target {
    /// Serves; the reply may depend on how many requests there were before, on all connections.
    pub async fn start(reply: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0", reply).await
    }

    /// The same at another address.
    async fn start_at(address: &str, reply: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let heads: Arc<Mutex<Vec<Vec<String>>>> = Arc::default();
        let (reply, all) = (Arc::new(reply), Arc::clone(&heads));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("the listener accepts");
                let connection = {
                    let mut all = all.lock().expect("no test panics in between");
                    all.push(Vec::new());
                    all.len() - 1
                };
                tokio::spawn(serve(stream, connection, Arc::clone(&all), Arc::clone(&reply)));
            }
        });
        Self { address, heads }
    }

    /// A server that answers everything with 200.
    pub async fn friendly() -> Self {
        Self::start(|_| Reply::Answer(document(200, "web-1"))).await
    }

    /// The same at another address.
    pub async fn friendly_at(address: &str) -> Self {
        Self::start_at(address, |_| Reply::Answer(document(200, "web-1"))).await
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The requests' heads so far, by connection.
    pub fn heads(&self) -> Vec<Vec<String>> {
        self.heads.lock().expect("no test panics in between").clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    connection: usize,
    heads: Arc<Mutex<Vec<Vec<String>>>>,
    reply: Arc<impl Fn(usize) -> Reply + Send + Sync + 'static>,
) {
    let mut come = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = come.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            if !matches!(stream.read_buf(&mut come).await, Ok(1..)) {
                return;
            }
        };
        let head = String::from_utf8(come.drain(..end).collect()).expect("heads are ASCII");
        let before = {
            let mut heads = heads.lock().expect("no test panics in between");
            let before = heads.iter().map(Vec::len).sum();
            heads[connection].push(head);
            before
        };
        // A client that has left is no fault of the server's.
        let _ = match reply(before) {
            Reply::Answer(answer) => stream.write_all(answer.as_bytes()).await,
            Reply::Last(answer) => return drop(stream.write_all(answer.as_bytes()).await),
            Reply::Reset => return drop(stream.set_zero_linger()),
            Reply::Half(answer) => {
                let _ = stream.write_all(answer.as_bytes()).await;
                std::future::pending().await
            }
            Reply::Stall => std::future::pending().await,
        };
    }
}

/// An answer with a document that names a pod.
pub fn document(status: u16, pod: &str) -> String {
    let body = format!("runtime:\n  hostname: {pod}\n");
    format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// The real service on a free port of the loopback, in this process. Ends with its test.
pub fn shopfront() -> SocketAddr {
    let config = Config::parse_from(["shopfront"]);
    let (lifecycle, metrics, activity) = (Lifecycle::new(), Arc::new(Metrics::new()), Arc::new(Activity::default()));
    let document = Document::gather(EnvironmentMode::None, &[], 1);
    let app = Arc::new(App::new(document, Arc::clone(&metrics), activity, lifecycle.clone()));
    let (limits, pressure) = (config.limits, Pressure::default());
    let service = app::layered(app::routes(app, true), Arc::clone(&metrics), limits, pressure.clone(), Hosts::Local);
    let listeners = server::bind(&[([127, 0, 0, 1], 0).into()], "--address").expect("a port is free");
    let address = listeners[0].local_addr().expect("it is bound");
    let budget = Budget::for_this_process(&limits, 0).expect("there are descriptors");
    let server = ServerConfig { listeners, service, tls: None, limits, budget, pressure };
    tokio::spawn(server::serve(server, config.shutdown.shutdown_timeout, lifecycle, metrics));
    address
}
