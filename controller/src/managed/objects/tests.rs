use super::*;

fn managed(text: &str) -> Managed {
    let mut document: Value = serde_json::from_str(text).unwrap();
    document["image"] = json!("luanti:5");
    serde_json::from_value(document).unwrap()
}

fn source(managed: &Managed) -> Source<'_> {
    Source { name: "arena", uid: "u-1", managed }
}

#[test]
fn settings_and_mods_are_where_the_engine_looks() {
    let managed = managed(
        r#"{"port": 30100, "game": "devtest", "config": {"motd": "Hi", "a.b": ""},
            "mods": [{"name": "one", "configMap": "one-mod"},
                     {"name": "two", "persistentVolumeClaim": {"claimName": "mods"}},
                     {"name": "three", "persistentVolumeClaim":
                        {"claimName": "mods", "path": "p/3"}}]}"#,
    );
    let source = source(&managed);
    let settings = source.config_map()["data"]["minetest.conf"].as_str().unwrap().to_owned();
    let lines: Vec<&str> = settings.lines().skip(1).collect();
    assert_eq!(lines, ["port = 30100", "server_announce = false", "a.b = ", "motd = Hi"]);
    let template = source.template();
    let container = &template["spec"]["containers"][0];
    assert_eq!(container["ports"][0]["containerPort"], 30100);
    assert_eq!(container["args"][5], "devtest");
    let mounts: Vec<(&str, Option<&str>)> = container["volumeMounts"].as_array().unwrap()[3..]
        .iter()
        .map(|it| (it["mountPath"].as_str().unwrap(), it["subPath"].as_str()))
        .collect();
    let at = |name| match name {
        1 => "/world/worldmods/one",
        2 => "/world/worldmods/two",
        _ => "/world/worldmods/three",
    };
    assert_eq!(mounts, [(at(1), None), (at(2), Some("two")), (at(3), Some("p/3"))]);
    let volumes = template["spec"]["volumes"].as_array().unwrap();
    assert_eq!(volumes[3]["configMap"]["name"], "one-mod");
    assert_eq!(volumes[4]["persistentVolumeClaim"]["readOnly"], true);
    let service = source.service();
    assert_eq!(service["spec"]["ports"][0]["port"], 30100);
    assert_eq!(service["spec"]["selector"], source.selector());
}

