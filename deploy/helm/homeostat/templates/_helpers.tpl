{{- define "homeostat.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "homeostat.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains (include "homeostat.name" .) .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "homeostat.name" .) | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "homeostat.selector" -}}
app.kubernetes.io/name: {{ include "homeostat.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "homeostat.labels" -}}
{{ include "homeostat.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: homeostat
{{- end }}

{{- define "homeostat.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}
{{- end }}

{{- define "homeostat.jobsNamespace" -}}
{{ default .Release.Namespace .Values.kubernetesJobs.namespace }}
{{- end }}

{{- /* What no schema can say, since it is about two values at once. */ -}}
{{- define "homeostat.check" -}}
{{- if and (gt (int .Values.replicaCount) 1) (not .Values.store.url) }}
{{- fail "replicaCount is more than 1, and store.url is empty: agents share the work through PostgreSQL only" }}
{{- end }}
{{- if and .Values.store.url (not .Values.store.passwordSecret.name) }}
{{- fail "store.url is set without store.passwordSecret.name: name the Secret that holds the password" }}
{{- end }}
{{- if and .Values.policies.configMap .Values.policies.files }}
{{- fail "policies.configMap and policies.files are both set; policies come from one of them" }}
{{- end }}
{{- if not (or .Values.policies.configMap .Values.policies.files) }}
{{- fail "there are no policies: set policies.configMap, or policies.files with --set-file" }}
{{- end }}
{{- end }}
