//! A fake API server with a secret in every place that the doctor reads.

use serde_json::{Value, json};

use crate::chain::{Api, chain, list};

/// The corpus: places and values. A number in each value identifies it.
pub fn corpus() -> Vec<(String, String)> {
    let path = format!("{}/tests/corpora/bundle.txt", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the corpus is there");
    let lines = text.lines().filter(|line| !line.starts_with('#')).enumerate();
    lines
        .map(|(number, line)| {
            let (place, value) = line.split_once(' ').expect("a line is PLACE VALUE");
            (place.to_owned(), value.replace("\\n", "\n").replace("hidden", &format!("hidden{number:03}x")))
        })
        .collect()
}

/// The chain with each value of the corpus in its place.
pub fn planted(corpus: &[(String, String)]) -> Api {
    let of = |wanted: &str| -> Vec<&str> {
        corpus.iter().filter(|(place, _)| place == wanted).map(|(_, value)| &**value).collect()
    };
    let numbered = |prefix: &str, values: &[&str]| -> Value {
        values.iter().enumerate().map(|(at, value)| (format!("{prefix}{at}"), json!(value))).collect()
    };
    let mut api = chain();
    api.forbidden.retain(|path| !path.ends_with("/events"));
    let annotations = numbered("shop.example/note-", &of("annotation"));
    let pods = document(&mut api, "/api/v1/namespaces/shop/pods");
    let pod = &mut pods["items"][0];
    pod["metadata"]["annotations"] = annotations.clone();
    pod["spec"]["volumes"] = json!([{"csi": {"volumeAttributes": {"key": of("csi")}}}]);
    containers(&mut pod["spec"], &of);
    pod["status"]["containerStatuses"] = statuses(&of);
    pod["status"]["conditions"] = conditions("Ready", &of("condition"));
    let services = document(&mut api, "/api/v1/namespaces/shop/services");
    services["items"][0]["metadata"]["annotations"] = numbered("shop.example/", &of("service-annotation"));

    let workload = document(&mut api, "/apis/apps/v1/namespaces/shop/statefulsets/till");
    workload["metadata"]["annotations"] = annotations;
    let template = json!({"containers": [{"name": "main", "args": of("args"), "command": of("command")}]});
    workload["spec"]["template"]["spec"] = template;
    let owner = json!([{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "till"}]);
    let hpa = document(&mut api, "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/hpa");
    hpa["metadata"]["ownerReferences"] = owner;
    hpa["status"] = json!({"conditions": conditions("ScalingActive", &of("condition"))});
    let monitors = document(&mut api, "/apis/monitoring.coreos.com/v1/servicemonitors");
    let endpoint = &mut monitors["items"][0]["spec"]["endpoints"][0];
    endpoint["params"] = json!({"token": of("monitor")});
    endpoint["authorization"] = json!({"credentials": of("monitor")});
    watching(&mut api, &of);
    api.documents.push(("/api/v1/namespaces/shop/events", list("Event", &events(&of))));
    api.documents.push(("/apis/keda.sh/v1alpha1/namespaces/shop/scaledobjects/till", scaled_object(&of("trigger"))));
    api
}

fn document<'a>(api: &'a mut Api, path: &str) -> &'a mut Value {
    let found = api.documents.iter_mut().find(|(known, _)| *known == path);
    &mut found.unwrap_or_else(|| panic!("the chain has {path}")).1
}

fn containers<'a>(spec: &mut Value, of: &impl Fn(&str) -> Vec<&'a str>) {
    let main = &mut spec["containers"][0];
    main["args"] = json!(of("args"));
    main["command"] = json!(of("command"));
    let variables = of("env").into_iter().map(|value| json!({"name": "SETTING", "value": value}));
    main["env"] = variables.collect();
    let headers = of("probe-header").into_iter().map(|value| json!({"name": "X-Note", "value": value}));
    let headers: Value = headers.collect();
    let probes =
        |path: &&str| json!({"name": "probed", "readinessProbe": {"httpGet": {"path": path, "httpHeaders": headers}}});
    let commands = |command: &&str| json!({"name": "probed", "livenessProbe": {"exec": {"command": [command]}}});
    let all: Vec<Value> = of("probe-path").iter().map(probes).chain(of("probe-command").iter().map(commands)).collect();
    spec["containers"].as_array_mut().expect("it has one").extend(all);
}

