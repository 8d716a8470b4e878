//! The table of causes. Everything else about a cause comes from here.
//!
//! A cause keeps its number and its name: reports, alerts and scripts use them.

use super::Entry;
use crate::doctor::link::Link;

causes! {
    1 CounterAbsent "counter-absent" at [Metrics] {
        title: "The counter is absent until the first request",
        symptom: "`<unknown>` until there is traffic, and again after each restart.",
        check: "Read the metrics page of an idle pod. It has no series that matches the rule or the query.",
        command: "kubectl get --raw /api/v1/namespaces/NAMESPACE/pods/POD:PORT/proxy/metrics | grep total",
        fix: "Initialise the counter to 0 at startup. Until that is released, send one request to each new pod.",
        references: [],
    }
    2 NameMissesRule "name-misses-rule" at [Rule] {
        title: "The rule's pattern does not match the metric's name",
        symptom: "The custom metrics API answers 404, although Prometheus has the series.",
        check: "Apply the rule's `name.matches` and `name.as` to the series' name. The result is not the name of the HPA's metric.",
        command: "kubectl -n MONITORING get configmap ADAPTER -o yaml | grep -A12 seriesQuery",
        fix: "Change `name.matches` to match the series' name, or use the rule's name in the HPA. Then restart the adapter.",
        references: ["kubernetes-sigs/prometheus-adapter#390"],
    }
    3 ProbesCounted "probes-counted" at [Metrics] {
        title: "The counter includes scrapes and probes",
        symptom: "The value of an idle pod is high, and the HPA never removes the last replicas.",
        check: "Read the metrics page of an idle pod twice. The series of the scrape's and the probes' paths grow. Compare their rate with the target.",
        command: "kubectl get --raw /api/v1/namespaces/NAMESPACE/pods/POD:PORT/proxy/metrics | grep _total",
        fix: "Count client requests only, or exclude those paths in the rule's query.",
        references: [],
    }
    4 AnnotationsOnly "annotations-only" at [Monitor] {
        title: "No monitor selects the pods: `prometheus.io/scrape` annotations do not count",
        symptom: "Prometheus has no target.",
        check: "No ServiceMonitor or PodMonitor selects the pods or their Service. prometheus-operator ignores the annotations.",
        command: "kubectl get servicemonitors,podmonitors -A",
        fix: "Apply a ServiceMonitor for the Service's named port.",
        references: ["prometheus-operator/prometheus-operator#1547"],
    }
    5 MonitorSelectsNothing "monitor-selects-nothing" at [Monitor, Target] {
        title: "The monitor is not selected, or selects nothing",
        symptom: "There is no scrape job, or a job without targets.",
        check: "Resolve each selector: Prometheus' selectors for monitors and their namespaces, and the monitor's for namespaces, labels and the port's name.",
        command: "kubectl get prometheuses -A -o yaml | grep -A4 MonitorSelector; kubectl -n NAMESPACE get services --show-labels",
        fix: "Change the selector that matches nothing.",
        references: ["prometheus-operator/kube-prometheus#1392", "prometheus-operator/prometheus-operator#996"],
    }
    6 PrometheusForbidden "prometheus-forbidden" at [Target] {
        title: "Prometheus lacks rights in the namespace",
        symptom: "A job has no targets, and Prometheus' log says `forbidden`.",
        check: "Create a SubjectAccessReview for Prometheus' service account: may it list and watch services, pods, endpoints and endpointslices?",
        command: "kubectl auth can-i list pods -n NAMESPACE --as system:serviceaccount:MONITORING:ACCOUNT",
        fix: "Give the service account a Role in the namespace that allows it.",
        references: ["prometheus-operator/kube-prometheus#2300"],
    }
    7 TargetDown "target-down" at [Target] {
        title: "The target is down",
        symptom: "`up` is 0.",
        check: "Read `health` and `lastError` of the target in `/api/v1/targets`.",
        command: "kubectl get --raw '/api/v1/namespaces/MONITORING/services/PROMETHEUS:9090/proxy/api/v1/targets?state=active' | jq '.data.activeTargets[] | {scrapeUrl, health, lastError}'",
        fix: "Fix what `lastError` reports: the path, the port, TLS, or a network policy.",
        references: [],
    }
    8 WindowTooShort "window-too-short" at [Rule] {
        title: "The rate's window is shorter than two scrapes",
        symptom: "The rate is empty, or appears and disappears.",
        check: "Compare the window in the rule's or the trigger's query with the scrape interval. Four intervals are safe.",
        command: "kubectl -n NAMESPACE get servicemonitors,podmonitors -o yaml | grep -B4 interval",
        fix: "Widen the window, or scrape more often.",
        references: ["prometheus/prometheus#8001"],
    }
    9 PrometheusUnreachable "prometheus-unreachable" at [Rule, Answer] {
        title: "The adapter or KEDA cannot reach Prometheus",
        symptom: "The custom metrics API answers `resources: []`, or the adapter logs errors.",
        check: "Check the adapter's `--prometheus-url` or the trigger's `serverAddress`: the Service, its port, and the log.",
        command: "kubectl -n MONITORING get deployment ADAPTER -o yaml | grep prometheus-url; kubectl -n MONITORING logs deployment/ADAPTER --tail 20",
        fix: "Set the URL to Prometheus' Service and port.",
        references: ["kubernetes-sigs/prometheus-adapter#154"],
    }
    10 LabelsMissing "labels-missing" at [Series, Rule] {
        title: "The labels `pod` and `namespace` are missing or renamed",
        symptom: "The API answers 404, or with another pod's value.",
        check: "Read the labels of the series. They are `exported_pod` or `kubernetes_pod_name`, or they are missing.",
        command: "kubectl get --raw '/api/v1/namespaces/MONITORING/services/PROMETHEUS:9090/proxy/api/v1/series?match[]=METRIC'",
        fix: "Make the monitor keep Prometheus' own labels, or map the existing labels in the rule's `resources.overrides`.",
        references: ["kubernetes-sigs/prometheus-adapter#112"],
    }
    11 RuleAbsent "rule-absent" at [Rule, ApiService, Answer, Condition] {
        title: "There is no rule for the metric, or the adapter has not read it",
        symptom: "The custom metrics API answers 404.",
        check: "Read the rules in the adapter's ConfigMap. Check whether the adapter's pod started before the ConfigMap's last change.",
        command: "kubectl get --raw /apis/custom.metrics.k8s.io/v1beta1; kubectl -n MONITORING get configmap ADAPTER -o yaml",
        fix: "Add the rule, and restart the adapter: it reads its rules only at startup.",
        references: ["kubernetes-sigs/prometheus-adapter#678"],
    }
    12 AnotherRuleFails "another-rule-fails" at [Rule] {
        title: "Another rule's query fails",
        symptom: "All custom metrics have disappeared.",
        check: "Send each rule's `seriesQuery` to Prometheus. One that fails stops the adapter's whole listing.",
        command: "kubectl -n MONITORING logs deployment/ADAPTER --tail 50",
        fix: "Fix or remove that rule, and restart the adapter.",
        references: ["kubernetes-sigs/prometheus-adapter#225"],
    }
    13 GroupByDropped "group-by-dropped" at [Rule] {
        title: "The query drops the group-by, or the relist interval is shorter than the scrape interval",
        symptom: "The answer is empty, or appears and disappears.",
        check: "Run the rendered query: its result has no label of the resource. Compare the adapter's `--metrics-relist-interval` with the scrape interval.",
        command: "kubectl -n MONITORING get deployment ADAPTER -o yaml | grep relist-interval",
        fix: "Aggregate by `<<.GroupBy>>`. Set the relist interval to at least the scrape interval.",
        references: ["kubernetes-sigs/prometheus-adapter#150", "kubernetes-sigs/prometheus-adapter#325"],
    }
    14 ApiServiceMissing "api-service-missing" at [ApiService, Condition] {
        title: "The `APIService` is missing",
        symptom: "The HPA reports “no custom metrics API registered”.",
        check: "List the APIServices.",
        command: "kubectl get apiservices | grep metrics",
        fix: "Register `v1beta1.custom.metrics.k8s.io` for the adapter's Service.",
        references: ["prometheus-operator/kube-prometheus#423"],
    }
    15 ApiServiceUnavailable "api-service-unavailable" at [ApiService, Condition] {
        title: "The `APIService` is not available",
        symptom: "The APIService reports FailedDiscoveryCheck, or its Service has no endpoints.",
        check: "Read the reason and the message of its condition `Available`.",
        command: "kubectl get apiservice v1beta1.custom.metrics.k8s.io -o yaml",
        fix: "Check that the adapter runs, that its Service leads to its port, and that the control plane can reach it. On EKS, allow port 6443 in the nodes' security group.",
        references: ["kubernetes-sigs/prometheus-adapter#534"],
    }
    16 AnotherServer "another-server" at [ApiService] {
        title: "Another server owns the API",
        symptom: "The API answers 404 for a metric that the adapter has.",
        check: "Read the APIService's `spec.service`.",
        command: "kubectl get apiservices -o custom-columns=API:.metadata.name,NAMESPACE:.spec.service.namespace,SERVICE:.spec.service.name | grep metrics",
        fix: "A cluster has one server for each metrics API. Point the APIService to the server that has the metric.",
        references: ["kedacore/keda#470"],
    }
    17 ControllerForbidden "controller-forbidden" at [Answer, Condition] {
        title: "The HPA's controller lacks the right to read the metric or to scale the target",
        symptom: "The HPA's condition `ScalingActive` or `AbleToScale` says “forbidden”.",
        check: "Create a SubjectAccessReview for the service account `horizontal-pod-autoscaler` in `kube-system`.",
        command: "kubectl auth can-i get pods.custom.metrics.k8s.io/METRIC -n NAMESPACE --as system:serviceaccount:kube-system:horizontal-pod-autoscaler",
        fix: "Bind a role to that service account that allows it to read the metrics API, or to get and update the target's scale.",
        references: ["kubernetes-sigs/prometheus-adapter#100"],
    }
    18 TargetElsewhere "target-elsewhere" at [Pod, Condition] {
        title: "The HPA and its target are in different namespaces",
        symptom: "The HPA reports FailedGetScale.",
        check: "Search for the target's name in the HPA's namespace, and in the other namespaces.",
        command: "kubectl -n NAMESPACE describe hpa HPA; kubectl get deployments,statefulsets,replicasets -A",
        fix: "Move the HPA to its target's namespace.",
        references: [],
    }
    19 OldApiVersion "old-api-version" at [Pod] {
        title: "The manifest uses autoscaling/v2beta2",
        symptom: "`kubectl apply` fails, and there is no HPA. Kubernetes 1.26 removed that version.",
        check: "List the versions of `autoscaling` that the API server serves.",
        command: "kubectl api-versions | grep autoscaling",
        fix: "Change the manifest's `apiVersion` to autoscaling/v2, and apply it again. For v2beta1, rewrite the metrics too.",
        references: [],
    }
    20 SeveralHpas "several-hpas" at [Condition] {
        title: "Two HPAs scale the workload, or their selectors overlap",
        symptom: "The HPA reports AmbiguousSelector, or averages over other pods as well.",
        check: "List the namespace's HPAs, and the pods that each of their targets selects.",
        command: "kubectl -n NAMESPACE get hpa -o wide",
        fix: "Keep one HPA per workload, and give each workload its own labels.",
        references: ["kubernetes/kubernetes#124307"],
    }
    21 ReplicasZero "replicas-zero" at [Pod, Condition] {
        title: "The workload has 0 replicas",
        symptom: "The HPA reports ScalingDisabled.",
        check: "Read `spec.replicas` of the scale subresource.",
        command: "kubectl -n NAMESPACE get WORKLOAD -o jsonpath='{.spec.replicas}'",
        fix: "Scale the workload to 1. An HPA does not scale from 0, unless it went there itself (condition ScaledToZero, Kubernetes 1.37 or later).",
        references: [],
    }
    22 PodsNotCounted "pods-not-counted" at [Answer, Pod, Condition, Ready] {
        title: "Pods are not ready, or are ready but not scraped yet",
        symptom: "The HPA reacts weakly, because it counts pods without a value as idle.",
        check: "Compare the ready pods with the pods that have a value in the metrics API.",
        command: "kubectl get --raw '/apis/custom.metrics.k8s.io/v1beta1/namespaces/NAMESPACE/pods/*/METRIC'; kubectl -n NAMESPACE get pods",
        fix: "Wait for their first scrape. If it does not happen, check their target. If pods have not become ready since a change, roll the change back.",
        references: [],
    }
    23 WithinTolerance "within-tolerance" at [Replicas] {
        title: "The value is within the tolerance",
        symptom: "The replicas do not change, although the value is not the target.",
        check: "Divide the value by the target. The result differs from 1 by at most 10 %, or by the tolerance in `spec.behavior.scaleUp` or `scaleDown`.",
        command: "kubectl -n NAMESPACE get hpa HPA -o yaml | grep -A12 currentMetrics",
        fix: "Nothing needs to be fixed: the HPA ignores small differences. To get more replicas, lower the target.",
        references: ["kubernetes/kubernetes#116984"],
    }
    24 AtMaximum "at-maximum" at [Replicas] {
        title: "The HPA is at its maximum",
        symptom: "The HPA reports ScalingLimited with the reason TooManyReplicas.",
        check: "Read that condition, and `spec.maxReplicas`.",
        command: "kubectl -n NAMESPACE get hpa HPA",
        fix: "Raise `maxReplicas`, or make each pod serve more.",
        references: [],
    }
    25 OtherMetricInvalid "other-metric-invalid" at [Condition] {
        title: "Another metric of the HPA is invalid",
        symptom: "The HPA adds replicas, but never removes any.",
        check: "Query the API for each of the HPA's metrics.",
        command: "kubectl -n NAMESPACE describe hpa HPA",
        fix: "Fix that metric.",
        references: ["kubernetes/kubernetes#119788"],
    }
    26 ReplicasSetElsewhere "replicas-set-elsewhere" at [Replicas, Condition] {
        title: "Something else sets the replicas",
        symptom: "The replicas go up and down.",
        check: "Read the object's managedFields: who wrote `spec.replicas` last?",
        command: "kubectl -n NAMESPACE get WORKLOAD -o yaml --show-managed-fields | grep -e manager: -e f:replicas",
        fix: "Remove `replicas` from the manifest, and make the deployment tool ignore the field.",
        references: ["argoproj/argo-cd#5105"],
    }
    27 PodsPending "pods-pending" at [Ready, Pod] {
        title: "New pods are pending",
        symptom: "The HPA desires more pods than are ready.",
        check: "Read the pods' condition `PodScheduled`. It counts after 30 seconds, or after two minutes if the events cannot be read. It does not count while a new node is on its way. Otherwise look for a quota in the events.",
        command: "kubectl -n NAMESPACE get pods; kubectl -n NAMESPACE get events --field-selector type=Warning",
        fix: "Make room: add nodes, lower the pods' requests, or raise the quota. Until then, lower the HPA's maximum to the pods that have a node, or roll back the change that requests more.",
        references: ["kubernetes/kubernetes#82285"],
    }
    28 ClientsPinned "clients-pinned" at [Traffic] {
        title: "Clients keep their connections to old pods",
        symptom: "One pod is busy, and the others are idle.",
        check: "Compare the ready pods' shares of the requests.",
        command: "kubectl get --raw '/apis/custom.metrics.k8s.io/v1beta1/namespaces/NAMESPACE/pods/*/METRIC'",
        fix: "Close connections after a while, or balance requests instead of connections.",
        references: ["kubernetes/kubernetes#101887"],
    }
    29 LoadShort "load-short" at [Traffic] {
        title: "The load test sends less than requested",
        symptom: "The value is low.",
        check: "Compare the requests that were due with those that were answered.",
        command: "kubectl -n NAMESPACE logs job/JOB --tail 20",
        fix: "Read the load test's report: the limit on requests in flight, failures, and its own CPU.",
        references: [],
    }
    30 EmptyReadAsZero "empty-read-as-zero" at [Rule, Answer] {
        title: "KEDA reads an empty answer as 0",
        symptom: "KEDA removes replicas without an error.",
        check: "Run the trigger's query. Its result is empty, or NaN.",
        command: "kubectl get --raw '/api/v1/namespaces/MONITORING/services/PROMETHEUS:9090/proxy/api/v1/query?query=QUERY'",
        fix: "Make the query return a number, or set `ignoreNullValues: \"false\"`, so that KEDA reports an error.",
        references: ["kedacore/keda#3065"],
    }
    31 SeveralSeries "several-series" at [Rule, Answer] {
        title: "KEDA's query returns several series, or an average",
        symptom: "KEDA reports an error, or there are too few pods.",
        check: "Run the trigger's query. It must return one series, summed over all pods.",
        command: "kubectl get --raw '/api/v1/namespaces/MONITORING/services/PROMETHEUS:9090/proxy/api/v1/query?query=QUERY'",
        fix: "Make the query one sum over all pods: the HPA divides it by their number.",
        references: ["kedacore/keda#5781"],
    }
    32 KedaBlocked "keda-blocked" at [Rule, Answer] {
        title: "A `NetworkPolicy` or its own webhook blocks KEDA",
        symptom: "The ScaledObject is not Ready, or there is no HPA.",
        check: "Read its condition, and the network policies for Prometheus' pods. Look for a second HPA of the workload.",
        command: "kubectl -n NAMESPACE describe scaledobject SCALEDOBJECT; kubectl get networkpolicies -A",
        fix: "Allow KEDA's operator to reach Prometheus' port. Keep one autoscaler per workload.",
        references: [],
    }
    33 PodFails "pod-fails" at [Pod, Ready] {
        title: "The image cannot be pulled, or the container crashes",
        symptom: "No pod is ready.",
        check: "Read the container's waiting reason and its last termination.",
        command: "kubectl -n NAMESPACE describe pod POD; kubectl -n NAMESPACE logs POD --all-containers --previous",
        fix: "Roll back the change that caused it. If there was no change, fix what the reason names: the image's name, its pull secret, the program, or its memory limit.",
        references: [],
    }
    34 NoLoadBalancer "no-load-balancer" at [Traffic] {
        title: "The load balancer has no address",
        symptom: "Nothing outside the cluster reaches the Service.",
        check: "Read the Service's `status.loadBalancer`.",
        command: "kubectl -n NAMESPACE describe service SERVICE",
        fix: "Install a load balancer controller, or use a port-forward.",
        references: [],
    }
    35 PrometheusNotReady "prometheus-not-ready" at [Target] {
        title: "Prometheus is not ready, or its replicas disagree",
        symptom: "The value has gaps, or jumps.",
        check: "Send the same query to each replica, and compare the answers.",
        command: "kubectl -n MONITORING get pods -o wide; kubectl -n MONITORING logs POD -c prometheus --tail 20",
        fix: "Make every replica ready: check its image, its node and its log. Then check the configuration, disk and network of the replica that differs.",
        references: [],
    }
    36 RequestMissing "request-missing" at [Condition] {
        title: "A container has no CPU or memory request",
        symptom: "`<unknown>` for CPU or memory, FailedGetResourceMetric, “missing request for cpu in container …”.",
        check: "Read the requests of each container of the pods, sidecars included. A limit without a request counts as the request, and so does a LimitRange's default. If the pod has requests of its own, they count instead.",
        command: "kubectl -n NAMESPACE get pods -o custom-columns=POD:.metadata.name,CONTAINERS:.spec.containers[*].name,CPU:.spec.containers[*].resources.requests.cpu,MEMORY:.spec.containers[*].resources.requests.memory",
        fix: "Give the container a request. Or use a ContainerResource metric of a container that has one, or an `averageValue` as the target.",
        references: ["kubernetes/kubernetes#79365", "kubernetes/kubernetes#78787"],
    }
    37 DirectionDisabled "direction-disabled" at [Replicas] {
        title: "Scale-out or scale-in is disabled",
        symptom: "The replicas do not change, although the value is far from the target.",
        check: "Read `selectPolicy` in `spec.behavior.scaleUp` and `scaleDown`; with KEDA, in the ScaledObject's `advanced.horizontalPodAutoscalerConfig.behavior`.",
        command: "kubectl -n NAMESPACE get hpa HPA -o yaml | grep -B8 selectPolicy",
        fix: "Remove `selectPolicy: Disabled`, unless that is intended.",
        references: ["kubernetes/kubernetes#110034"],
    }
    38 ContainerUnknown "container-unknown" at [Condition] {
        title: "A `ContainerResource` metric names a container that the pods do not have",
        symptom: "`<unknown>` for that metric, FailedGetContainerResourceMetric.",
        check: "Compare `containerResource.container` with the names of the pods' containers.",
        command: "kubectl -n NAMESPACE get pods -o custom-columns=POD:.metadata.name,CONTAINERS:.spec.containers[*].name",
        fix: "Name a container that the pods have.",
        references: ["kubernetes/kubernetes#127169"],
    }
    39 Stabilised "stabilised" at [Replicas] {
        title: "An earlier recommendation holds the change back",
        symptom: "The HPA keeps its replicas after the load has changed. AbleToScale has the reason ScaleDownStabilized or ScaleUpStabilized.",
        check: "Read that reason, and `stabilizationWindowSeconds` in `spec.behavior` (for scale-in 300 by default).",
        command: "kubectl -n NAMESPACE describe hpa HPA | grep -e AbleToScale -e Stabilization",
        fix: "Wait for the end of the window, or shorten it.",
        references: ["kubernetes/kubernetes#101371", "kubernetes/enhancements#2645"],
    }
    40 RateLimited "rate-limited" at [Replicas] {
        title: "A policy limits how fast the replicas change",
        symptom: "The replicas follow the load slowly. ScalingLimited has the reason ScaleUpLimit or ScaleDownLimit.",
        check: "Read that reason, and the policies in `spec.behavior`.",
        command: "kubectl -n NAMESPACE describe hpa HPA | grep -e ScalingLimited -e Policies -A2",
        fix: "Allow larger steps or shorter periods, if the load needs them.",
        references: [],
    }
    41 RoundedUp "rounded-up" at [Replicas] {
        title: "With one pod fewer, each would be above the target",
        symptom: "The value is well below the target, but the HPA removes no replica.",
        check: "Multiply the replicas by the value, divide by the target, and round up: the result is the replicas that there are.",
        command: "kubectl -n NAMESPACE get hpa HPA",
        fix: "Nothing needs to be fixed. To have fewer replicas at this load, raise the target.",
        references: ["kubernetes/kubernetes#78761"],
    }
    42 PodsDamp "pods-damp" at [Replicas] {
        title: "Pods that are not counted hold the change back",
        symptom: "The replicas do not change while pods start or have no value.",
        check: "Compare the pods with those that have a value. For CPU, also compare their age with the controller's CPU initialisation period (5 minutes by default).",
        command: "kubectl -n NAMESPACE get pods; kubectl -n NAMESPACE top pods",
        fix: "Wait until the pods are ready and have values. If they do not, find out why.",
        references: ["kubernetes/kubernetes#127169"],
    }
    43 AtMinimum "at-minimum" at [Replicas] {
        title: "The HPA is at its minimum",
        symptom: "The value is below the target, but the HPA removes no replica.",
        check: "Compare the replicas with `spec.minReplicas`, which is 1 by default.",
        command: "kubectl -n NAMESPACE get hpa HPA",
        fix: "Nothing needs to be fixed. To have fewer replicas, lower the minimum.",
        references: [],
    }
    44 ScaledToZero "scaled-to-zero" at [Replicas] {
        title: "The HPA scaled the workload to 0",
        symptom: "There is no pod, and the HPA has the condition ScaledToZero.",
        check: "Read that condition (Kubernetes 1.37 or later) and `spec.minReplicas`. Without the condition, somebody else scaled the workload to 0, and the HPA leaves it there (cause 21).",
        command: "kubectl -n NAMESPACE get hpa HPA -o yaml | grep -A4 ScaledToZero",
        fix: "Nothing needs to be fixed: the HPA scales out as soon as its External or Object metric is above 0.",
        references: ["kubernetes/enhancements#2021"],
    }
    45 PodMetricsMissing "pod-metrics-missing" at [Answer] {
        title: "The metrics server has no CPU and memory values of the pods",
        symptom: "`kubectl top pods` has no values, and the HPA reports “no metrics returned from resource metrics API”.",
        check: "Query `metrics.k8s.io` for the pods, and read the metrics server's log: can it read the kubelet of each node?",
        command: "kubectl -n NAMESPACE top pods; kubectl get apiservice v1beta1.metrics.k8s.io -o yaml",
        fix: "Allow the metrics server to reach port 10250 of the nodes, and make it trust the kubelets' certificates.",
        references: ["kubernetes-sigs/metrics-server#541", "kubernetes-sigs/metrics-server#1025"],
    }
    46 SelectorTakesOthers "selector-takes-others" at [Pod] {
        title: "The selector takes pods of another workload",
        symptom: "The value is an average over other pods too, or changes are damped. More pods are ready than desired.",
        check: "List the pods that the scale's `status.selector` selects, and their ownerReferences.",
        command: "kubectl get --raw /apis/apps/v1/namespaces/NAMESPACE/deployments/NAME/scale | jq -r .status.selector; kubectl -n NAMESPACE get pods --show-labels",
        fix: "Give the other pods another label, or create the workload again with a label of its own in its selector. Delete finished Jobs whose pods have the label.",
        references: ["kubernetes/kubernetes#116898", "kubernetes/kubernetes#123885"],
    }
    47 ScrapedTwice "scraped-twice" at [Target] {
        title: "Prometheus scrapes the pods twice",
        symptom: "The value is twice the pods' own rate, and the HPA adds too many replicas.",
        check: "Count the targets of one pod, port and path in `/api/v1/targets`. Often a monitor selects a headless Service as well.",
        command: "kubectl get --raw '/api/v1/namespaces/MONITORING/services/PROMETHEUS:9090/proxy/api/v1/targets?state=active' | jq -r '.data.activeTargets[] | [.scrapePool, .scrapeUrl] | @tsv'",
        fix: "Narrow the monitor's selector to one Service, by a label that only that Service has, or drop the targets of the others.",
        references: ["grafana/helm-charts#597", "qdrant/qdrant-helm#207"],
    }
    48 ScaleTargetVersion "scale-target-version" at [Pod] {
        title: "The HPA names its target in an API group that does not have it",
        symptom: "The HPA reports FailedGetScale: “no matches for kind”. The workload is there.",
        check: "Compare `spec.scaleTargetRef.apiVersion` with the workload's own `apiVersion`. `extensions/v1beta1` ended with Kubernetes 1.16.",
        command: "kubectl -n NAMESPACE get hpa HPA -o jsonpath='{.spec.scaleTargetRef}'; kubectl api-resources | grep -i KIND",
        fix: "Set `spec.scaleTargetRef.apiVersion` to the workload's, such as apps/v1.",
        references: ["kubernetes-sigs/metrics-server#389"],
    }
    49 ScalerPaused "scaler-paused" at [Rule] {
        title: "The `ScaledObject` is paused",
        symptom: "There is no HPA, or it never scales in one direction.",
        check: "Read the annotations `autoscaling.keda.sh/paused`, `paused-replicas`, `paused-scale-in` and `paused-scale-out` of the ScaledObject.",
        command: "kubectl -n NAMESPACE get scaledobject SCALEDOBJECT -o jsonpath='{.metadata.annotations}'",
        fix: "Remove the annotation.",
        references: ["kedacore/keda#6421", "kedacore/keda#4430"],
    }
    50 FallbackActive "fallback-active" at [Rule] {
        title: "KEDA uses its fallback",
        symptom: "The replicas stay at `spec.fallback.replicas`, whatever the load.",
        check: "Read the ScaledObject's condition `Fallback`, and `status.health`: which trigger has failed, and how often.",
        command: "kubectl -n NAMESPACE get scaledobject SCALEDOBJECT -o jsonpath='{.status}'",
        fix: "Fix the trigger that fails: its address, its credentials, or the network. KEDA's operator logs the reason.",
        references: ["kedacore/keda#4249", "kedacore/keda#6659"],
    }
    51 QueryRefused "query-refused" at [Rule] {
        title: "Prometheus rejects the query",
        symptom: "The API answers with an error, and Prometheus with 400 or 422.",
        check: "Run the rule's or the trigger's query on Prometheus' own page.",
        command: "kubectl get --raw '/api/v1/namespaces/MONITORING/services/PROMETHEUS:9090/proxy/api/v1/query?query=QUERY'",
        fix: "Correct the query as Prometheus' answer says.",
        references: ["kedacore/keda#3855"],
    }
    52 IdleReplicas "idle-replicas" at [Rule] {
        title: "`idleReplicaCount` is not 0",
        symptom: "Without load, the replicas go up and down between `idleReplicaCount` and `minReplicaCount`.",
        check: "Read `spec.idleReplicaCount` of the ScaledObject, and the HPA's events.",
        command: "kubectl -n NAMESPACE get scaledobject SCALEDOBJECT -o jsonpath='{.spec.idleReplicaCount}'",
        fix: "Remove the field, or set it to 0: KEDA supports no other number.",
        references: ["kedacore/keda#2314"],
    }
    53 PrefixWrong "prefix-wrong" at [Rule] {
        title: "Prometheus' address has the wrong path",
        symptom: "The adapter lists no metrics, or the trigger fails, with 404.",
        check: "Compare the path of the adapter's `--prometheus-url` or the trigger's `serverAddress` with Prometheus' `--web.route-prefix`. Ask `/-/ready` with and without it.",
        command: "kubectl get --raw /api/v1/namespaces/MONITORING/services/PROMETHEUS:9090/proxy/-/ready",
        fix: "Correct the path of the address.",
        references: [],
    }
    54 BalancerChecksCounted "balancer-checks-counted" at [Metrics] {
        title: "The counter includes the load balancer's health checks",
        symptom: "The value of an idle pod is not 0, and the HPA never removes the last replicas.",
        check: "Read the annotation `alb.ingress.kubernetes.io/healthcheck-path` of the Ingress and the Service: without it, the load balancer checks `/`.",
        command: "kubectl -n NAMESPACE get ingresses,services -o yaml | grep healthcheck",
        fix: "Have the load balancer check a path that is not counted, such as the readiness probe's.",
        references: ["kubernetes-sigs/aws-load-balancer-controller#2615"],
    }
    55 MonitorLost "monitor-lost" at [Monitor] {
        title: "The pods have lost their monitor",
        symptom: "The value stays the same for some minutes, and then there is none.",
        check: "Compare the time of the newest sample with the scrape interval. No ServiceMonitor or PodMonitor selects the pods.",
        command: "kubectl get --raw '/api/v1/namespaces/MONITORING/services/PROMETHEUS:9090/proxy/api/v1/query?query=timestamp(METRIC)'; kubectl -n NAMESPACE get servicemonitors,podmonitors",
        fix: "Apply the monitor again.",
        references: [],
    }
}
