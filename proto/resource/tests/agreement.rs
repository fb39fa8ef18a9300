//! Documents in files are refused for the same reasons as in a cluster. The API server's side of
//! the same table is tested by `cargo xtask test --only kube`.
#![allow(clippy::unwrap_used)]

use mesegate_resource::{BanSpec, Document, GroupSpec, Kind, ProxySpec, ServerSpec};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_yaml::Value;

#[derive(Deserialize)]
struct Case {
    why: String,
    kind: String,
    #[serde(default)]
    name: Option<String>,
    spec: Value,
    file: String,
}

fn refusal<S: Kind + DeserializeOwned>(text: &str) -> Option<String> {
    match serde_yaml::from_str::<Document<S>>(text) {
        Err(error) => Some(error.to_string()),
        Ok(document) => document.spec.check().err().map(|fault| fault.to_string()),
    }
}

fn read(kind: &str, text: &str) -> Option<String> {
    match kind {
        "MinetestServer" => refusal::<ServerSpec>(text),
        "MinetestServerGroup" => refusal::<GroupSpec>(text),
        "MinetestProxy" => refusal::<ProxySpec>(text),
        "MinetestBan" => refusal::<BanSpec>(text),
        other => Some(format!("no kind {other}")),
    }
}

fn document(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "{{ apiVersion: mesegate.dev/v1alpha1, kind: {kind}, metadata: {{ name: {name} }}, \
         spec: {spec} }}"
    )
}

#[test]
fn wrong_documents_are_refused_with_the_remedy() {
    let cases: Vec<Case> = serde_yaml::from_str(include_str!("wrong.yaml")).unwrap();
    assert!(cases.len() > 40);
    for case in cases {
        let spec = serde_json::to_string(&case.spec).unwrap();
        let text = document(&case.kind, case.name.as_deref().unwrap_or("a"), &spec);
        let said = read(&case.kind, &text).unwrap_or_default();
        assert!(said.contains(&case.file), "{}: {said:?}", case.why);
    }
}

#[test]
fn the_smallest_and_the_fullest_documents_are_taken() {
    for (kind, spec) in [
        ("MinetestServer", "{ endpoint: { host: '::1', port: 65535 } }"),
        (
            "MinetestServer",
            "{ serviceRef: { name: a, port: game }, state: Drain, maxPlayers: 100000, weight: 0, \
             mediaPool: p, fallbacks: [ { server: a }, { group: b } ], access: { permission: vip }, \
             probe: { interval: 1h, timeout: 1m, unhealthyThreshold: 10, healthyThreshold: 10 }, backendAuth: empty, \
             displayName: Ä }",
        ),
        ("MinetestServer", "{ managed: { image: a } }"),
        (
            "MinetestServer",
            "{ managed: { image: 'registry.example:5000/a/b@sha256:00', imagePullPolicy: Always, \
             game: Mine-clone_2, port: 1024, config: { secure.http_mods: 'a, b', motd: '', \
             'a:b-C': '# {' }, mods: [ { name: a_1, configMap: a.b }, { name: b, \
             persistentVolumeClaim: { claimName: mods, path: packs/b.c } } ], resources: { \
             requests: { cpu: 1, memory: 0.5Gi }, limits: { memory: 1Gi, ephemeral-storage: 1G } }, \
             imagePullSecrets: [ { name: a.b }, { name: c } ], nodeSelector: { \
             kubernetes.io/arch: amd64, games: '' }, tolerations: [ { operator: Exists }, \
             { key: '', operator: Exists, value: '', effect: PreferNoSchedule }, \
             { key: a.example/B_c, value: D-e }, { key: a, operator: Equal, effect: NoExecute, \
             tolerationSeconds: 0 }, { key: a, operator: Exists, effect: NoExecute, \
             tolerationSeconds: 2147483647 } ], priorityClassName: games, \
             storage: { size: 10Gi, storageClassName: fast.ssd }, whenDeleted: Delete } }",
        ),
        ("MinetestServerGroup", "{ selector: { matchLabels: { mesegate.dev/group: '' } } }"),
        (
            "MinetestServerGroup",
            "{ selector: { matchExpressions: [ { key: a, operator: NotIn, values: [ b ] } ] }, \
             strategy: Weighted, joinRate: 10000, emptyPolicy: Wait, fallbacks: [ { group: c } ], \
             displayName: x }",
        ),
        ("MinetestProxy", "{ defaultTarget: { group: lobby } }"),
        (
            "MinetestProxy",
            "{ defaultTarget: { server: a }, passwordPolicy: { allowEmpty: false }, \
             limits: { players: 0 }, messages: { full: '' }, commandPrefix: '§§§§§§§§', \
             rejoinLast: true, permissions: { groups: [ { name: a, inherits: [ b ], \
             permissions: [ 'cmd_*', -cmd_ban, '*', a.b-c ] }, { name: b } ], \
             players: [ { name: Al_-9, groups: [ a ], permissions: [ '-*' ] } ] } }",
        ),
        ("MinetestBan", "{ target: { name: Mallory_-9 } }"),
        (
            "MinetestBan",
            "{ target: { cidr: '2001:db8::/32' }, reason: x, expiresAt: '2030-01-31T12:00:00Z' }",
        ),
    ] {
        assert_eq!(read(kind, &document(kind, "a", spec)), None, "{kind} {spec}");
    }
}

#[test]
fn what_was_read_is_written_the_same() {
    let spec = "{\"endpoint\":{\"host\":\"a\",\"port\":1},\"state\":\"Active\",\"weight\":1,\
                \"fallbacks\":[{\"group\":\"b\"}],\"probe\":{\"interval\":\"30s\",\"timeout\":\"20s\",\
                \"unhealthyThreshold\":1,\"healthyThreshold\":1},\"backendAuth\":\"secret\"}";
    let read: ServerSpec = serde_json::from_str(spec).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), spec);
}

#[test]
fn what_a_cluster_adds_does_no_harm() {
    let text = "{ apiVersion: mesegate.dev/v1alpha1, kind: MinetestServer, \
                metadata: { name: a, namespace: games, uid: x, generation: 3, labels: { l: m } }, \
                spec: { endpoint: { host: a, port: 1 } }, status: { players: 3 } }";
    let document: Document<ServerSpec> = serde_yaml::from_str(text).unwrap();
    assert_eq!(document.metadata.labels.get("l").map(String::as_str), Some("m"));
    assert!(
        serde_yaml::from_str::<Document<ServerSpec>>(&text.replace("status", "stauts")).is_err()
    );
    let bad = text.replace("l: m", "l: 'm n'");
    assert!(serde_yaml::from_str::<Document<ServerSpec>>(&bad).is_err());
}
