//! Causes at the API that the HPA reads: its registration, its availability, and its server.

use loadtest::doctor::catalogue::Cause;

use super::adapter::DEPLOYMENT_BACK;
use super::monitoring;
use crate::case::Case;

const API: &str = "v1beta1.custom.metrics.k8s.io";
const API_BACK: &str = "kubectl apply -f k8s/custom-metrics-apiservice.yaml";

pub fn cases() -> Vec<Case> {
    vec![missing(), wrong_port(), no_adapter(), adapter_crashes(), nobody_listens(), another()]
}

pub fn missing() -> Case {
    let line = format!("kubectl delete apiservice {API}");
    Case::new(Cause::ApiServiceMissing, "the APIService deleted", line, API_BACK).tidied().quick()
}

pub fn wrong_port() -> Case {
    let line = format!(r#"kubectl patch apiservice {API} --type merge -p '{{"spec":{{"service":{{"port":444}}}}}}'"#);
    Case::new(Cause::ApiServiceUnavailable, "a port that the adapter's Service does not have", line, API_BACK)
        .by_hand("the API's server is shared")
}

pub fn no_adapter() -> Case {
    let line = monitoring("scale deployment prometheus-adapter --replicas 0");
    Case::new(Cause::ApiServiceUnavailable, "the adapter scaled to 0", line, DEPLOYMENT_BACK)
        .by_hand("the API's server is shared")
}

/// With the strategy Recreate, the last pod goes before the new one comes.
fn adapter_crashes() -> Case {
    let get = monitoring("get deployment prometheus-adapter -o yaml");
    let change = r"s/--secure-port=/--no-such-flag=/; s/type: RollingUpdate/type: Recreate/; /^    rollingUpdate:/,+2d";
    let line = format!("{get} | sed '{change}' | kubectl replace -f -");
    Case::new(Cause::ApiServiceUnavailable, "a flag that the adapter does not know", line, DEPLOYMENT_BACK)
        .by_hand("the API's server is shared")
}

fn nobody_listens() -> Case {
    let line = monitoring(
        r#"patch service prometheus-adapter --type json -p '[{"op":"replace","path":"/spec/ports/0/targetPort","value":8443}]'"#,
    );
    let undo = "kubectl replace -f adapter-service.bak";
    // Open connections would stay open, so the adapter restarts.
    Case::new(Cause::ApiServiceUnavailable, "a targetPort where no adapter listens", line, undo)
        .by_hand("the API's server is shared")
        .then(super::adapter::RESTART)
        .tidied()
}

fn another() -> Case {
    let other = r#"{"spec":{"service":{"namespace":"miztiik-automation-ns","name":"shopfront-svc","port":80}}}"#;
    let line = format!("kubectl patch apiservice {API} --type merge -p '{other}'");
    Case::new(Cause::AnotherServer, "the APIService of another server", line, API_BACK)
        .by_hand("others may use the present server")
}
