//! A fake API server: plain HTTP on the loopback, and a kubeconfig for it.

use std::convert::Infallible;
use std::error::Error;
use std::path::{Path, PathBuf};

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// The server runs until this is dropped.
pub struct Server {
    pub kubeconfig: PathBuf,
    _tasks: JoinSet<()>,
}

impl Server {
    pub async fn start<B, F>(folder: &Path, answer: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static) -> Self
    where
        B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
        F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback");
        let server = format!("http://{}", listener.local_addr().expect("it has an address"));
        let kubeconfig = folder.join("kubeconfig");
        let config = json!({"clusters": [{"name": "test", "cluster": {"server": server}}], "users": [],
                            "contexts": [{"name": "test", "context": {"cluster": "test"}}], "current-context": "test"});
        // JSON is YAML.
        std::fs::write(&kubeconfig, config.to_string()).expect("it can be written");
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let answer = answer.clone();
                connections.spawn(async move {
                    let http = hyper::server::conn::http1::Builder::new();
                    // The client opens a new connection after an error.
                    let _ = http.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
                });
            }
        });
        Self { kubeconfig, _tasks: tasks }
    }
}