#[test]
fn pods_change_with_the_document_and_with_nothing_else() {
    let revision = |text: &str| {
        let managed = managed(text);
        let source = source(&managed);
        let set = source.stateful_set(&source.template(), false, false);
        set["metadata"]["annotations"][REVISION].as_str().unwrap().to_owned()
    };
    let plain = revision("{}");
    assert_eq!(plain, revision(r#"{"storage": {"size": "7Gi"}, "whenDeleted": "Delete"}"#));
    for other in [
        r#"{"config": {"motd": "x"}}"#,
        r#"{"game": "devtest"}"#,
        r#"{"imagePullPolicy": "Always"}"#,
        r#"{"resources": {"limits": {"memory": "1Gi"}}}"#,
        r#"{"mods": [{"name": "a", "configMap": "b"}]}"#,
        r#"{"imagePullSecrets": [{"name": "registry"}]}"#,
        r#"{"nodeSelector": {"games": "yes"}}"#,
        r#"{"tolerations": [{"operator": "Exists"}]}"#,
        r#"{"priorityClassName": "games"}"#,
    ] {
        assert_ne!(plain, revision(other), "{other}");
    }
    let managed = managed("{}");
    let source = source(&managed);
    let stopped = source.stateful_set(&source.template(), true, true);
    assert_eq!(stopped["spec"]["replicas"], 0);
    assert_eq!(stopped["metadata"]["annotations"][ROLLED], "true");
    assert_eq!(stopped["metadata"]["annotations"][REVISION], *plain);
}

#[test]
fn nodes_and_credentials_are_the_pods_as_they_are_given() {
    let fields = json!({
        "imagePullSecrets": [{ "name": "b" }, { "name": "a" }],
        "nodeSelector": { "games.example/disk": "fast", "luanti": "" },
        "tolerations": [
            { "key": "games", "operator": "Equal", "value": "luanti", "effect": "NoSchedule" },
            { "key": "slow", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60 },
            { "operator": "Exists", "effect": "PreferNoSchedule" },
        ],
        "priorityClassName": "games",
    });
    let given = managed(&fields.to_string());
    let mut spec = source(&given).template()["spec"].clone();
    for (name, value) in fields.as_object().unwrap() {
        assert_eq!(&spec[name], value);
        spec.as_object_mut().unwrap().remove(name);
    }
    // The rest is as without them, and what is empty is as if it were not there.
    let empty = r#"{"imagePullSecrets": [], "nodeSelector": {}, "tolerations": []}"#;
    for text in ["{}", empty] {
        assert_eq!(spec, source(&managed(text)).template()["spec"], "{text}");
    }
}

/// What the last release made of these documents. With another digest, an upgrade of the controller
/// ends every pod once.
#[test]
fn what_is_not_asked_for_changes_no_pods() {
    for (text, template, set) in [
        ("{}", "18f98bece049dcffb2433fb295138086", "bc7d20d269edc203dd9d4311308212aa"),
        (
            r#"{"imagePullPolicy": "Always", "config": {"motd": "x"},
                "mods": [{"name": "a", "configMap": "b"}],
                "resources": {"limits": {"memory": "1Gi"}}}"#,
            "8772c3e8f280d3a9ee0af280363788f7",
            "ace7b25d2f5e4cf6ea5ae4d8b9158cbb",
        ),
    ] {
        let managed = managed(text);
        let source = source(&managed);
        let made = source.template();
        let said = [digest(&made), digest(&source.stateful_set(&made, false, false))];
        assert_eq!(said, [template, set], "{text}");
    }
}

#[test]
fn volumes_belong_to_servers_that_take_them_along() {
    let owners = |text: &str| {
        let managed = managed(text);
        let source = source(&managed);
        source.claim(None).0["metadata"]["ownerReferences"].clone()
    };
    assert_eq!(owners("{}"), Value::Null);
    let owner = owners(r#"{"whenDeleted": "Delete"}"#);
    assert_eq!((&owner[0]["uid"], &owner[0]["controller"]), (&json!("u-1"), &json!(true)));
    let managed = managed("{}");
    for it in [source(&managed).service(), source(&managed).config_map()] {
        assert_eq!(it["metadata"]["ownerReferences"], owner);
    }
}

#[test]
fn volumes_grow_and_stay_what_they_are_otherwise() {
    let claim = |text: &str, size: &str, class: Option<&str>| {
        let now: PersistentVolumeClaim = serde_json::from_value(json!({ "spec": {
            "storageClassName": class,
            "resources": { "requests": { "storage": size } },
        } }))
        .unwrap();
        let managed = managed(text);
        let (claim, problem) = source(&managed).claim(Some(&now));
        let size = claim["spec"]["resources"]["requests"]["storage"].as_str().unwrap().to_owned();
        let class = claim["spec"]["storageClassName"].as_str().map(str::to_owned);
        (size, class, problem.unwrap_or_default())
    };
    let five = r#"{"storage": {"size": "5Gi"}}"#;
    assert_eq!(claim(five, "1Gi", None), ("5Gi".into(), None, String::new()));
    assert_eq!(claim(five, "5120Mi", Some("a")).2, "");
    let (size, class, problem) = claim(five, "8Gi", Some("a"));
    assert_eq!((&*size, class.as_deref()), ("8Gi", Some("a")));
    assert!(problem.contains("8Gi") && problem.contains("shrink"), "{problem}");
    // In a way that is not read here, it is kept as well.
    assert_eq!(claim(five, "1e20", None).0, "1e20");
    let fast = r#"{"storage": {"size": "1Gi", "storageClassName": "fast"}}"#;
    let (_, class, problem) = claim(fast, "1Gi", Some("slow"));
    assert_eq!(class.as_deref(), Some("slow"));
    assert!(problem.contains("slow") && problem.contains("arena-world"), "{problem}");
}
