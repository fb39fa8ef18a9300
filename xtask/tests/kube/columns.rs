//! What `kubectl get` shows. The status is written as a controller writes it.

use xtask::kube::Cluster;

use crate::support::{applied, cluster, get};

fn condition(kind: &str, status: &str, reason: &str) -> String {
    format!(
        "{{\"type\":\"{kind}\",\"status\":\"{status}\",\"reason\":\"{reason}\",\"message\":\"m\",\
         \"observedGeneration\":1,\"lastTransitionTime\":\"2026-01-31T12:00:00Z\"}}"
    )
}

fn set_status(cluster: &Cluster, object: &str, status: &str) {
    let patch = format!("{{\"status\":{status}}}");
    let answer = cluster
        .kubectl(&["patch", object, "--subresource=status", "--type=merge", "-p", &patch])
        .unwrap();
    assert!(answer.success && answer.complaints.is_empty(), "{answer:?}");
}

/// Head and first line of a table, column by column, without the last one, which is the age.
fn table(cluster: &Cluster, arguments: &[&str]) -> Vec<(String, String)> {
    let text = get(cluster, arguments);
    let mut lines = text.lines();
    let head = lines.next().unwrap();
    let line = lines.next().unwrap();
    let starts: Vec<usize> = (0..head.len())
        .filter(|&i| {
            let at = |i: usize| head.as_bytes().get(i).copied();
            at(i) != Some(b' ') && (i == 0 || at(i - 1) == Some(b' '))
        })
        .collect();
    let cut = |text: &str, index: usize| {
        let end = starts.get(index + 1).copied().unwrap_or(text.len()).min(text.len());
        text.get(starts[index]..end).unwrap_or_default().trim().to_owned()
    };
    let all: Vec<_> = (0..starts.len()).map(|i| (cut(head, i), cut(line, i))).collect();
    let (age, rest) = all.split_last().unwrap();
    assert!(age.0 == "AGE" && age.1.ends_with('s'), "{text}");
    rest.to_vec()
}

fn assert_table(cluster: &Cluster, arguments: &[&str], expected: &[(&str, &str)]) {
    let expected: Vec<(String, String)> =
        expected.iter().map(|(head, value)| ((*head).into(), (*value).into())).collect();
    assert_eq!(table(cluster, arguments), expected, "{arguments:?}");
}

