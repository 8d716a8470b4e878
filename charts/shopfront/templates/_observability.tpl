{{/* A file with the release's names for its placeholders. Grafana and Prometheus have templates of their own, so no tpl. */}}
{{- define "shopfront.withNames" -}}
{{- .root.Files.Get .file
  | replace "@namespace@" .root.Release.Namespace
  | replace "@name@" (include "shopfront.fullname" .root)
  | replace "@hpa@" (include "shopfront.hpaName" .root)
  | replace "@selector@" (include "shopfront.selector" .root | replace ": " "=" | replace "\n" ",")
  | replace "@target@" (toString .root.Values.autoscaling.target)
  | replace "@window@" (include "shopfront.window" .root)
  | replace "@interval@" .root.Values.monitor.interval
-}}
{{- end }}
