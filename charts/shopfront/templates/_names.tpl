{{- define "shopfront.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{/* At most 50 characters, because suffixes follow. */}}
{{- define "shopfront.fullname" -}}
{{- $name := include "shopfront.name" . -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{/* The HPA that KEDA makes has a name of its own, so that Helm can go from one scaler to another and back. */}}
{{- define "shopfront.hpaName" -}}
{{ include "shopfront.fullname" . }}{{ if eq .Values.scaler "keda" }}-keda{{ end }}
{{- end }}

{{/* What selects the pods. It never changes, because a Deployment's selector cannot. */}}
{{- define "shopfront.selector" -}}
app.kubernetes.io/name: {{ include "shopfront.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "shopfront.commonLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "shopfront.labels" -}}
{{ include "shopfront.selector" . }}
{{ include "shopfront.commonLabels" . }}
{{- end }}

{{/* The load tool's pod must not be one of those that the Service and the HPA select. */}}
{{- define "shopfront.testSelector" -}}
app.kubernetes.io/name: {{ include "shopfront.name" . }}-test
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "shopfront.image" -}}
{{- $image := .image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* The window of rate() in the metric that the HPA reads. */}}
{{- define "shopfront.window" -}}
{{ .Values.autoscaling.window | default (eq .Values.scaler "keda" | ternary "1m" "2m") }}
{{- end }}

{{/* The Service that Prometheus scrapes: the one for clients if that port serves /metrics, else the ops port's. */}}
{{- define "shopfront.scrapesOps" -}}
{{- if or (not .Values.publicMetrics) (eq .Values.monitor.kind "PodMonitor") }}true{{ end -}}
{{- end }}
