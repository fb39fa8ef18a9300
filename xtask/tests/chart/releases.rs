//! Every release of Kubernetes that the chart is for knows all fields of what it makes. Whatever
//! another test here has rendered (`support::objects`) is compared with all of them as well.

use xtask::chart;
use xtask::kube::schemas::Release;

use crate::admission::VALUES;
use crate::support::{FIXED, FOREIGN, documents, objects, text, valid};
use crate::values::CONTEXTS;

/// Ports of nodes, and kinds that other projects bring.
const MORE: [&str; 3] = [
    "proxy: { exposure: hostPort }",
    "proxy: { exposure: hostNetwork }",
    "{ controller: { tls: { mode: certManager, issuerRef: { name: ca } } }, monitoring: { monitors: \
     { enabled: true }, rules: { enabled: true }, dashboards: { enabled: true } } }",
];

#[test]
#[ignore = "needs helm and kubeconform: cargo xtask test --only chart"]
fn each_release_takes_what_is_made_for_it() {
    for release in Release::ALL {
        let answer = chart::render_for(release.version, "games", FIXED).unwrap();
        assert!(answer.success, "{}", answer.complaints);
        valid(&[release], &answer.output);
    }
    for values in VALUES.iter().chain(&CONTEXTS[..5]).chain(&MORE) {
        objects(values);
    }
    valid(&Release::ALL, &text("deploy/install.yaml"));
}

#[test]
#[ignore = "needs helm: cargo xtask test --only chart"]
fn older_releases_are_refused() {
    let answer = chart::render_for("1.29.15", "games", FIXED).unwrap();
    assert!(!answer.success && answer.complaints.contains(">=1.30.0"), "{answer:?}");
    let oldest = Release::ALL[0].version;
    assert!(oldest.starts_with("1.30."), "{oldest}");
}

#[test]
#[ignore = "needs helm and kubeconform: cargo xtask test --only chart"]
fn kinds_of_others_are_the_only_ones_passed_over() {
    let all = objects(MORE[2]);
    let groups = ["monitoring.coreos.com/v1", "cert-manager.io/v1"];
    for object in &all {
        let foreign = FOREIGN.contains(&object["kind"].as_str().unwrap());
        let version = object["apiVersion"].as_str().unwrap();
        assert_eq!(foreign, groups.contains(&version), "{object}");
    }
    for kind in FOREIGN {
        assert!(all.iter().any(|it| it["kind"] == kind), "{kind} is made nowhere");
    }
}

#[test]
#[ignore = "needs helm and kubeconform: cargo xtask test --only chart"]
fn mistakes_are_found_in_each_release() {
    let answer = chart::render("games", FIXED).unwrap();
    let wrong = |from: &str, to: &str| {
        let text = answer.output.replacen(from, to, 1);
        assert_ne!(text, answer.output, "{from} is not there");
        text
    };
    let cases = [
        (wrong("readOnlyRootFilesystem:", "readOnlyRootFileSystem:"), "readOnlyRootFileSystem"),
        (wrong("containerPort: ", "containerPort: a"), "got string, want integer"),
        (wrong("kind: PodDisruptionBudget", "kind: PodDisruptionBudgets"), "could not find schema"),
        (wrong("policy/v1", "policy/v1beta1"), "could not find schema"),
        (wrong("  selector:\n", "  selectors:\n"), "selector"),
    ];
    for release in Release::ALL {
        for (text, word) in &cases {
            let said = release.check(text, &FOREIGN).unwrap();
            assert!(!said.success, "{}: {word} was taken", release.version);
            let words = said.output + &said.complaints;
            assert!(words.contains(word), "{}: {word}: {words}", release.version);
        }
    }
    // What came later is found by the releases before it, and by them alone.
    let newer = "apiVersion: v1\nkind: Pod\nmetadata: { name: a }\nspec:\n  containers: [ { name: a, \
                 image: a } ]\n  hostnameOverride: a\n";
    let taken = |release: &Release| release.check(newer, &[]).unwrap().success;
    let taken: Vec<bool> = Release::ALL.iter().map(taken).collect();
    assert!(!taken[0] && taken[Release::ALL.len() - 1], "{taken:?}");
    assert!(taken.is_sorted(), "{taken:?}");
    assert_eq!(documents(newer).len(), 1);
}
