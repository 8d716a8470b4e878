//! Deletes the manifests from the cluster, and checks that it is as before.

use serde_json::Value;

use super::observer::NAMESPACE;
use super::settings::Scaler;
use super::workload::Workload;

impl Workload {
    /// The manifests' namespace, and their objects outside of it. They must not exist before and after.
    fn own_objects(&self) -> Vec<String> {
        let mut own =
            vec![format!("namespace {NAMESPACE}"), "-n monitoring servicemonitor shopfront-monitor".to_owned()];
        own.push("-n monitoring role shopfront-loadtest".to_owned());
        own.push(match self.scaler {
            Scaler::Adapter => "apiservice v1beta1.custom.metrics.k8s.io".to_owned(),
            Scaler::Keda => "-n monitoring networkpolicy prometheus-k8s-keda".to_owned(),
        });
        own
    }

    /// Fails if the objects exist, because this test would overwrite and delete them.
    pub async fn nothing_is_there_yet(&self) {
        for object in self.own_objects() {
            let there = self.kubectl.quietly(&format!("get {object} --ignore-not-found")).await;
            assert!(
                there.is_empty(),
                "there already, and not this test's to delete; docs/KUBERNETES.md says how to remove it:\n{there}"
            );
        }
    }

    /// Deletes everything, restores kube-prometheus' configuration, and fails with what is left.
    pub async fn remove(&self) -> Result<(), String> {
        let commands: &[&str] = match self.scaler {
            Scaler::Adapter => &[
                "delete -f k8s/loadtest.yml --ignore-not-found --timeout 3m",
                "delete -k k8s --ignore-not-found --timeout 3m",
                "replace --force -f adapter-config.bak",
                "-n monitoring rollout restart deployment prometheus-adapter",
                "-n monitoring rollout status deployment prometheus-adapter --timeout 3m",
            ],
            Scaler::Keda => &[
                "delete -f k8s/loadtest.yml --ignore-not-found --timeout 3m",
                "delete -k k8s/keda --ignore-not-found --timeout 3m",
                "delete -k k8s -l scaler!=prometheus-adapter --ignore-not-found --timeout 3m",
                "delete -f k8s/keda/networkpolicy.yaml --ignore-not-found",
            ],
        };
        let mut outcomes = Vec::new();
        for command in commands {
            let output = self.kubectl.attempt(command, "").await;
            self.transcript.command(&format!("kubectl {command}"), output.as_deref().unwrap_or_default());
            outcomes.push(output.map(drop));
        }
        for object in self.own_objects() {
            let question = format!("get {object} --ignore-not-found");
            let output = self.kubectl.attempt(&question, "").await;
            self.transcript.command(&format!("kubectl {question}"), output.as_deref().unwrap_or_default());
            outcomes.push(output.and_then(|output| if output.is_empty() { Ok(()) } else { Err(output) }));
        }
        if self.scaler == Scaler::Adapter {
            outcomes.push(self.the_adapter_s_configuration_is_back().await);
        }
        outcomes.into_iter().collect()
    }

    async fn the_adapter_s_configuration_is_back(&self) -> Result<(), String> {
        let data = |text: &str| {
            let object: Value = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
            Ok::<_, String>(object["data"].clone())
        };
        let now = data(&self.kubectl.attempt("-n monitoring get configmap adapter-config -o yaml", "").await?)?;
        let before = data(&self.copied_configuration())?;
        if now != before {
            return Err(format!("adapter-config held {before}, and holds {now}"));
        }
        self.transcript.say("adapter-config holds what it held before");
        Ok(())
    }
}
