{{- /* antrea-agent.conf: what the datapath needs, and the user's keys over it */ -}}
{{- define "antrea.agentConfig" -}}
{{- $own := dict -}}
{{- if eq .Values.ovs.datapathType "netdev" -}}
{{- $own = fromJson `{"ovsDatapathType":"netdev","transportInterface":"br-phy"}` -}}
{{- else if ne .Values.ovs.datapathType "system" -}}
{{- fail (printf "ovs.datapathType: %s: must be system or netdev" .Values.ovs.datapathType) -}}
{{- end -}}
{{- toYaml (mergeOverwrite $own (deepCopy .Values.agent.config)) -}}
{{- end -}}
