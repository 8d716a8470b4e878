//! The replicas of Prometheus, each asked by itself.

use crate::cluster::kubectl::{Api, Kubectl};
use crate::cluster::observer::{name, pods};

pub struct Prometheus {
    replicas: Vec<Api>,
}

impl Prometheus {
    /// Through port-forwards: where policies are enforced, kube-prometheus' own keeps the API server's proxy out.
    pub async fn reach(kubectl: &Kubectl, api: &Api) -> Self {
        let found = pods(api, "monitoring", "app.kubernetes.io%2Fname%3Dprometheus").await.expect("pods can be listed");
        let mut replicas = Vec::new();
        for replica in &found {
            replicas.push(kubectl.forward("monitoring", &format!("pod/{}", name(replica)), 9090).await);
        }
        Self { replicas }
    }

    /// What each replica answers to a query: one number each, where it has one.
    pub async fn ask(&self, query: &str) -> Vec<Option<f64>> {
        let query = query.bytes().fold(String::new(), |text, byte| format!("{text}%{byte:02X}"));
        let mut answers = Vec::new();
        for replica in &self.replicas {
            let answer = replica.json(&format!("/api/v1/query?query={query}")).await;
            answers.push(answer.and_then(|answer| answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()));
        }
        answers
    }
}
