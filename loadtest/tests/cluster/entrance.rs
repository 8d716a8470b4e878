//! The way in for clients from outside the cluster.

use std::time::Duration;

use crate::cluster::observer::NAMESPACE;
use crate::cluster::workload::patiently;
use crate::steps::Run;

/// A cloud names a load balancer within this time; a cluster without one never does.
const NAMED: Duration = Duration::from_mins(2);

/// The name of a new load balancer takes minutes to be known, and its targets to be taken in.
const SERVING: Duration = Duration::from_mins(5);

/// A load balancer that answers.
pub struct Entrance {
    pub host: String,
    pub port: u16,
}

impl Run {
    /// None where the cluster has no load balancers: kubectl's port-forward then answers, and shows no more than that.
    pub async fn the_load_balancer_answers(&self) -> Option<Entrance> {
        self.transcript.step("3. the load balancer answers");
        let entrance = self.load_balancer().await.map(|host| Entrance { host, port: 80 });
        let (url, _forward) = if let Some(Entrance { host, port }) = &entrance {
            (format!("http://{host}:{port}"), None)
        } else {
            let forward = self.workload.kubectl.forward(NAMESPACE, "svc/shopfront-svc", 80).await;
            self.transcript.say("no load balancer here: $ kubectl port-forward svc/shopfront-svc :80");
            (forward.base.clone(), Some(forward))
        };
        self.it_answers(&url).await;
        entrance
    }

    /// The name or the address of the Service's load balancer, once there is one.
    async fn load_balancer(&self) -> Option<String> {
        let service = format!("/api/v1/namespaces/{NAMESPACE}/services/shopfront-svc");
        let named = async {
            let mut turns = tokio::time::interval(Duration::from_millis(250));
            loop {
                turns.tick().await;
                let service = self.workload.api.json(&service).await.unwrap_or_default();
                let ingress = &service["status"]["loadBalancer"]["ingress"][0];
                for field in ["hostname", "ip"] {
                    if let Some(host) = ingress[field].as_str() {
                        return (field, host.to_owned());
                    }
                }
            }
        };
        let (field, host) = tokio::time::timeout(NAMED, named).await.ok()?;
        let path =
            format!("-n {NAMESPACE} get svc shopfront-svc -o jsonpath={{.status.loadBalancer.ingress[].{field}}}");
        self.workload.kubectl.run(&path).await;
        Some(host)
    }

    async fn it_answers(&self, url: &str) {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().expect("a client can be made");
        let get = async |path: &str| {
            let answer = client.get(format!("{url}{path}")).send().await.ok()?.error_for_status().ok()?;
            answer.text().await.ok()
        };
        let document = patiently("the load balancer hands requests on", SERVING, async || get("/").await).await;
        self.transcript.command(&format!("curl {url}"), &document);
        assert!(document.starts_with("runtime:\n  arch: ") && document.contains("\nenvironment:\n"), "{document}");
        assert!(document.contains("\n  SHOPFRONT_SVC_SERVICE_HOST: "), "the Service's variables: {document}");
        let metrics = get("/metrics").await.expect("it answers");
        let counted: Vec<_> = metrics.lines().filter(|line| line.starts_with("http_requests_total{")).collect();
        self.transcript.command(&format!("curl {url}/metrics | grep ^http_requests_total"), &counted.join("\n"));
        assert!(counted.iter().any(|line| line.contains("path=\"root\"")), "{metrics}");
    }
}
