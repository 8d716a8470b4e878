{{/* Labels of the test's objects, and annotations with which Helm makes them for a test, prints the Job's log and deletes them. */}}
{{- define "shopfront.testMetadata" -}}
labels:
  {{- include "shopfront.testSelector" .root | nindent 2 }}
  {{- include "shopfront.commonLabels" .root | nindent 2 }}
annotations:
  helm.sh/hook: test
  helm.sh/hook-weight: {{ .weight | quote }}
  helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded,hook-failed
  {{- if eq (int .weight) 0 }}
  helm.sh/hook-output-log-policy: hook-succeeded,hook-failed
  {{- end }}
{{- end }}
