{{- define "mesegate.proxyPod" -}}
{{- $labels := dict "root" $ "component" "proxy" }}
{{- $sqlite := include "mesegate.sqlite" . }}
{{- with .Values.proxy }}
metadata:
  labels:
    {{- include "mesegate.podLabels" $labels | nindent 4 }}
    {{- with .podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .podAnnotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "mesegate.proxyAccount" $ }}
  # It has nothing to ask the API server; its one token is for controllers only.
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .terminationGracePeriodSeconds }}
  {{- if eq .exposure "hostNetwork" }}
  hostNetwork: true
  dnsPolicy: ClusterFirstWithHostNet
  {{- end }}
  {{- include "mesegate.podCommon" (dict "root" $ "values" . "component" "proxy") | nindent 2 }}
  containers:
    - name: proxy
      image: {{ include "mesegate.image" (dict "root" $ "image" .image) }}
      imagePullPolicy: {{ .image.pullPolicy }}
      args:
        - --listen={{ $.Values.bindAddress }}:{{ .port }}
        - --data=/var/lib/mesegate
        - --http={{ $.Values.bindAddress }}:9090
        - --controller=https://{{ include "mesegate.controller" $ }}.{{ $.Release.Namespace }}.svc:7443
        - --controller-ca=/etc/mesegate/control/ca.crt
        - --controller-token-file=/etc/mesegate/control/token
        - --proxy-class={{ .class }}
        - --drain-timeout={{ include "mesegate.drainTimeout" $ }}
        - --drain-nudge={{ .drain.nudgePerSecond }}
        - --stop-seconds={{ .stopSeconds }}
        {{- if .media.enabled }}
        - --media-http={{ $.Values.bindAddress }}:{{ .media.port }}
        - --media-url={{ .media.url }}
        {{- end }}
        - --log={{ .log }}
        - --log-format={{ .logFormat }}
        {{- with $.Values.tracing.endpoint }}
        - --otlp-endpoint={{ . }}
        {{- end }}
        {{- range .extraArgs }}
        - {{ . | quote }}
        {{- end }}
      env:
        - name: MESEGATE_NAME
          valueFrom: { fieldRef: { fieldPath: metadata.name } }
        {{- if not $sqlite }}
        - name: MESEGATE_DATABASE
          valueFrom: { secretKeyRef: { name: {{ .database.secretName }}, key: {{ .database.secretKey }} } }
        {{- end }}
        {{- if $.Values.tracing.endpoint }}
        - name: OTEL_TRACES_SAMPLER
          value: parentbased_traceidratio
        - name: OTEL_TRACES_SAMPLER_ARG
          value: {{ $.Values.tracing.ratio | toString | quote }}
        {{- end }}
        {{- with .extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - name: game
          containerPort: {{ .port }}
          protocol: UDP
          {{- if ne .exposure "service" }}
          hostPort: {{ .port }}
          {{- end }}
        - name: http
          containerPort: 9090
          {{- if eq .exposure "hostNetwork" }}
          hostPort: 9090
          {{- end }}
        {{- if .media.enabled }}
        - name: media
          containerPort: {{ .media.port }}
          {{- if ne .exposure "service" }}
          hostPort: {{ .media.port }}
          {{- end }}
        {{- end }}
      {{- include "mesegate.probes" . | nindent 6 }}
      {{- with .resources }}
      resources: {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext: {{- toYaml .containerSecurityContext | nindent 8 }}
      volumeMounts:
        - { name: data, mountPath: /var/lib/mesegate }
        {{- if not $sqlite }}
        - { name: backend-key, mountPath: /var/lib/mesegate/backend.key, subPath: backend.key, readOnly: true }
        {{- end }}
        - { name: control, mountPath: /etc/mesegate/control, readOnly: true }
        - { name: tmp, mountPath: /tmp }
        {{- with .extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: data
      {{- if and $sqlite .persistence.enabled }}
      persistentVolumeClaim: { claimName: {{ default (include "mesegate.proxy" $) .persistence.existingClaim }} }
      {{- else }}
      emptyDir: {}
      {{- end }}
    {{- if not $sqlite }}
    - name: backend-key
      secret: { secretName: {{ include "mesegate.backendKeySecret" $ }}, defaultMode: 256 }
    {{- end }}
    - name: control
      projected:
        sources:
          - serviceAccountToken: { audience: mesegate-control, path: token, expirationSeconds: 3600 }
          - secret:
              name: {{ include "mesegate.tlsSecret" $ }}
              items: [{ key: ca.crt, path: ca.crt }]
    - name: tmp
      emptyDir: { sizeLimit: 64Mi }
    {{- with .extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
{{- end -}}
