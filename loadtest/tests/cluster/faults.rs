//! What breaks in a cluster, tried under load: the HPA recovers by itself, and what clients saw is written down.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::cluster::observer::{HPA_PERIOD, NAMESPACE, Observer, name, pods};
use crate::cluster::workload::patiently;
use crate::entrance::Entrance;
use crate::steps::Run;

/// A fault is there, or healed, within this time.
const PATIENCE: Duration = Duration::from_mins(2);

/// What the pod that is to be killed for memory is left with.
const LITTLE: &str = "16Mi";

/// The first Kubernetes 1 that takes memory from a running container.
const SHRINKS_MEMORY: u32 = 34;

impl Run {
    pub async fn faults_heal(&self, observer: &Observer, entrance: Option<&Entrance>) {
        self.transcript.step("faults, under ten requests a second and with a window of one minute");
        let Some(entrance) = entrance else {
            self.transcript.say("left out: without a load balancer there is no way in that outlives a pod");
            return;
        };
        self.with_a_window_of_one_minute(observer).await;
        self.a_shim_is_killed(observer, entrance).await;
        self.a_pod_is_killed_for_memory(observer, entrance).await;
        self.a_prometheus_replica_is_deleted(observer, entrance).await;
    }

    async fn a_shim_is_killed(&self, observer: &Observer, entrance: &Entrance) {
        self.transcript.step("kill -9 of a pod's containerd shim");
        let Some(command) = &self.settings.kill_command else {
            self.transcript.say("left out: SHOPFRONT_TEST_KILL_COMMAND names no program that can do it");
            return;
        };
        let pod = observer.now().ready.first().expect("three pods are ready").clone();
        self.heals(observer, entrance, async || {
            let before = self.container(&pod).await;
            let killed = Command::new(command).args([NAMESPACE, &pod]).status().await;
            assert!(killed.expect("the command can be run").success(), "{command} {NAMESPACE} {pod}");
            patiently("the pod has another container", PATIENCE, async || {
                let now = self.container(&pod).await?;
                (now["containerID"] != before.as_ref()?["containerID"]).then_some(())
            })
            .await;
        })
        .await;
    }

    /// The pod gets a limit that it can live with, and then more to keep than that: unfinished bodies.
    async fn a_pod_is_killed_for_memory(&self, observer: &Observer, entrance: &Entrance) {
        self.transcript.step("a pod killed for memory");
        if self.minor_version().await < SHRINKS_MEMORY {
            self.transcript
                .say("left out: before Kubernetes 1.34 a running container's memory limit cannot be lowered");
            return;
        }
        let pod = observer.now().ready.first().expect("three pods are ready").clone();
        let patch = format!(
            r#"{{"spec":{{"containers":[{{"name":"shopfront","resources":{{"requests":{{"memory":"8Mi"}},"limits":{{"memory":"{LITTLE}"}}}}}}]}}}}"#
        );
        self.workload
            .kubectl
            .run(&format!("-n {NAMESPACE} patch pod {pod} --subresource resize --patch {patch}"))
            .await;
        patiently("the pod has the lower limit", PATIENCE, async || {
            (self.container(&pod).await?["resources"]["limits"]["memory"] == LITTLE).then_some(())
        })
        .await;
        self.heals(observer, entrance, async || {
            patiently("the kernel kills it", PATIENCE, async || {
                let held = join_all((0..1200).map(|_| unfinished(entrance))).await;
                let container = self.container(&pod).await;
                drop(held);
                (container?["lastState"]["terminated"]["reason"] == "OOMKilled").then_some(())
            })
            .await;
        })
        .await;
    }

    async fn a_prometheus_replica_is_deleted(&self, observer: &Observer, entrance: &Entrance) {
        self.transcript.step("a Prometheus replica deleted");
        let replica = async || {
            let replicas = pods(&self.workload.api, "monitoring", "app.kubernetes.io%2Fname%3Dprometheus").await?;
            replicas.into_iter().next()
        };
        let first = replica().await.expect("there is a replica");
        self.heals(observer, entrance, async || {
            self.workload.kubectl.run(&format!("-n monitoring delete pod {} --wait=false", name(&first))).await;
            patiently("another replica is ready", PATIENCE, async || {
                let now = replica().await?;
                let ready = now["status"]["containerStatuses"].as_array()?.iter().all(|one| one["ready"] == true);
                (ready && now["metadata"]["uid"] != first["metadata"]["uid"]).then_some(())
            })
            .await;
        })
        .await;
    }

    /// Breaks something while clients ask, and waits until all is well again.
    async fn heals(&self, observer: &Observer, entrance: &Entrance, broken: impl AsyncFnOnce()) {
        let crowds = Self::crowd(entrance, "/");
        crowds[0].1.have_answers(100, PATIENCE).await;
        let start = Instant::now();
        broken().await;
        let well = observer
            .until("three pods and a value", PATIENCE, |sample| {
                sample.at > start + 2 * HPA_PERIOD && sample.ready.len() == 3 && sample.value.is_some()
            })
            .await;
        let samples = observer.since(start);
        let fewest = samples.iter().map(|sample| sample.ready.len()).min().unwrap_or(3);
        let unknown = observer.unknown_since(start);
        for (name, clients) in crowds {
            self.transcript.say(format_args!("{name}: {}", clients.stop().await));
        }
        self.transcript.say(format_args!(
            "{:.0} s later: {} pods ready, {fewest} at the fewest; the HPA was without a value for {:.1} s",
            (well.at - start).as_secs_f64(),
            well.ready.len(),
            unknown.lasted.as_secs_f64()
        ));
    }

    /// The second number of the API server's version, which some clouds give as `34+`.
    async fn minor_version(&self) -> u32 {
        let version = self.workload.api.json("/version").await.expect("the API server tells its version");
        let minor = version["minor"].as_str().expect("it has a minor version").trim_end_matches('+');
        minor.parse().unwrap_or_else(|_| panic!("{minor} is no number"))
    }

    /// The status of a pod's one container.
    async fn container(&self, pod: &str) -> Option<Value> {
        let pod = self.workload.api.json(&format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}")).await?;
        Some(pod["status"]["containerStatuses"][0].clone())
    }
}

/// A request whose body never ends.
async fn unfinished(entrance: &Entrance) -> Option<TcpStream> {
    let mut stream = TcpStream::connect((entrance.host.as_str(), entrance.port)).await.ok()?;
    let head = format!("POST / HTTP/1.1\r\nhost: {}\r\ncontent-length: 65536\r\n\r\n", entrance.host);
    let sent = async {
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&vec![b'x'; 65_000]).await
    };
    tokio::time::timeout(Duration::from_secs(5), sent).await.ok()?.ok()?;
    Some(stream)
}
