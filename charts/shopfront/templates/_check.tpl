{{/* What the schema cannot say. Every object of the chart is rendered after this. */}}
{{- define "shopfront.check" -}}
{{- $a := .Values.autoscaling -}}
{{- if and (ne .Values.scaler "none") (lt (int $a.maximum) (int $a.minimum)) -}}
{{- fail (printf "autoscaling.maximum is %d, and must be at least autoscaling.minimum, %d" (int $a.maximum) (int $a.minimum)) -}}
{{- end -}}
{{- if and (eq .Values.scaler "cpu") (hasSuffix "%" (toString $a.cpu)) (not (dig "requests" "cpu" "" .Values.resources)) -}}
{{- fail (printf "autoscaling.cpu is %s of the CPU request: set resources.requests.cpu, or an amount such as 50m" $a.cpu) -}}
{{- end -}}
{{- if and (not .Values.monitor.enabled) (has .Values.scaler (list "adapter" "keda")) (not .Values.publicMetrics) -}}
{{- fail (printf "scaler %s needs Prometheus to scrape the pods: set monitor.enabled=true, or publicMetrics=true and a monitor of your own" .Values.scaler) -}}
{{- end -}}
{{- if and .Values.otlp.endpoint .Values.networkPolicy.enabled (not .Values.networkPolicy.egress) -}}
{{- fail "networkPolicy would keep the pods from otlp.endpoint: admit the collector in networkPolicy.egress" -}}
{{- end -}}
{{- if and .Values.tls.secretName (eq (int .Values.service.port) 443) -}}
{{- fail "tls.secretName adds port 443 to the Service, and service.port is 443: set another service.port" -}}
{{- end -}}
{{- $name := include "shopfront.fullname" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- fail (printf "a Service cannot be called %s: set fullnameOverride to lower-case letters, digits and hyphens that begin with a letter" $name) -}}
{{- end -}}
{{- if and .Values.service.loadBalancerSourceRanges (ne .Values.service.type "LoadBalancer") -}}
{{- fail (printf "service.loadBalancerSourceRanges needs service.type=LoadBalancer, and it is %s" .Values.service.type) -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
{{- fail "ingress.hosts is empty: name at least one host" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.parentRefs is empty: name at least one Gateway" -}}
{{- end -}}
{{- end }}
