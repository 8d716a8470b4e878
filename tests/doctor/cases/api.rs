//! The API that the HPA reads: registered, available, and whose.

use loadtest::doctor::catalogue::Cause;

use super::monitoring;
use crate::case::Case;

const API: &str = "v1beta1.custom.metrics.k8s.io";
const API_BACK: &str = "kubectl apply -f k8s/custom-metrics-apiservice.yaml";

pub fn cases() -> Vec<Case> {
    vec![missing(), wrong_port(), no_adapter(), another()]
}

pub fn missing() -> Case {
    let line = format!("kubectl delete apiservice {API}");
    Case::new(Cause::ApiServiceMissing, "the APIService deleted", line, API_BACK).tidied().quick()
}

pub fn wrong_port() -> Case {
    let line = format!(r#"kubectl patch apiservice {API} --type merge -p '{{"spec":{{"service":{{"port":444}}}}}}'"#);
    Case::new(Cause::ApiServiceUnavailable, "a port that the adapter's Service has not", line, API_BACK)
}

pub fn no_adapter() -> Case {
    let line = monitoring("scale deployment prometheus-adapter --replicas 0");
    Case::new(
        Cause::ApiServiceUnavailable,
        "the adapter scaled to 0",
        line,
        "kubectl replace -f adapter.bak && kubectl -n monitoring rollout status deployment prometheus-adapter --timeout 2m",
    )
}

fn another() -> Case {
    let other = r#"{"spec":{"service":{"namespace":"miztiik-automation-ns","name":"shopfront-svc","port":80}}}"#;
    let line = format!("kubectl patch apiservice {API} --type merge -p '{other}'");
    Case::new(Cause::AnotherServer, "the APIService of another server", line, API_BACK)
}
