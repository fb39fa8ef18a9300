//! What single values change.

use serde_json::{Value, json};

use crate::support::{container, has_argument, object, objects, pod, refusal};

const POSTGRESQL: &str = "database: { type: postgresql, secretName: db }";

fn kinds(objects: &[Value]) -> Vec<&str> {
    objects.iter().map(|it| it["kind"].as_str().unwrap()).collect()
}

fn proxy(values: &str) -> Vec<Value> {
    objects(&format!("proxy: {{ {values} }}"))
}

/// How long a Secret's entry is, in base64.
fn secret(objects: &[Value], name: &str, entry: &str) -> usize {
    object(objects, "Secret", name).unwrap()["data"][entry].as_str().unwrap().len()
}

#[test]
#[ignore = "needs helm: cargo xtask test --only chart"]
fn by_default_there_is_one_proxy_with_its_accounts_in_a_claim() {
    let all = objects("{}");
    let deployment = object(&all, "Deployment", "mesegate-proxy").unwrap();
    assert_eq!(deployment["spec"]["replicas"], 1);
    assert_eq!(deployment["spec"]["strategy"], json!({ "type": "Recreate" }));
    let claim = object(&all, "PersistentVolumeClaim", "mesegate-proxy").unwrap();
    assert_eq!(claim["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
    assert!(claim["spec"].get("storageClassName").is_none());
    let service = object(&all, "Service", "mesegate-proxy").unwrap();
    assert_eq!(service["spec"]["externalTrafficPolicy"], "Local");
    assert_eq!(service["spec"]["type"], "LoadBalancer");
    assert_eq!(service["spec"]["ports"][0]["protocol"], "UDP");
    let kinds = kinds(&all);
    for absent in ["HorizontalPodAutoscaler", "NetworkPolicy", "PodMonitor", "PrometheusRule"] {
        assert!(!kinds.contains(&absent), "{absent}");
    }
    let unclassed = proxy("persistence: { storageClassName: '' }");
    let claim = object(&unclassed, "PersistentVolumeClaim", "mesegate-proxy").unwrap();
    assert_eq!(claim["spec"]["storageClassName"], "");
}

#[test]
#[ignore = "needs helm: cargo xtask test --only chart"]
fn with_postgresql_there_may_be_many() {
    let all = proxy(&format!("replicas: 3, {POSTGRESQL}"));
    let deployment = object(&all, "Deployment", "mesegate-proxy").unwrap();
    assert_eq!(deployment["spec"]["replicas"], 3);
    assert_eq!(deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"], 0);
    assert!(!kinds(&all).contains(&"PersistentVolumeClaim"));
    let container = container(&all, "proxy");
    let mut variables = container["env"].as_array().unwrap().iter();
    let variable = variables.find(|it| it["name"] == "MESEGATE_DATABASE").unwrap();
    let wanted = json!({ "secretKeyRef": { "name": "db", "key": "url" } });
    assert_eq!(variable["valueFrom"], wanted);
    // All of them have one key: 32 bytes.
    assert_eq!(secret(&all, "mesegate-proxy-backend-key", "backend.key"), 44);
    let given = proxy(&format!("{POSTGRESQL}, backendKey: {{ secretName: mine }}"));
    assert!(object(&given, "Secret", "mesegate-proxy-backend-key").is_none());
    assert!(pod(&given, "proxy").to_string().contains(r#""secretName":"mine""#));

    let scaled = proxy(&format!("{POSTGRESQL}, autoscaling: {{ enabled: true }}"));
    let deployment = object(&scaled, "Deployment", "mesegate-proxy").unwrap();
    assert!(deployment["spec"].get("replicas").is_none());
    let scaler = object(&scaled, "HorizontalPodAutoscaler", "mesegate-proxy").unwrap();
    assert_eq!(scaler["spec"]["behavior"]["scaleDown"]["selectPolicy"], "Disabled");
    let everywhere = proxy(&format!("{POSTGRESQL}, kind: DaemonSet"));
    assert!(object(&everywhere, "DaemonSet", "mesegate-proxy").is_some());
    assert!(object(&everywhere, "Deployment", "mesegate-proxy").is_none());
}

#[test]
#[ignore = "needs helm: cargo xtask test --only chart"]
fn players_come_by_a_service_or_by_ports_of_nodes() {
    let port = |objects: &[Value]| container(objects, "proxy")["ports"][0].clone();
    let plain = proxy("port: 30010, service: { type: NodePort, nodePort: 30011 }");
    assert_eq!(port(&plain), json!({ "name": "game", "containerPort": 30010, "protocol": "UDP" }));
    let service = object(&plain, "Service", "mesegate-proxy").unwrap();
    assert_eq!(service["spec"]["ports"][0]["nodePort"], 30011);
    assert!(has_argument(container(&plain, "proxy"), "--listen=0.0.0.0:30010"));
    let host = proxy("exposure: hostPort");
    assert_eq!(port(&host)["hostPort"], 30000);
    assert!(object(&host, "Service", "mesegate-proxy").is_none());
    assert!(pod(&host, "proxy")["spec"].get("hostNetwork").is_none());
    let network = proxy("exposure: hostNetwork");
    let spec = &pod(&network, "proxy")["spec"];
    assert_eq!(spec["hostNetwork"], true);
    assert_eq!(spec["dnsPolicy"], "ClusterFirstWithHostNet");
    let media = proxy("media: { enabled: true, url: 'http://play.example.org:30080/' }");
    assert!(has_argument(container(&media, "proxy"), "--media-http=0.0.0.0:30080"));
    assert!(object(&media, "Service", "mesegate-proxy-media").is_some());
}

#[test]
#[ignore = "needs helm: cargo xtask test --only chart"]
fn the_control_stream_is_encrypted_in_each_mode() {
    for (values, secret_name, made) in [
        ("{}", "mesegate-controller-tls", "Secret"),
        ("controller: { tls: { mode: secret, secretName: mine } }", "mine", ""),
        (
            "controller: { tls: { mode: certManager, issuerRef: { name: ca } } }",
            "mesegate-controller-tls",
            "Certificate",
        ),
    ] {
        let all = objects(values);
        let secret = object(&all, "Secret", "mesegate-controller-tls");
        assert_eq!(secret.is_some(), made == "Secret", "{values}");
        let certificate = object(&all, "Certificate", "mesegate-controller");
        assert_eq!(certificate.is_some(), made == "Certificate", "{values}");
        let controller = pod(&all, "controller")["spec"]["volumes"][0].clone();
        assert_eq!(controller["secret"]["secretName"], secret_name);
        let proxy = pod(&all, "proxy")["spec"]["volumes"].as_array().unwrap().clone();
        let control = proxy.iter().find(|it| it["name"] == "control").unwrap();
        let sources = &control["projected"]["sources"];
        assert_eq!(sources[0]["serviceAccountToken"]["audience"], "mesegate-control");
        // Never the key.
        let wanted = json!([{ "key": "ca.crt", "path": "ca.crt" }]);
        assert_eq!(sources[1]["secret"]["items"], wanted);
        assert_eq!(sources[1]["secret"]["name"], secret_name);
    }
}

#[test]
#[ignore = "needs helm: cargo xtask test --only chart"]
fn the_admin_interface_is_for_the_machine_unless_it_is_exposed() {
    let port = |all: &[Value]| {
        let service = object(all, "Service", "mesegate-controller").unwrap();
        service["spec"]["ports"].as_array().unwrap().iter().any(|it| it["name"] == "admin")
    };
    let inside = objects("{}");
    assert!(has_argument(container(&inside, "controller"), "--admin=127.0.0.1:9093"));
    assert!(has_argument(container(&inside, "controller"), "--admin-accounts"));
    assert!(!port(&inside));
    assert!(object(&inside, "ServiceAccount", "mesegate-admin").is_some());
    let exposed = objects("controller: { admin: { exposed: true } }");
    let arguments = container(&exposed, "controller");
    assert!(has_argument(arguments, "--admin=0.0.0.0:9093"));
    assert!(has_argument(arguments, "--admin-tls-key=/etc/mesegate/tls/tls.key"));
    assert!(port(&exposed));
    // `helm test` asks it as an operator, and has to reach it.
    assert!(object(&inside, "Pod", "mesegate-test").is_none());
    let test = object(&exposed, "Pod", "mesegate-test").unwrap();
    assert_eq!(test["metadata"]["annotations"]["helm.sh/hook"], "test");
    assert_eq!(test["spec"]["serviceAccountName"], "mesegate-admin");
    let off = objects("controller: { admin: { enabled: false } }");
    assert!(!container(&off, "controller")["args"].to_string().contains("--admin"));
    assert!(
        !kinds(&off).contains(&"ServiceAccount")
            || object(&off, "ServiceAccount", "mesegate-admin").is_none()
    );
    assert!(object(&off, "Role", "mesegate-operator-admin").is_none());
}

#[test]
#[ignore = "needs helm: cargo xtask test --only chart"]
fn controllers_run_servers_unless_they_are_not_to() {
    let flag = "--managed-servers";
    assert!(has_argument(container(&objects("{}"), "controller"), flag));
    let off = objects(
        "{ controller: { managedServers: { enabled: false } }, networkPolicy: { enabled: true } }",
    );
    assert!(!has_argument(container(&off, "controller"), flag));
    assert!(object(&off, "NetworkPolicy", "mesegate-managed").is_none());
    let host = objects("{ proxy: { exposure: hostNetwork }, networkPolicy: { enabled: true } }");
    assert!(object(&host, "NetworkPolicy", "mesegate-managed").is_none());
}

#[test]
#[ignore = "needs helm: cargo xtask test --only chart"]
fn policies_let_only_those_in_who_have_to() {
    let all = objects(
        "networkPolicy: { enabled: true, metricsFrom: { name: monitoring }, backends: { app: luanti } }",
    );
    let proxies = json!({
        "app.kubernetes.io/name": "mesegate",
        "app.kubernetes.io/instance": "mesegate",
        "app.kubernetes.io/component": "proxy",
    });
    for name in ["mesegate-backends", "mesegate-managed", "mesegate-controller"] {
        let policy = object(&all, "NetworkPolicy", name).unwrap();
        let from = &policy["spec"]["ingress"][0]["from"];
        assert_eq!(*from, json!([{ "podSelector": { "matchLabels": proxies } }]), "{name}");
    }
    let backends = object(&all, "NetworkPolicy", "mesegate-backends").unwrap();
    assert_eq!(backends["spec"]["podSelector"], json!({ "matchLabels": { "app": "luanti" } }));
    let managed = object(&all, "NetworkPolicy", "mesegate-managed").unwrap();
    assert_eq!(
        managed["spec"]["podSelector"]["matchLabels"],
        json!({ "app.kubernetes.io/managed-by": "mesegate", "app.kubernetes.io/name": "luanti" })
    );
    let metrics = &object(&all, "NetworkPolicy", "mesegate-proxy").unwrap()["spec"]["ingress"][1];
    assert_eq!(
        metrics["from"][0]["namespaceSelector"]["matchLabels"],
        json!({ "name": "monitoring" })
    );
    assert_eq!(
        kinds(&objects("networkPolicy: { backends: { app: a } }"))
            .iter()
            .filter(|it| **it == "NetworkPolicy")
            .count(),
        1
    );
}

#[test]
#[ignore = "needs helm: cargo xtask test --only chart"]
fn monitoring_is_what_was_asked_for() {
    let all = objects(
        "monitoring: { monitors: { enabled: true, labels: { release: a } }, rules: { enabled: true }, \
         dashboards: { enabled: true } }",
    );
    let pods = object(&all, "PodMonitor", "mesegate-proxy").unwrap();
    assert_eq!(pods["metadata"]["labels"]["release"], "a");
    assert_eq!(pods["spec"]["podMetricsEndpoints"][0]["port"], "http");
    assert!(object(&all, "ServiceMonitor", "mesegate-controller").is_some());
    let rules = object(&all, "PrometheusRule", "mesegate").unwrap();
    assert!(rules["spec"]["groups"][0]["rules"].as_array().unwrap().len() > 5);
    for name in ["proxies", "controllers"] {
        let map = object(&all, "ConfigMap", &format!("mesegate-dashboard-{name}")).unwrap();
        assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
        let text = map["data"][format!("{name}.json")].as_str().unwrap();
        let board: Value = serde_json::from_str(text).unwrap();
        assert_eq!(board["uid"], format!("mesegate-{name}"));
    }
}

#[test]
#[ignore = "needs helm: cargo xtask test --only chart"]
fn images_are_named_by_tag_or_by_digest() {
    let digest = format!("sha256:{}", "a".repeat(64));
    for (image, name) in [
        ("{}".to_owned(), "ghcr.io/mesegate/mesegate-proxy:0.1.0".to_owned()),
        ("{ registry: '', repository: own/proxy, tag: next }".into(), "own/proxy:next".into()),
        (format!("{{ digest: '{digest}' }}"), format!("ghcr.io/mesegate/mesegate-proxy@{digest}")),
    ] {
        let all = proxy(&format!("image: {image}"));
        assert_eq!(container(&all, "proxy")["image"], name);
    }
    let all = objects(
        "extraObjects: [ { apiVersion: v1, kind: ConfigMap, metadata: { name: '{{ .Release.Name }}-x' } } ]",
    );
    assert!(object(&all, "ConfigMap", "mesegate-x").is_some());
    assert!(object(&objects("fullnameOverride: other"), "Service", "other-proxy").is_some());
}

#[test]
#[ignore = "needs helm: cargo xtask test --only chart"]
fn players_have_the_grace_period_less_what_their_goodbye_takes() {
    let drained = |values: &str, timeout: &str, grace: u64| {
        let all = proxy(values);
        assert!(
            has_argument(container(&all, "proxy"), &format!("--drain-timeout={timeout}")),
            "{values}"
        );
        assert_eq!(pod(&all, "proxy")["spec"]["terminationGracePeriodSeconds"], grace, "{values}");
    };
    // Nobody else could take the players of the only proxy there can be.
    drained("", "0", 900);
    drained("drain: { timeoutSeconds: 60 }", "60", 900);
    drained(POSTGRESQL, "890", 900);
    drained(&format!("{POSTGRESQL}, stopSeconds: 20"), "878", 900);
    drained(&format!("{POSTGRESQL}, terminationGracePeriodSeconds: 10"), "0", 10);
    drained(&format!("{POSTGRESQL}, drain: {{ timeoutSeconds: 890 }}"), "890", 900);
    drained(&format!("{POSTGRESQL}, drain: {{ timeoutSeconds: 0 }}"), "0", 900);
    let nudged = proxy(&format!("{POSTGRESQL}, drain: {{ nudgePerSecond: 0.5 }}"));
    assert!(has_argument(container(&nudged, "proxy"), "--drain-nudge=0.5"));
}

#[test]
#[ignore = "needs helm: cargo xtask test --only chart"]
fn traces_are_sent_where_a_collector_is_named() {
    let variable = |container: &Value, name: &str| {
        let variables = container["env"].as_array().unwrap();
        variables.iter().find(|it| it["name"] == name).map(|it| it["value"].clone())
    };
    let without = objects("{}");
    let with = objects("tracing: { endpoint: 'http://otel:4317', ratio: 0.25 }");
    for component in ["controller", "proxy"] {
        let bare = container(&without, component);
        let arguments = bare["args"].as_array().unwrap();
        let any = arguments.iter().any(|it| it.as_str().unwrap().starts_with("--otlp-endpoint"));
        assert!(!any && variable(bare, "OTEL_TRACES_SAMPLER").is_none(), "{bare}");
        let traced = container(&with, component);
        assert!(has_argument(traced, "--otlp-endpoint=http://otel:4317"), "{traced}");
        assert_eq!(variable(traced, "OTEL_TRACES_SAMPLER_ARG"), Some(json!("0.25")));
    }
    for wrong in ["tracing: { endpoint: otel }", "tracing: { ratio: 2 }", "tracing: { url: x }"] {
        refusal(wrong);
    }
}
