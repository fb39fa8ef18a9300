# The first process of a node, in namespaces of its own: with it ends all that it starts, and goes
# what it mounts, with its network.
#
# RUN: folder of this node. NAME: its own. ADDRESS, ROUTER: its own and the way out of it. PODS: the
# network of its pods; ALL_PODS: that of all. CGROUP: below every controller. KUBERNETES, PACKAGES,
# COREDNS: programs.
set -eu

export LD_LIBRARY_PATH="$PACKAGES/usr/lib/x86_64-linux-gnu"
export XTABLES_LIBDIR="$LD_LIBRARY_PATH/xtables"
mkdir -p "$RUN/bin" "$RUN/log"
for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
    ln -sf "$PACKAGES/usr/sbin/xtables-nft-multi" "$RUN/bin/$name"
done
for program in containerd containerd-shim-runc-v2 ctr; do
    ln -sf "$PACKAGES/usr/bin/$program" "$RUN/bin/$program"
done
ln -sf "$PACKAGES/usr/sbin/runc" "$RUN/bin/runc"
export PATH="$RUN/bin:$PATH"

mount --make-rprivate /
mount -t proc proc /proc
for folder in /run /var/lib /var/log; do
    mount -t tmpfs tmpfs "$folder"
done
ip link set lo up
echo 1 > /proc/sys/net/ipv4/ip_forward
# The other end is made when this file is there, and the API server then.
touch "$RUN/waiting"
until [ -e "$RUN/go" ]; do sleep 0.05; done
ip address add "$ADDRESS/30" dev node0
ip link set node0 up
ip route add default via "$ROUTER"

mkdir -p "$RUN/cni"
cat > "$RUN/cni/10-pods.conflist" <<END
{
  "cniVersion": "1.0.0",
  "name": "pods",
  "plugins": [
    {
      "type": "bridge", "bridge": "pods0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
      "ipam": {
        "type": "host-local",
        "ranges": [[{ "subnet": "$PODS" }]],
        "routes": [{ "dst": "0.0.0.0/0" }],
        "dataDir": "$RUN/addresses"
      }
    },
    { "type": "portmap", "capabilities": { "portMappings": true } }
  ]
}
END

# Containers in sandboxes cannot be told to survive a lack of memory before all others.
cat > "$RUN/containerd.toml" <<END
version = 2
root = "$RUN/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "mesegate.dev/pause:1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$PACKAGES/usr/lib/cni"
    conf_dir = "$RUN/cni"
END
containerd --config "$RUN/containerd.toml" > "$RUN/log/containerd.log" 2>&1 &
until ctr version > /dev/null 2>&1; do sleep 0.1; done
ctr --namespace k8s.io images import "$RUN/pause.tar" > "$RUN/log/pause.log" 2>&1

cat > "$RUN/Corefile" <<END
cluster.local:53 {
    bind $ADDRESS
    errors
    kubernetes cluster.local {
        kubeconfig $RUN/kubeconfig
    }
}
.:53 {
    bind $ADDRESS
    template ANY ANY {
        rcode NXDOMAIN
    }
}
END
"$COREDNS" -conf "$RUN/Corefile" > "$RUN/log/coredns.log" 2>&1 &

# Version 1 of cgroups, and a machine that is not the node's alone.
cat > "$RUN/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
failSwapOn: false
cgroupDriver: cgroupfs
cgroupRoot: /$CGROUP
enforceNodeAllocatable: []
localStorageCapacityIsolation: false
address: $ADDRESS
authentication: { anonymous: { enabled: true }, webhook: { enabled: false } }
authorization: { mode: AlwaysAllow }
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
clusterDNS: [$ADDRESS]
clusterDomain: cluster.local
resolvConf: ""
evictionHard: { memory.available: 50Mi }
END
"$KUBERNETES/kubelet" --config "$RUN/kubelet.yaml" --kubeconfig "$RUN/kubeconfig" \
    --node-ip "$ADDRESS" --hostname-override "$NAME" \
    --root-dir "$RUN/kubelet" --cert-dir "$RUN/kubelet-pki" > "$RUN/log/kubelet.log" 2>&1 &

cat > "$RUN/kube-proxy.yaml" <<END
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
clientConnection: { kubeconfig: $RUN/kubeconfig }
clusterCIDR: $ALL_PODS
hostnameOverride: $NAME
conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s }
END
"$KUBERNETES/kube-proxy" --config "$RUN/kube-proxy.yaml" > "$RUN/log/kube-proxy.log" 2>&1 &
wait
