//! The release, and each step with it.

use std::time::Duration;

use crate::cluster::kubectl::Kubectl;
use crate::cluster::settings::{Scaler, Settings};
use crate::cluster::transcript::Transcript;
use crate::helm::Helm;

/// A namespace of this test's own, which must not exist before.
const NAMESPACE: &str = "shopfront-chart-test";

const RELEASE: &str = "shop";

const CHART: &str = "charts/shopfront";

/// What the objects are called.
const NAME: &str = "shop-shopfront";

/// Helm renders for the cluster, and reads its objects, only with both flags.
const ASK: [&str; 3] = ["--dry-run=server", "--api-versions", "monitoring.coreos.com/v1/Prometheus"];

const VERSIONS: [&str; 8] = ["1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37"];

/// Until Prometheus has new targets, the adapter the new series, and the HPA its value.
const VALUE_WITHIN: Duration = Duration::from_mins(6);

pub struct Release {
    helm: Helm,
    kubectl: Kubectl,
    transcript: Transcript,
    scaler: Scaler,
    values: Vec<String>,
}

impl Release {
    pub fn new(settings: &Settings, kubectl: Kubectl, transcript: Transcript) -> Self {
        let image = |key: &str, image: &str| {
            let (repository, tag) = image.rsplit_once(':').expect("the image has a tag");
            [format!("{key}.repository={repository}"), format!("{key}.tag={tag}")]
        };
        let scaler = match settings.scaler {
            Scaler::Adapter => "scaler=adapter",
            Scaler::Keda => "scaler=keda",
        };
        let own = [
            scaler,
            "networkPolicy.enabled=true",
            "dashboard.enabled=true",
            "alerts.enabled=true",
            // The default is five minutes.
            "autoscaling.behavior.scaleDown.stabilizationWindowSeconds=15",
            "test.expectReplicas=3",
        ];
        let images = [image("image", &settings.image), image("test.image", &settings.loadtest_image)];
        let values = own.map(str::to_owned).into_iter().chain(images.into_iter().flatten()).collect();
        Self {
            helm: Helm::new(kubectl.clone(), transcript.clone()),
            kubectl,
            transcript,
            scaler: settings.scaler,
            values,
        }
    }

    /// The release and its chart, with the values of this test and these.
    fn with(&self, arguments: &[&str]) -> Vec<String> {
        let fixed = [RELEASE, CHART, "--namespace", NAMESPACE].into_iter().chain(arguments.iter().copied());
        let values = self.values.iter().flat_map(|value| ["--set".to_owned(), value.clone()]);
        // Later values win.
        let (flags, sets): (Vec<_>, Vec<_>) = (fixed.map(str::to_owned).collect(), values.collect());
        flags[..4].iter().chain(&sets).chain(&flags[4..]).cloned().collect()
    }

    async fn upgrade(&self, arguments: &[&str]) -> String {
        let all = self.with(arguments);
        let all: Vec<_> = ["upgrade", "--install", "--wait", "--timeout", "5m"]
            .into_iter()
            .chain(all.iter().map(String::as_str))
            .collect();
        self.helm.run(&all).await
    }

    fn hpa(&self) -> String {
        match self.scaler {
            Scaler::Adapter => NAME.to_owned(),
            Scaler::Keda => format!("{NAME}-keda"),
        }
    }

    pub async fn nothing_is_there_yet(&self) {
        let there = self.kubectl.quietly(&format!("get namespace {NAMESPACE} --ignore-not-found -o name")).await;
        assert!(there.is_empty(), "namespace {NAMESPACE} exists, and is not this test's to delete");
    }

    /// Every version's manifests, in the version that runs. Its namespace holds the pods to the restricted standard.
    pub async fn the_api_server_accepts_every_version(&self) {
        self.transcript.step("the API server accepts what each version gets");
        self.kubectl.run(&format!("create namespace {NAMESPACE}")).await;
        let label = "pod-security.kubernetes.io/enforce=restricted";
        self.kubectl.run(&format!("label namespace {NAMESPACE} {label}")).await;
        for version in VERSIONS {
            let arguments = self.with(&[&ASK[..], &["--kube-version", version]].concat());
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            let manifests = self.helm.template(&arguments).await;
            let source = format!("helm template --kube-version {version}");
            self.kubectl.run_with(&source, "apply --dry-run=server --validate=strict -f -", &manifests).await;
        }
    }

