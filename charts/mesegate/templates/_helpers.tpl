{{- define "mesegate.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Of objects without a namespace: two releases of one name may be in one cluster. */}}
{{- define "mesegate.clusterName" -}}
{{- printf "%s:%s" .Release.Namespace (include "mesegate.fullname" .) -}}
{{- end -}}

{{- define "mesegate.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Of (dict "root" $ "component" NAME); mesegatectl looks for the first and the last. */}}
{{- define "mesegate.selector" -}}
app.kubernetes.io/name: mesegate
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Of pods: another version of the chart alone is no reason to replace them. */}}
{{- define "mesegate.podLabels" -}}
{{ include "mesegate.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "mesegate.labels" -}}
{{ include "mesegate.podLabels" . }}
helm.sh/chart: {{ include "mesegate.chart" .root }}
{{- end -}}

{{- define "mesegate.image" -}}
{{- $image := .image -}}
{{- $name := $image.repository -}}
{{- if $image.registry }}{{ $name = printf "%s/%s" $image.registry $name }}{{ end -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .root.Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "mesegate.controller" -}}{{ include "mesegate.fullname" . }}-controller{{- end -}}
{{- define "mesegate.proxy" -}}{{ include "mesegate.fullname" . }}-proxy{{- end -}}

{{- define "mesegate.controllerAccount" -}}
{{- $account := .Values.controller.serviceAccount -}}
{{- default (ternary (include "mesegate.controller" .) "default" $account.create) $account.name -}}
{{- end -}}

{{- define "mesegate.proxyAccount" -}}
{{- $account := .Values.proxy.serviceAccount -}}
{{- default (ternary (include "mesegate.proxy" .) "default" $account.create) $account.name -}}
{{- end -}}

{{- define "mesegate.tlsSecret" -}}
{{- $tls := .Values.controller.tls -}}
{{- default (printf "%s-tls" (include "mesegate.controller" .)) $tls.secretName -}}
{{- end -}}

{{/* The names that proxies and mesegatectl may know the controller by. */}}
{{- define "mesegate.tlsNames" -}}
{{- $name := include "mesegate.controller" . -}}
{{- $namespace := .Release.Namespace -}}
{{- list $name (printf "%s.%s" $name $namespace) (printf "%s.%s.svc" $name $namespace) "mesegate-controller" | concat .Values.controller.tls.extraNames | reverse | uniq | toJson -}}
{{- end -}}

{{- define "mesegate.backendKeySecret" -}}
{{- default (printf "%s-backend-key" (include "mesegate.proxy" .)) .Values.proxy.backendKey.secretName -}}
{{- end -}}

{{/* Whether the proxies' accounts are in a data folder. */}}
{{- define "mesegate.sqlite" -}}
{{- if eq .Values.proxy.database.type "sqlite" }}true{{ end -}}
{{- end -}}

{{/* What of a pod is the same for both components; of (dict "root" $ "values" .Values.COMPONENT "component" NAME) */}}
{{- define "mesegate.podCommon" -}}
{{- with .root.Values.global.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext: {{- toYaml .values.podSecurityContext | nindent 2 }}
{{- with .values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "mesegate.selector" (dict "root" .root "component" .component) | nindent 8 }}
{{- end -}}

{{- define "mesegate.probes" -}}
livenessProbe:
  httpGet: { path: /livez, port: http }
  {{- toYaml .livenessProbe | nindent 2 }}
readinessProbe:
  httpGet: { path: /readyz, port: http }
  {{- toYaml .readinessProbe | nindent 2 }}
{{- end -}}

{{/* Seconds of the grace period that are left for the goodbyes when the drain is over. */}}
{{- define "mesegate.goodbye" -}}
{{- max 10 (add .Values.proxy.stopSeconds 2) -}}
{{- end -}}

{{/* Seconds that players may stay in a pod that is to end. */}}
{{- define "mesegate.drainTimeout" -}}
{{- $proxy := .Values.proxy -}}
{{- if kindIs "invalid" $proxy.drain.timeoutSeconds -}}
  {{- if include "mesegate.sqlite" . -}}0
  {{- else -}}{{- max 0 (sub $proxy.terminationGracePeriodSeconds (include "mesegate.goodbye" .)) -}}
  {{- end -}}
{{- else -}}{{- int $proxy.drain.timeoutSeconds -}}
{{- end -}}
{{- end -}}

{{/* What does not go together. */}}
{{- define "mesegate.check" -}}
{{- $proxy := .Values.proxy -}}
{{- if include "mesegate.sqlite" . -}}
  {{- if gt (int $proxy.replicas) 1 -}}
    {{- fail "proxy.replicas is more than 1, but accounts are in a SQLite file that one proxy alone can use: set proxy.database.type to postgresql and proxy.database.secretName to a Secret with its URL" -}}
  {{- end -}}
  {{- if eq $proxy.kind "DaemonSet" -}}
    {{- fail "proxy.kind is DaemonSet, which makes many proxies, but accounts are in a SQLite file that one proxy alone can use: set proxy.database.type to postgresql" -}}
  {{- end -}}
  {{- if $proxy.autoscaling.enabled -}}
    {{- fail "proxy.autoscaling makes many proxies, but accounts are in a SQLite file that one proxy alone can use: set proxy.database.type to postgresql" -}}
  {{- end -}}
{{- else -}}
  {{- if not $proxy.database.secretName -}}
    {{- fail "proxy.database.type is postgresql: proxy.database.secretName has to name a Secret with its URL" -}}
  {{- end -}}
{{- end -}}
{{- if and $proxy.autoscaling.enabled (eq $proxy.kind "DaemonSet") -}}
  {{- fail "proxy.autoscaling does not go with proxy.kind DaemonSet, which has one proxy on every node" -}}
{{- end -}}
{{- if and $proxy.media.enabled (not $proxy.media.url) -}}
  {{- fail "proxy.media.enabled needs proxy.media.url: where clients reach it, such as http://play.example.org:30080/" -}}
{{- end -}}
{{- $needed := add (include "mesegate.drainTimeout" .) (include "mesegate.goodbye" .) -}}
{{- if lt (int $proxy.terminationGracePeriodSeconds) (int $needed) -}}
  {{- fail (printf "proxy.terminationGracePeriodSeconds is %d: players could not be told in time; with these values of proxy.drain.timeoutSeconds and proxy.stopSeconds it has to be %d or more" (int $proxy.terminationGracePeriodSeconds) (int $needed)) -}}
{{- end -}}
{{- $tls := .Values.controller.tls -}}
{{- if and (eq $tls.mode "secret") (not $tls.secretName) -}}
  {{- fail "controller.tls.mode is secret: controller.tls.secretName has to name a Secret with tls.crt, tls.key and ca.crt" -}}
{{- end -}}
{{- if and (eq $tls.mode "certManager") (not $tls.issuerRef) -}}
  {{- fail "controller.tls.mode is certManager: controller.tls.issuerRef has to name an issuer, such as {kind: ClusterIssuer, name: ca}" -}}
{{- end -}}
{{- if and .Values.networkPolicy.backends (eq $proxy.exposure "hostNetwork") -}}
  {{- fail "networkPolicy.backends tells proxies by their pods' addresses, which they do not have with proxy.exposure hostNetwork" -}}
{{- end -}}
{{- end -}}