fn statuses<'a>(of: &impl Fn(&str) -> Vec<&'a str>) -> Value {
    let waiting =
        of("waiting").into_iter().map(|message| json!({"waiting": {"reason": "CrashLoopBackOff", "message": message}}));
    let ended = of("terminated")
        .into_iter()
        .map(|message| json!({"terminated": {"reason": "Error", "exitCode": 1, "message": message}}));
    waiting.chain(ended).map(|state| json!({"name": "main", "state": state, "lastState": state})).collect()
}

fn conditions(kind: &str, messages: &[&str]) -> Value {
    let condition = |message: &&str| json!({"type": kind, "status": "False", "reason": "Told", "message": message});
    messages.iter().map(condition).collect()
}

fn events<'a>(of: &impl Fn(&str) -> Vec<&'a str>) -> Vec<Value> {
    let event = |reason: &'static str, field: &'static str| move |text: &str| json!({"reason": reason, field: text, "involvedObject": {"kind": "Pod", "name": "till"}});
    let unhealthy = of("event").into_iter().map(event("Unhealthy", "message"));
    let others = of("other-event").into_iter().map(event("Pulled", "message"));
    unhealthy.chain(others).chain(of("note").into_iter().map(event("Unhealthy", "note"))).collect()
}

fn scaled_object(triggers: &[&str]) -> Value {
    let trigger = |trigger: &&str| {
        let mut parts = trigger.splitn(3, ' ');
        let [kind, field, value] = [(); 3].map(|()| parts.next().expect("a trigger is TYPE FIELD VALUE"));
        json!({"type": kind, "metadata": {field: value}})
    };
    let triggers: Vec<Value> = triggers.iter().map(trigger).collect();
    json!({
        "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "till", "namespace": "shop"},
        "spec": {"scaleTargetRef": {"name": "till"}, "triggers": triggers},
    })
}

/// Plants values in Prometheus and the adapter.
fn watching<'a>(api: &mut Api, of: &impl Fn(&str) -> Vec<&'a str>) {
    let deployments = document(api, "/apis/apps/v1/namespaces/watch/deployments");
    let template = &mut deployments["items"][0]["spec"]["template"]["spec"];
    let arguments = template["containers"][0]["args"].as_array_mut().expect("the adapter has some");
    arguments.extend(of("server-args").into_iter().map(Value::from));
    let config = document(api, "/api/v1/namespaces/watch/configmaps/rules");
    let [comment, other] = of("config")[..] else { panic!("the corpus has two of a ConfigMap") };
    let rules = config["data"]["config.yaml"].as_str().expect("it has rules").to_owned();
    config["data"] = json!({"config.yaml": format!("# {comment}\n{rules}"), "other.yaml": other});
    let pods = document(api, "/api/v1/namespaces/watch/pods");
    pods["items"][0]["spec"]["containers"][0]["args"] = json!(of("prometheus-args"));
    let remote = of("remote-write").into_iter().map(|url| json!({"url": url}));
    let spec = json!({
        "remoteWrite": remote.collect::<Vec<_>>(),
        "additionalArgs": [{"name": "web.auth", "value": of("additional-args")}],
    });
    let prometheus = json!({"metadata": {"name": "k8s", "namespace": "watch"}, "spec": spec});
    api.documents.push(("/apis/monitoring.coreos.com/v1/prometheuses", list("Prometheus", &[prometheus])));
    let lines =
        of("log").into_iter().map(|line| format!("unable to update list of all metrics: {line}: no such host\n"));
    let log: String = lines.chain(of("other-log").into_iter().map(|line| format!("{line}\n"))).collect();
    api.documents.push(("/api/v1/namespaces/watch/pods/prom/log", log.into()));
    let targets = api.documents.iter_mut().find(|(path, _)| path.ends_with("/api/v1/targets"));
    let target = &mut targets.expect("Prometheus has targets").1["data"]["activeTargets"][0];
    for (at, value) in of("discovered").into_iter().enumerate() {
        target["discoveredLabels"][format!("__meta_kubernetes_pod_annotation_note_{at}")] = json!(value);
    }
    target["lastError"] = json!(of("last-error").concat());
    let page = document(api, "/api/v1/namespaces/shop/pods/till:8080/proxy/counts");
    *page = format!("hits_total 7\nusers{{name=\"{}\"}} 1\n", of("page").concat()).into();
}
