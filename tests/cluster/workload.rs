//! Puts the manifests on the cluster, and takes them off again.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::kubectl::{Api, Kubectl};
use crate::observer::{NAMESPACE, Observer, pods};
use crate::settings::{Scaler, Settings};
use crate::transcript::Transcript;

/// The manifests of one cluster's run, and what was there before them.
pub struct Workload {
    pub kubectl: Kubectl,
    pub api: Api,
    pub transcript: Transcript,
    scaler: Scaler,
    /// `k8s/`, and beside it what kube-prometheus shipped as the adapter's configuration.
    folder: tempfile::TempDir,
}

impl Workload {
    /// Copies `k8s/`, with the image's name set as README.md says, and the adapter's configuration as it is.
    pub async fn prepare(settings: &Settings, transcript: Transcript) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("k8s"), &folder.path().join("k8s"));
        let manifest = folder.path().join("k8s/shopfront.yml");
        let text = std::fs::read_to_string(&manifest).expect("the manifest is there");
        let text = text.replace("image: shopfront:1.0", &format!("image: {}", settings.image));
        assert!(text.contains(&settings.image), "the image's line is there");
        std::fs::write(&manifest, text).expect("the copy can be written");
        let kubectl = Kubectl::new(&settings.kubeconfig, folder.path(), transcript.clone());
        let api = kubectl.api().await;
        assert!(
            api.json(&format!("/api/v1/namespaces/{NAMESPACE}")).await.is_none(),
            "the namespace {NAMESPACE} is there already: this test would delete it; \
             kubectl delete -k k8s --ignore-not-found, and give adapter-config back as README.md says"
        );
        if settings.scaler == Scaler::Adapter {
            let config = kubectl.quietly("-n monitoring get configmap adapter-config -o yaml").await;
            std::fs::write(folder.path().join("adapter-config.bak"), config).expect("the copy can be written");
            transcript.command("kubectl -n monitoring get configmap adapter-config -o yaml > adapter-config.bak", "");
        }
        Self { kubectl, api, transcript, scaler: settings.scaler, folder }
    }

    /// Every manifest, as the API server would take it.
    pub async fn dry_run(&self) {
        let mut files = vec!["-f k8s/loadtest.yml", "-k k8s", "-k k8s/observability"]
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>();
        files.extend(self.manifests().into_iter().map(|file| format!("-f k8s/{file}")));
        if self.api.json("/apis/keda.sh/v1alpha1").await.is_some() {
            files.push("-k k8s/keda".to_owned());
        } else {
            self.transcript.say("no KEDA here: k8s/keda is not tried");
        }
        for file in files {
            self.kubectl.run(&format!("apply --dry-run=server --validate=strict {file}")).await;
        }
    }

    /// The files that README.md applies one by one.
    fn manifests(&self) -> Vec<String> {
        let text = self.read("kustomization.yaml");
        let kustomization: Value = serde_saphyr::from_str(&text).expect("the kustomization is YAML");
        let files = kustomization["resources"].as_array().expect("it lists resources");
        files.iter().map(|file| file.as_str().expect("a name").to_owned()).collect()
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder.path().join("k8s").join(file))
            .unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    pub async fn apply(&self) {
        match self.scaler {
            Scaler::Adapter => {
                for file in self.manifests() {
                    self.kubectl.run(&format!("apply -f k8s/{file}")).await;
                }
                self.restart_adapter().await;
            }
            Scaler::Keda => {
                self.kubectl.run("apply -k k8s -l scaler!=prometheus-adapter").await;
                self.kubectl.run("apply -k k8s/keda").await;
            }
        }
    }

    async fn restart_adapter(&self) {
        self.kubectl.run("-n monitoring rollout restart deployment prometheus-adapter").await;
        self.kubectl.run("-n monitoring rollout status deployment prometheus-adapter --timeout 3m").await;
    }

    /// The documented one-line change of the rule.
    pub async fn shorten_the_window(&self) {
        let rule = self.read("custom-metrics-config.yaml");
        let source = r"sed 's/\[2m\]/[1m]/' k8s/custom-metrics-config.yaml";
        self.kubectl.run_with(source, "apply -f -", &rule.replace("[2m]", "[1m]")).await;
        self.restart_adapter().await;
    }

    /// For a run that has to be quick.
    pub async fn shorten_the_stabilisation(&self) {
        let behavior = json!({"scaleDown": {"stabilizationWindowSeconds": 15}});
        let (object, patch) = match self.scaler {
            Scaler::Adapter => ("hpa shopfront-hpa", json!({"spec": {"behavior": behavior}})),
            Scaler::Keda => (
                "scaledobject shopfront-scaledobject",
                json!({"spec": {"advanced": {"horizontalPodAutoscalerConfig": {"behavior": behavior}}}}),
            ),
        };
        self.kubectl.run(&format!("-n {NAMESPACE} patch {object} --type merge --patch {patch}")).await;
    }

    /// Makes the kubelet hand Prometheus its new configuration now. By itself it does so within two minutes, and at
    /// once for a pod that changes.
    pub async fn hasten_the_scrape_configuration(&self, before: &Value) {
        patiently("the operator writes Prometheus' configuration", Duration::from_secs(30), async || {
            (self.scrape_configuration().await != *before).then_some(())
        })
        .await;
        let stamp = format!("shopfront-test={}", std::process::id());
        self.kubectl
            .quietly(&format!("-n monitoring annotate pods -l app.kubernetes.io/name=prometheus --overwrite {stamp}"))
            .await;
    }

    /// Something that changes with Prometheus' configuration.
    pub async fn scrape_configuration(&self) -> Value {
        let secret = self.api.json("/api/v1/namespaces/monitoring/secrets/prometheus-k8s").await;
        secret.map_or(Value::Null, |secret| secret["metadata"]["resourceVersion"].clone())
    }

    /// Starts the load of `k8s/loadtest.yml`, with pauses that make ten requests a second of it; how long it lasts is
    /// given. Returns once its first request has been counted.
    pub async fn start_load(&self, seconds: u32, observer: &Observer) -> Instant {
        let before = self.counted(&observer.now().ready).await;
        let source = format!("sed 's/+ 300/+ {seconds}/; s/sleep 0.05/sleep 0.09/' k8s/loadtest.yml");
        let job =
            self.read("loadtest.yml").replace("+ 300", &format!("+ {seconds}")).replace("sleep 0.05", "sleep 0.09");
        self.kubectl.run_with(&source, "replace --force -f -", &job).await;
        patiently("the load begins", Duration::from_mins(1), async || {
            (self.counted(&observer.now().ready).await != before).then_some(())
        })
        .await;
        Instant::now()
    }

    /// Waits for the load's end, and for its own word that nothing was lost.
    pub async fn finish_load(&self) {
        let job = format!("/apis/batch/v1/namespaces/{NAMESPACE}/jobs/shopfront-loadtest");
        let outcome = patiently("the load ends", Duration::from_mins(6), async || {
            let job = self.api.json(&job).await?;
            let conditions = job["status"]["conditions"].as_array()?;
            conditions.iter().find(|one| one["type"] == "Complete" || one["type"] == "Failed").cloned()
        })
        .await;
        self.kubectl.run(&format!("-n {NAMESPACE} logs job/shopfront-loadtest --tail 20")).await;
        assert_eq!(outcome["type"], "Complete", "{outcome}");
    }

    /// A pod's own `/metrics`, through the API server.
    pub async fn metrics_of(&self, pod: &str) -> Option<String> {
        self.api.text(&format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}:9898/proxy/metrics")).await
    }

    /// Client requests that each of these pods has counted.
    pub async fn counted(&self, pods: &[String]) -> Vec<f64> {
        let mut counts = Vec::new();
        for pod in pods {
            let text = self.metrics_of(pod).await.unwrap_or_default();
            counts.push(sum_of(&text, &format!("{}{{", shopfront::metrics::REQUESTS_TOTAL)));
        }
        counts
    }

    /// What each replica of Prometheus answers to a query: one number each, where it has one.
    pub async fn prometheus(&self, query: &str) -> Vec<Option<f64>> {
        let replicas = pods(&self.api, "monitoring", "app.kubernetes.io%2Fname%3Dprometheus").await.unwrap_or_default();
        let query = query.bytes().fold(String::new(), |text, byte| format!("{text}%{byte:02X}"));
        let mut answers = Vec::new();
        for replica in replicas.iter().map(crate::observer::name) {
            let path = format!("/api/v1/namespaces/monitoring/pods/{replica}:9090/proxy/api/v1/query?query={query}");
            let answer = self.api.json(&path).await;
            let value = answer.and_then(|answer| answer["data"]["result"][0]["value"][1].as_str()?.parse().ok());
            answers.push(value);
        }
        answers
    }

    /// For whoever has to find out why a step failed.
    pub async fn show_what_is_there(&self) {
        self.transcript.step("what there is after a failure");
        for question in ["describe hpa", "get pods -o wide", "events --types Warning"] {
            let question = format!("-n {NAMESPACE} {question}");
            let answer = self.kubectl.attempt(&question, "").await.unwrap_or_else(|error| error);
            self.transcript.command(&format!("kubectl {question}"), &answer);
        }
    }

    /// Takes everything off the cluster, gives kube-prometheus its configuration back, and says what is still there.
    pub async fn remove(&self) -> Result<(), String> {
        let kubectl = async |arguments: &str| {
            let output = self.kubectl.attempt(arguments, "").await?;
            self.transcript.command(&format!("kubectl {arguments}"), &output);
            Ok::<_, String>(())
        };
        let mut outcomes = Vec::new();
        match self.scaler {
            Scaler::Adapter => {
                outcomes.push(kubectl("delete -k k8s --ignore-not-found --timeout 3m").await);
                outcomes.push(kubectl("replace --force -f adapter-config.bak").await);
                outcomes.push(kubectl("-n monitoring rollout restart deployment prometheus-adapter").await);
                outcomes.push(kubectl("-n monitoring rollout status deployment prometheus-adapter --timeout 3m").await);
            }
            Scaler::Keda => {
                outcomes.push(kubectl("delete -k k8s/keda --ignore-not-found --timeout 3m").await);
                outcomes
                    .push(kubectl("delete -k k8s -l scaler!=prometheus-adapter --ignore-not-found --timeout 3m").await);
            }
        }
        let left = [
            format!("get namespace {NAMESPACE} --ignore-not-found"),
            "get apiservice v1beta1.custom.metrics.k8s.io --ignore-not-found".to_owned(),
            "-n monitoring get servicemonitor shopfront-monitor --ignore-not-found".to_owned(),
            "-n monitoring get networkpolicy prometheus-k8s-keda --ignore-not-found".to_owned(),
        ];
        for question in left {
            let output = self.kubectl.attempt(&question, "").await;
            self.transcript.command(&format!("kubectl {question}"), output.as_deref().unwrap_or_default());
            outcomes.push(output.and_then(|output| if output.is_empty() { Ok(()) } else { Err(output) }));
        }
        outcomes.into_iter().collect()
    }
}

/// Asks four times a second until the answer is there.
pub async fn patiently<T>(what: &str, bound: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asked = async {
        let mut turns = tokio::time::interval(Duration::from_millis(250));
        loop {
            turns.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    };
    tokio::time::timeout(bound, asked).await.unwrap_or_else(|_| panic!("not within {bound:?}: {what}"))
}

/// The sum of all series that begin so.
pub fn sum_of(text: &str, series: &str) -> f64 {
    let lines = text.lines().filter(|line| line.starts_with(series));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("the folder is there") {
        let entry = entry.expect("the folder can be read");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a file can be copied");
        }
    }
}