#[test]
#[ignore = "needs a Kubernetes API server: cargo xtask test --only kube"]
fn every_column_shows_what_it_is_for() {
    let cluster = cluster();
    applied(
        &cluster,
        "apiVersion: mesegate.dev/v1alpha1\nkind: MinetestServer\nmetadata: { name: arena }\n\
         spec: { endpoint: { host: a, port: 1 }, state: Drain, mediaPool: games }\n---\n\
         apiVersion: mesegate.dev/v1alpha1\nkind: MinetestServerGroup\nmetadata: { name: all }\n\
         spec: { selector: { matchLabels: { game: x } }, strategy: RoundRobin }\n---\n\
         apiVersion: mesegate.dev/v1alpha1\nkind: MinetestProxy\nmetadata: { name: default }\n\
         spec: { defaultTarget: { server: arena } }\n---\n\
         apiVersion: mesegate.dev/v1alpha1\nkind: MinetestBan\nmetadata: { name: mallory }\n\
         spec: { target: { name: Mallory }, reason: theft, expiresAt: \"2030-01-31T12:00:00Z\" }\n\
         ---\napiVersion: mesegate.dev/v1alpha1\nkind: MinetestBan\nmetadata: { name: net }\n\
         spec: { target: { cidr: 192.0.2.0/24 } }\n",
    );
    let ready = condition("Ready", "False", "Draining");
    let reachable = condition("Reachable", "True", "PartlyReachable");
    set_status(
        &cluster,
        "mts/arena",
        &format!(
            "{{\"observedGeneration\":1,\"conditions\":[{ready},{reachable}],\
             \"address\":\"192.0.2.7:30000\",\"players\":12}}"
        ),
    );
    let ready = condition("Ready", "False", "NoReadyMembers");
    set_status(
        &cluster,
        "mtg/all",
        &format!("{{\"conditions\":[{ready}],\"members\":3,\"readyMembers\":2,\"players\":40}}"),
    );
    let ready = condition("Ready", "True", "Ready");
    set_status(
        &cluster,
        "mtp/default",
        &format!("{{\"conditions\":[{ready}],\"connected\":2,\"players\":50}}"),
    );
    let accepted = condition("Accepted", "True", "Accepted");
    set_status(&cluster, "mtb/mallory", &format!("{{\"conditions\":[{accepted}]}}"));

    let server = [
        ("NAME", "arena"),
        ("READY", "False"),
        ("STATE", "Drain"),
        ("ADDRESS", "192.0.2.7:30000"),
        ("POOL", "games"),
    ];
    assert_table(&cluster, &["mts"], &server);
    let wide: Vec<(String, String)> = {
        let text = get(&cluster, &["mts", "-o", "wide"]);
        let mut lines = text.lines().map(|line| line.split_whitespace().map(str::to_owned));
        lines.next().unwrap().zip(lines.next().unwrap()).collect()
    };
    for (head, value) in [("PLAYERS", "12"), ("REACHABLE", "True"), ("REASON", "Draining")] {
        assert!(wide.contains(&(head.into(), value.into())), "{wide:?}");
    }
    assert_table(
        &cluster,
        &["mtg"],
        &[
            ("NAME", "all"),
            ("READY", "False"),
            ("MEMBERS", "3"),
            ("READYMEMBERS", "2"),
            ("STRATEGY", "RoundRobin"),
        ],
    );
    assert_table(
        &cluster,
        &["mtp"],
        &[("NAME", "default"), ("READY", "True"), ("PROXIES", "2"), ("PLAYERS", "50")],
    );
    assert_table(
        &cluster,
        &["mtb", "mallory"],
        &[
            ("NAME", "mallory"),
            ("PLAYER", "Mallory"),
            ("CIDR", ""),
            ("EXPIRES", "2030-01-31T12:00:00Z"),
            ("ACCEPTED", "True"),
        ],
    );
    assert!(get(&cluster, &["mtb", "net"]).contains("192.0.2.0/24"));
    // The category names all of them at once.
    let all = get(&cluster, &["minetest", "-o", "name"]);
    for kind in ["server", "servergroup", "proxy", "ban"] {
        assert!(all.contains(&format!("minetest{kind}.mesegate.dev/")), "{all}");
    }
}

#[test]
#[ignore = "needs a Kubernetes API server: cargo xtask test --only kube"]
fn conditions_are_merged_by_their_type() {
    let cluster = cluster();
    applied(
        &cluster,
        "apiVersion: mesegate.dev/v1alpha1\nkind: MinetestServer\nmetadata: { name: arena }\n\
         spec: { endpoint: { host: a, port: 1 } }\n",
    );
    // Two writers, each with a condition of its own, as server-side apply keeps them apart.
    for (manager, kind) in [("one", "Accepted"), ("two", "Reachable")] {
        let text = format!(
            "{{\"apiVersion\":\"mesegate.dev/v1alpha1\",\"kind\":\"MinetestServer\",\
             \"metadata\":{{\"name\":\"arena\"}},\"status\":{{\"conditions\":[{}]}}}}",
            condition(kind, "True", kind)
        );
        let manager = format!("--field-manager={manager}");
        let apply = ["apply", "--server-side", "--subresource=status", &manager, "-f", "-"];
        let answer = cluster.kubectl_with(&apply, &text).unwrap();
        assert!(answer.success, "{answer:?}");
    }
    let types = get(&cluster, &["mts/arena", "-o", "jsonpath={.status.conditions[*].type}"]);
    assert_eq!(types, "Accepted Reachable");
    let wrong = condition("Splendid", "True", "Splendid");
    let patch = format!("{{\"status\":{{\"conditions\":[{wrong}]}}}}");
    let args = ["patch", "mts/arena", "--subresource=status", "--type=merge", "-p", &patch];
    let answer = cluster.kubectl(&args).unwrap();
    assert!(!answer.success && answer.complaints.contains("\"Reachable\""), "{answer:?}");
}