    /// The chart reads the labels that Prometheus selects by. Whoever may not gets one line that says what to set.
    pub async fn without_the_right_to_list_prometheus_helm_says_what_to_set(&self) {
        self.transcript.step("without the right to list Prometheus objects");
        let stranger = format!("--kube-as-user=system:serviceaccount:{NAMESPACE}:default");
        let flags = ["--kube-version=1.34", &stranger];
        let ask = async |more: &[&str]| {
            let arguments = self.with(&[&ASK, &flags[..], more].concat());
            let arguments: Vec<_> = ["template"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
            self.helm.attempt(&arguments).await
        };
        let refused = ask(&[]).await.expect_err("it may not list them");
        assert!(refused.contains("forbidden") && refused.contains("set monitor.lookup=false"), "{refused}");
        // It has no other right either, so Helm may stop at the next one.
        let without = ask(&["--set", "monitor.lookup=false,keda.serverAddress=http://prometheus:9090"]).await;
        let said = without.unwrap_or_else(|error| error);
        assert!(!said.contains("prometheuses"), "{said}");
    }

    pub async fn install(&self) {
        self.transcript.step("install");
        let notes = self.upgrade(&[]).await;
        assert!(notes.contains("helm test shop") && !notes.contains("did not see a Prometheus object"), "{notes}");
        self.kubectl.run(&format!("-n {NAMESPACE} get servicemonitor {NAME} --show-labels")).await;
    }

    pub async fn the_hpa_has_a_value(&self) {
        self.transcript.step("the HPA has a value");
        let question = format!("-n {NAMESPACE} get hpa {} -o jsonpath={{.status.currentMetrics}}", self.hpa());
        self.kubectl.eventually(VALUE_WITHIN, &question, |answer| answer.contains("averageValue")).await;
    }

    /// The doctor, the load and the verdict, from inside the cluster.
    pub async fn helm_test_scales_out(&self) {
        self.transcript.step("helm test");
        let said = self.helm.run(&["test", RELEASE, "--namespace", NAMESPACE, "--timeout", "10m"]).await;
        assert!(said.contains("Succeeded") && said.contains("PASSED"), "{said}");
    }

    pub async fn one_pod_is_left(&self) {
        self.transcript.step("back to one pod");
        let question = format!("-n {NAMESPACE} get deployment {NAME} -o jsonpath={{.status.replicas}}");
        self.kubectl.eventually(VALUE_WITHIN, &question, |replicas| replicas == "1").await;
    }

    /// The load comes from the test's own Job, applied by hand. It expects every request to succeed.
    pub async fn an_upgrade_loses_no_request(&self) {
        self.transcript.step("an upgrade under load");
        let show = ["--show-only", "templates/test.yaml", "--kube-version", "1.34"];
        let load = ["--set", "scaler=none,networkPolicy.enabled=false,test.stages[0]=10rps:90s"];
        let arguments = self.with(&[&show[..], &load].concat());
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let job = self.helm.template(&arguments).await;
        self.kubectl.run_with("the test's Job", &format!("-n {NAMESPACE} apply -f -"), &job).await;
        let started = format!("-n {NAMESPACE} get job {NAME}-test -o jsonpath={{.status.ready}}");
        self.kubectl.eventually(Duration::from_mins(2), &started, |ready| ready == "1").await;
        self.upgrade(&["--set", "podAnnotations.revision=second"]).await;
        assert_eq!(self.annotation().await, "second");
        let wait = format!("-n {NAMESPACE} wait job/{NAME}-test --for=condition=complete --timeout=200s");
        let ended = self.kubectl.attempt(&wait, "").await;
        self.kubectl.run(&format!("-n {NAMESPACE} logs job/{NAME}-test --tail 30")).await;
        ended.unwrap_or_else(|error| panic!("{error}"));
        self.kubectl.run(&format!("-n {NAMESPACE} delete job {NAME}-test")).await;
    }

    /// The pod template's, which says the revision.
    async fn annotation(&self) -> String {
        let path = "{.spec.template.metadata.annotations.revision}";
        self.kubectl.run(&format!("-n {NAMESPACE} get deployment {NAME} -o jsonpath={path}")).await
    }

    pub async fn a_rollback_brings_the_first_revision_back(&self) {
        self.transcript.step("rollback");
        self.helm.run(&["rollback", RELEASE, "1", "--namespace", NAMESPACE, "--wait", "--timeout", "5m"]).await;
        assert_eq!(self.annotation().await, "");
        self.the_hpa_has_a_value().await;
    }

    /// Each scaler's HPA is gone when the other's is there.
    pub async fn another_scaler_and_back(&self) {
        self.transcript.step("another scaler, and back");
        let question = format!("-n {NAMESPACE} get hpa -o name");
        let alone = async |name: &str| {
            let name = format!("horizontalpodautoscaler.autoscaling/{name}");
            self.kubectl.eventually(Duration::from_mins(2), &question, |names| names.trim() == name).await;
        };
        self.upgrade(&["--set", "scaler=cpu"]).await;
        alone(NAME).await;
        self.upgrade(&[]).await;
        alone(&self.hpa()).await;
        self.the_hpa_has_a_value().await;
    }

    pub async fn an_uninstall_leaves_nothing(&self) {
        self.transcript.step("uninstall");
        self.helm.run(&["uninstall", RELEASE, "--namespace", NAMESPACE, "--wait", "--timeout", "5m"]).await;
        let kinds = self.kubectl.quietly("api-resources --verbs=list --namespaced -o name").await;
        // Events stay for an hour, and a gone pod's usage for a minute.
        let kinds: Vec<_> =
            kinds.lines().filter(|kind| !kind.starts_with("events") && !kind.ends_with("metrics.k8s.io")).collect();
        let question = format!("-n {NAMESPACE} get {} -o name", kinds.join(","));
        let own = ["configmap/kube-root-ca.crt", "serviceaccount/default"];
        self.kubectl.eventually(Duration::from_mins(2), &question, |names| names.lines().eq(own)).await;
    }

    pub async fn show_what_is_there(&self) {
        let questions =
            ["describe hpa", "get all -o wide", "events --types Warning", "get servicemonitors --show-labels"];
        self.transcript.state(&self.kubectl, NAMESPACE, &questions).await;
    }

    /// Deletes the release, if a failure left it, and the namespace.
    pub async fn remove(&self) -> Result<(), String> {
        // Where all went well, there is none.
        let _ = self.helm.attempt(&["uninstall", RELEASE, "--namespace", NAMESPACE, "--wait", "--timeout", "3m"]).await;
        self.kubectl
            .attempt(&format!("delete namespace {NAMESPACE} --ignore-not-found --timeout 3m"), "")
            .await
            .map(drop)
    }
}
