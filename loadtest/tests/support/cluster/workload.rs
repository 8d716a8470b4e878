//! Applies the manifests as docs/KUBERNETES.md describes, and makes the changes that it describes.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::kubectl::{Api, Kubectl};
use super::observer::NAMESPACE;
use super::settings::{Scaler, Settings};
use super::transcript::Transcript;

/// The file in which docs/KUBERNETES.md keeps the adapter's configuration.
const COPY: &str = "adapter-config.bak";

/// The manifests of a run, and the objects that were there before.
pub struct Workload {
    pub kubectl: Kubectl,
    pub api: Api,
    pub transcript: Transcript,
    pub scaler: Scaler,
    /// Contains `k8s/` and the adapter's configuration from before.
    folder: tempfile::TempDir,
}

impl Workload {
    /// Copies `k8s/` with the image's name, as docs/KUBERNETES.md describes, and the adapter's present configuration.
    pub async fn prepare(settings: &Settings, transcript: Transcript) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../k8s"), &folder.path().join("k8s"));
        for (file, image) in [("shopfront.yml", &settings.image), ("loadtest.yml", &settings.loadtest_image)] {
            let manifest = folder.path().join("k8s").join(file);
            let text = std::fs::read_to_string(&manifest).expect("the manifest is there");
            std::fs::write(&manifest, with_image(&text, image)).expect("the copy can be written");
        }
        // docs/KUBERNETES.md adds the component to k8s/ itself, but the other steps need that without the component.
        let overlay = folder.path().join("with-ops");
        std::fs::create_dir(&overlay).expect("a folder can be made");
        std::fs::write(overlay.join("kustomization.yaml"), "resources: [../k8s]\ncomponents: [../k8s/ops]\n")
            .expect("the overlay can be written");
        let kubectl = Kubectl::new(&settings.kubeconfig, folder.path(), transcript.clone());
        let api = kubectl.api().await;
        let workload = Self { kubectl, api, transcript, scaler: settings.scaler, folder };
        workload.nothing_is_there_yet().await;
        if workload.scaler == Scaler::Adapter {
            workload.copy_the_configuration().await;
        }
        workload
    }

    async fn copy_the_configuration(&self) {
        let config = self.kubectl.quietly("-n monitoring get configmap adapter-config -o yaml").await;
        std::fs::write(self.folder.path().join(COPY), config).expect("the copy can be written");
        self.transcript.command(&format!("kubectl -n monitoring get configmap adapter-config -o yaml > {COPY}"), "");
    }

    /// The adapter's configuration from before.
    pub fn copied_configuration(&self) -> String {
        std::fs::read_to_string(self.folder.path().join(COPY)).expect("the copy is there")
    }

    /// Checks that the API server would accept every manifest.
    pub async fn dry_run(&self) {
        let mut files: Vec<_> =
            ["-f k8s/loadtest.yml", "-k k8s", "-k with-ops", "-k k8s/observability", "-f k8s/keda/networkpolicy.yaml"]
                .map(str::to_owned)
                .into();
        files.extend(self.manifests().into_iter().map(|file| format!("-f k8s/{file}")));
        if self.api.json("/apis/keda.sh/v1alpha1").await.is_some() {
            files.extend(["-k k8s/keda", "-k k8s/keda-to-zero"].map(str::to_owned));
        } else {
            self.transcript.say("no KEDA here: -k k8s/keda and -k k8s/keda-to-zero are not tried");
        }
        for file in files {
            self.kubectl.run(&format!("apply --dry-run=server --validate=strict {file}")).await;
        }
    }

    /// The files that docs/KUBERNETES.md applies.
    fn manifests(&self) -> Vec<String> {
        let text = self.read("kustomization.yaml");
        let kustomization: Value = serde_saphyr::from_str(&text).expect("the kustomization is YAML");
        let files = kustomization["resources"].as_array().expect("it lists resources");
        files.iter().map(|file| file.as_str().expect("a name").to_owned()).collect()
    }

    pub fn read(&self, file: &str) -> String {
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
                // If no policy selects Prometheus yet, this one would block all other clients.
                let guarded =
                    self.kubectl.run("-n monitoring get networkpolicy prometheus-k8s --ignore-not-found").await;
                if !guarded.is_empty() {
                    self.kubectl.run("apply -f k8s/keda/networkpolicy.yaml").await;
                }
                self.kubectl.run("apply -k k8s/keda").await;
            }
        }
    }

    async fn restart_adapter(&self) {
        self.kubectl.run("-n monitoring rollout restart deployment prometheus-adapter").await;
        self.kubectl.run("-n monitoring rollout status deployment prometheus-adapter --timeout 3m").await;
    }

    /// Makes the documented one-line change of the rule.
    pub async fn shorten_the_window(&self) {
        let rule = self.read("custom-metrics-config.yaml");
        let source = r"sed 's/\[2m\]/[1m]/' k8s/custom-metrics-config.yaml";
        self.kubectl.run_with(source, "apply -f -", &rule.replace("[2m]", "[1m]")).await;
        self.restart_adapter().await;
    }

    /// Sets the HPA's stabilisation window for scaling in, whose default is 300 s.
    pub async fn stabilise_for(&self, seconds: u32) {
        let behavior = json!({"scaleDown": {"stabilizationWindowSeconds": seconds}});
        let (object, patch) = match self.scaler {
            Scaler::Adapter => ("hpa shopfront-hpa", json!({"spec": {"behavior": behavior}})),
            Scaler::Keda => (
                "scaledobject shopfront-scaledobject",
                json!({"spec": {"advanced": {"horizontalPodAutoscalerConfig": {"behavior": behavior}}}}),
            ),
        };
        self.kubectl.run(&format!("-n {NAMESPACE} patch {object} --type merge --patch {patch}")).await;
    }

    /// Waits for a new configuration of Prometheus, and makes the kubelet update it.
    pub async fn hasten_the_scrape_configuration(&self, before: &Value) {
        patiently("the operator writes Prometheus' configuration", Duration::from_mins(2), async || {
            (self.scrape_configuration().await? != *before).then_some(())
        })
        .await;
        self.hand_the_scrape_configuration_on().await;
    }

    /// Makes the kubelet update Prometheus' configuration now, instead of within two minutes. It does so for a pod that
    /// changes, and an annotation is such a change.
    pub async fn hand_the_scrape_configuration_on(&self) {
        for change in ["shopfront-test=now", "shopfront-test-"] {
            let annotate = "-n monitoring annotate pods -l app.kubernetes.io/name=prometheus --overwrite";
            // A pod that has just gone needs no update.
            let _ = self.kubectl.attempt(&format!("{annotate} {change}"), "").await;
        }
    }

    /// A value that changes with Prometheus' configuration.
    pub async fn scrape_configuration(&self) -> Option<Value> {
        let secret = self.api.json("/api/v1/namespaces/monitoring/secrets/prometheus-k8s").await?;
        Some(secret["metadata"]["resourceVersion"].clone())
    }

    /// Prints the state of the cluster after a failed step.
    pub async fn show_what_is_there(&self) {
        let questions =
            ["describe hpa", "get pods -o wide", "events --types Warning", "logs job/shopfront-loadtest --tail 5"];
        self.transcript.state(&self.kubectl, NAMESPACE, &questions).await;
    }
}

/// Retries four times a second until there is an answer.
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

/// The manifest with this image.
fn with_image(manifest: &str, image: &str) -> String {
    let (before, rest) = manifest.split_once("image: ").expect("the image's line is there");
    let name = rest.find(char::is_whitespace).expect("more lines follow it");
    format!("{before}image: {image}{}", &rest[name..])
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
