{{/*
The Prometheus objects in the cluster, as JSON: {"items": [...]}. Helm has none without a cluster. Without the right to list
them Helm fails, and its error has the name of this template.
*/}}
{{- define "you may not list Prometheus objects: set monitor.lookup=false, and monitor.labels" -}}
{{- $found := list -}}
{{- range (lookup "monitoring.coreos.com/v1" "Prometheus" "" "").items -}}
{{- $found = append $found (dict "namespace" .metadata.namespace "name" .metadata.name "spec" .spec) -}}
{{- end -}}
{{- dict "items" $found | toJson -}}
{{- end }}

{{- define "shopfront.prometheuses" -}}
{{- $items := list -}}
{{- if and .Values.monitor.lookup (.Capabilities.APIVersions.Has "monitoring.coreos.com/v1/Prometheus") -}}
{{- $items = (include "you may not list Prometheus objects: set monitor.lookup=false, and monitor.labels" . | fromJson).items -}}
{{- end -}}
{{- $wanted := .Values.monitor.prometheus -}}
{{- if and $wanted $items -}}
{{- $names := list -}}
{{- $chosen := list -}}
{{- range $items -}}
{{- $name := printf "%s/%s" .namespace .name -}}
{{- $names = append $names $name -}}
{{- if eq $name $wanted }}{{ $chosen = append $chosen . }}{{ end -}}
{{- end -}}
{{- if not $chosen -}}
{{- fail (printf "monitor.prometheus: there is no Prometheus object %s; the cluster has %s" $wanted (join ", " $names)) -}}
{{- end -}}
{{- $items = $chosen -}}
{{- end -}}
{{- dict "items" $items | toJson -}}
{{- end }}

{{/*
The labels by which Prometheus selects an object, as JSON. `selector` is the field of the Prometheus object:
serviceMonitorSelector, podMonitorSelector or ruleSelector.
*/}}
{{- define "shopfront.selectedBy" -}}
{{- $field := .selector -}}
{{- $labels := dict -}}
{{- $monitor := .root.Values.monitor -}}
{{- $prometheuses := (include "shopfront.prometheuses" .root | fromJson).items -}}
{{- if $monitor.labels -}}
{{- $labels = $monitor.labels -}}
{{- else if $prometheuses -}}
{{- $asks := dict -}}
{{- range $prometheus := $prometheuses -}}
{{- $name := printf "%s/%s" $prometheus.namespace $prometheus.name -}}
{{- $selector := get $prometheus.spec $field | default dict -}}
{{- $needed := deepCopy ($selector.matchLabels | default dict) -}}
{{- range $selector.matchExpressions -}}
{{- if and (eq .operator "In") (not (hasKey $needed .key)) }}{{ $_ := set $needed .key (first .values) }}{{ end -}}
{{- if and (eq .operator "Exists") (not (hasKey $needed .key)) }}{{ $_ := set $needed .key "true" }}{{ end -}}
{{- end -}}
{{- range $key, $value := $needed -}}
{{- if and (hasKey $labels $key) (ne (get $labels $key) $value) -}}
{{- fail (printf "Prometheus objects %s and %s select by different values of label %s: name one in monitor.prometheus, or set monitor.labels" (get $asks $key) $name $key) -}}
{{- end -}}
{{- $_ := set $labels $key $value -}}
{{- $_ := set $asks $key $name -}}
{{- end -}}
{{- end -}}
{{- else if $monitor.release -}}
{{- $labels = dict "release" $monitor.release -}}
{{- end -}}
{{- toJson $labels -}}
{{- end }}

{{/* A Prometheus without a namespace selector selects monitors in its own namespace only. */}}
{{- define "shopfront.monitorNamespace" -}}
{{- $namespace := .Release.Namespace -}}
{{- $field := eq .Values.monitor.kind "PodMonitor" | ternary "podMonitorNamespaceSelector" "serviceMonitorNamespaceSelector" -}}
{{- range (include "shopfront.prometheuses" . | fromJson).items -}}
{{- if not (hasKey .spec $field) }}{{ $namespace = .namespace }}{{ end -}}
{{- end -}}
{{ .Values.monitor.namespace | default $namespace }}
{{- end }}

{{/* The service accounts of Prometheus, as JSON: {"items": [{"namespace": ..., "name": ...}]}. */}}
{{- define "shopfront.prometheusAccounts" -}}
{{- $accounts := list -}}
{{- if .Values.monitor.serviceAccount -}}
{{- $parts := splitList "/" .Values.monitor.serviceAccount -}}
{{- $accounts = list (dict "namespace" (first $parts) "name" (last $parts)) -}}
{{- else -}}
{{- range (include "shopfront.prometheuses" . | fromJson).items -}}
{{- $accounts = append $accounts (dict "namespace" .namespace "name" (.spec.serviceAccountName | default "default")) -}}
{{- end -}}
{{- end -}}
{{- dict "items" (uniq $accounts) | toJson -}}
{{- end }}

{{/* The namespaces from which Prometheus scrapes, as JSON. */}}
{{- define "shopfront.prometheusNamespaces" -}}
{{- $namespaces := list -}}
{{- if .Values.networkPolicy.prometheusNamespace -}}
{{- $namespaces = list .Values.networkPolicy.prometheusNamespace -}}
{{- else -}}
{{- range (include "shopfront.prometheuses" . | fromJson).items }}{{ $namespaces = append $namespaces .namespace }}{{ end -}}
{{- end -}}
{{- dict "items" ($namespaces | default (list "monitoring") | uniq) | toJson -}}
{{- end }}

{{/* Where KEDA asks: the Service that the operator keeps beside a Prometheus object. It leads to all of its namespace. */}}
{{- define "shopfront.prometheusAddress" -}}
{{- $found := (include "shopfront.prometheuses" . | fromJson).items -}}
{{- if .Values.keda.serverAddress -}}
{{ .Values.keda.serverAddress }}
{{- else if ne (len $found) 1 -}}
{{- fail (printf "keda.serverAddress: set it to Prometheus' address, such as http://prometheus-operated.monitoring.svc:9090 (the chart found %d Prometheus objects)" (len $found)) -}}
{{- else -}}
{{- $one := first $found -}}
http://{{ $one.spec.serviceName | default "prometheus-operated" }}.{{ $one.namespace }}.svc:9090{{ $one.spec.routePrefix | default "" | trimSuffix "/" }}
{{- end -}}
{{- end }}
