//! A custom and an external metrics API of the test's own, which count the controller's looks.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use http::{Request, Response, StatusCode};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::situations::Answer;

const CUSTOM: (&str, &str) = ("custom.metrics.k8s.io", "v1beta2");
const EXTERNAL: (&str, &str) = ("external.metrics.k8s.io", "v1beta1");
/// The groups that are served, each with its version.
pub const APIS: [(&str, &str); 2] = [CUSTOM, EXTERNAL];

/// The Service that the Object metrics are of.
pub const SERVICE: &str = "metrics";

/// What is asked for, and what was asked: by the metric's name.
#[derive(Default)]
pub struct Metrics {
    pub namespace: String,
    pub scripts: HashMap<String, Vec<Answer>>,
    pub looks: Mutex<HashMap<String, Vec<f64>>>,
}

pub struct FakeApi {
    pub address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Metrics {
    /// When the controller has looked at a metric, in seconds since the API's start, and what it was told.
    pub fn looks(&self, metric: &str) -> Vec<(f64, Answer)> {
        let looks = self.looks.lock().unwrap().get(metric).cloned().unwrap_or_default();
        looks.into_iter().enumerate().map(|(number, at)| (at, self.answer(metric, number).clone())).collect()
    }

    fn answer(&self, metric: &str, number: usize) -> &Answer {
        let script = &self.scripts[metric];
        &script[number.min(script.len() - 1)]
    }

    fn respond(&self, path: &str, start: Instant) -> (StatusCode, Value) {
        // The aggregator writes the asterisk in its own way.
        let path = &path.replace("%2A", "*");
        for (group, version) in APIS {
            if path.trim_end_matches('/') == format!("/apis/{group}/{version}") {
                let list = json!({"kind": "APIResourceList", "apiVersion": "v1",
                                  "groupVersion": format!("{group}/{version}"), "resources": []});
                return (StatusCode::OK, list);
            }
        }
        let within =
            |(group, version), inner: &str| format!("/apis/{group}/{version}/namespaces/{}/{inner}", self.namespace);
        let of_service = within(CUSTOM, &format!("services/{SERVICE}/"));
        let is_of_service = path.starts_with(&of_service);
        let places = [within(CUSTOM, "pods/*/"), of_service, within(EXTERNAL, "")];
        let metric = places.iter().find_map(|place| path.strip_prefix(place));
        let metric = metric.filter(|metric| self.scripts.contains_key(*metric));
        let missing = |message: &str| {
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message,
                                "reason": "NotFound", "code": 404});
            (StatusCode::NOT_FOUND, status)
        };
        let Some(metric) = metric else { return missing(&format!("the test does not serve {path}")) };
        let number = {
            let mut looks = self.looks.lock().unwrap();
            let looks = looks.entry(metric.to_owned()).or_default();
            looks.push(start.elapsed().as_secs_f64());
            looks.len() - 1
        };
        let timestamp = "2026-01-01T00:00:00Z";
        let (kind, (group, version), items) = match self.answer(metric, number) {
            Answer::Missing => return missing("the test has no such metric"),
            Answer::Values(values) => {
                let item = |(number, value): (usize, &Option<i64>)| {
                    let value = (*value)?;
                    let pod = json!({"kind": "Pod", "apiVersion": "v1", "namespace": self.namespace,
                                     "name": format!("{metric}-{number}")});
                    Some(json!({"describedObject": pod, "metric": {"name": metric}, "timestamp": timestamp,
                                "value": format!("{value}m")}))
                };
                ("MetricValueList", CUSTOM, values.iter().enumerate().filter_map(item).collect::<Vec<_>>())
            }
            Answer::Total(total) if is_of_service => {
                let service =
                    json!({"kind": "Service", "apiVersion": "v1", "namespace": self.namespace, "name": SERVICE});
                let item = json!({"describedObject": service, "metric": {"name": metric}, "timestamp": timestamp,
                                  "value": format!("{total}m")});
                ("MetricValueList", CUSTOM, vec![item])
            }
            Answer::Total(total) => {
                let item = json!({"metricName": metric, "metricLabels": {}, "timestamp": timestamp,
                                  "value": format!("{total}m")});
                ("ExternalMetricValueList", EXTERNAL, vec![item])
            }
        };
        let version = format!("{group}/{version}");
        (StatusCode::OK, json!({"kind": kind, "apiVersion": version, "metadata": {}, "items": items}))
    }
}

impl FakeApi {
    /// Serves at an address of this machine that the API server reaches, until it is dropped.
    pub async fn start(address: IpAddr, metrics: Arc<Metrics>) -> Self {
        let tls = TlsAcceptor::from(Arc::new(certificate().await));
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let (tls, metrics) = (tls.clone(), metrics.clone());
                connections.spawn(async move {
                    let Ok(stream) = tls.accept(stream).await else { return };
                    let answer = service_fn(move |request: Request<Incoming>| {
                        let (status, value) = metrics.respond(request.uri().path(), start);
                        let body = http_body_util::Full::new(Bytes::from(value.to_string()));
                        let response = Response::builder().status(status).header("content-type", "application/json");
                        async move { Ok::<_, Infallible>(response.body(body).unwrap()) }
                    });
                    // A connection that breaks is opened anew by the one who asks.
                    let _ =
                        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { address, _tasks: tasks }
    }
}

/// One that nobody trusts: the API server is told not to look.
async fn certificate() -> ServerConfig {
    let folder = tempfile::tempdir().unwrap();
    let (key, cert) = (folder.path().join("key"), folder.path().join("cert"));
    let mut command = Command::new("openssl");
    command
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=loadtest"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let done = command.output().await.expect("this test needs `openssl`: on Debian, apt-get install openssl");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let chain = vec![CertificateDer::from_pem_file(cert).unwrap()];
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap())
        .unwrap()
}
