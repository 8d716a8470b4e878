//! Ways to pods that nothing outside the cluster reaches: through the API server, as `kubectl port-forward` does it.

use std::net::SocketAddr;

use k8s_openapi::api::core::v1::{ContainerPort, Pod};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::{Failure, list, one_line};
use crate::error::Error;
use crate::kube::cluster::why;
use crate::loopback;

/// A listener on the loopback that gives each connection to the next ready pod: unlike kubectl's, which gives all of
/// them to one.
pub struct Forward {
    /// Where it listens.
    pub address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Forward {
    /// Listens on a free port, for the pods that a label selector selects.
    pub async fn start(client: Client, namespace: &str, selector: &str, port: IntOrString) -> Result<Self, Error> {
        let (listener, address) = loopback::listen().await?;
        let pods = Api::<Pod>::namespaced(client, namespace);
        let selector = ListParams::default().labels(selector);
        let accepting = tokio::spawn(async move {
            let mut turn = 0;
            loop {
                let stream = loopback::accept(&listener).await;
                turn += 1;
                tokio::spawn(carry(stream, pods.clone(), selector.clone(), port.clone(), turn));
            }
        });
        Ok(Self { address, accepting })
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Carries one connection. Where there is no pod it is closed, which its client counts as a failure.
async fn carry(
    mut stream: TcpStream,
    pods: Api<Pod>,
    selector: ListParams,
    port: IntOrString,
    turn: usize,
) -> Option<()> {
    let all = list::all(&pods, &selector).await.ok()?;
    let ready: Vec<_> = all.iter().filter(|pod| is_ready(pod)).collect();
    let pod = ready.get(turn % ready.len().max(1))?;
    let port = port_of(pod, &port)?;
    let mut forwarder = pods.portforward(&pod.name_any(), &[port]).await.ok()?;
    let mut upstream = forwarder.take_stream(port)?;
    copy_bidirectional(&mut stream, &mut upstream).await.ok()?;
    Some(())
}

/// The number of a pod's port that is told by number or by name.
pub fn port_of(pod: &Pod, port: &IntOrString) -> Option<u16> {
    let number = match port {
        IntOrString::Int(number) => *number,
        IntOrString::String(name) => container_ports(pod).find(|port| port.name.as_ref() == Some(name))?.container_port,
    };
    u16::try_from(number).ok()
}

/// The ports that a pod's containers declare.
pub fn container_ports(pod: &Pod) -> impl Iterator<Item = &ContainerPort> {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    containers.flat_map(|container| container.ports.iter().flatten())
}

/// Whether a pod takes requests.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    pod.metadata.deletion_timestamp.is_none()
        && conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"))
}

/// An HTTP connection to a port of a pod.
pub async fn connect(
    client: Client,
    namespace: &str,
    pod: &str,
    port: u16,
) -> Result<hyper::client::conn::http1::SendRequest<http_body_util::Empty<bytes::Bytes>>, Failure> {
    let pods = Api::<Pod>::namespaced(client, namespace);
    let right = format!("get and create pods/portforward in namespace {namespace}");
    let mut forwarder = pods.portforward(pod, &[port]).await.map_err(|error| Failure::Other(why(&error, &right)))?;
    let stream =
        forwarder.take_stream(port).ok_or_else(|| Failure::Other("the port-forward has no stream".to_owned()))?;
    let handshake = hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await;
    let (sender, connection) = handshake.map_err(|error| Failure::Other(one_line(&error)))?;
    tokio::spawn(async move {
        // The forwarder lives as long as its connection.
        let _forwarder = forwarder;
        let _ = connection.await;
    });
    Ok(sender)
}
