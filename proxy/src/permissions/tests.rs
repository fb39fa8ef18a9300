use mesegate_resource::{Kind as _, ProxySpec};

use super::*;

fn document(permissions: &str) -> Result<resource::Permissions, String> {
    let text = format!("{{ defaultTarget: {{ server: a }}, permissions: {permissions} }}");
    let spec: ProxySpec = serde_yaml::from_str(&text).map_err(|error| error.to_string())?;
    spec.check().map_err(|fault| fault.to_string())?;
    Ok(spec.permissions)
}

fn permissions(text: &str) -> Permissions {
    Permissions::new(&document(text).unwrap())
}

#[test]
fn nearer_rules_go_before_farther_ones_and_special_ones_before_general_ones() {
    let it = permissions(
        "{ groups: [
            { name: default, permissions: [ cmd_help, cmd_find ] },
            { name: helper, permissions: [ cmd_kick, -cmd_find ] },
            { name: mod, inherits: [ helper ], permissions: [ 'cmd_*', -cmd_ban ] },
            { name: jailer, permissions: [ cmd_ban, '-cmd_un*' ] },
            { name: admin, permissions: [ '*' ] } ],
          players: [
            { name: Helga, groups: [ helper ] },
            { name: max, groups: [ mod ] },
            { name: zoe, groups: [ mod, jailer ] },
            { name: boss, groups: [ admin ], permissions: [ -cmd_shutdown ] } ] }",
    );
    for (player, permission, allowed) in [
        ("nobody", "cmd_help", true),
        ("nobody", "cmd_kick", false),
        // What a group takes away is gone even if everybody else has it.
        ("helga", "cmd_find", false),
        ("HELGA", "cmd_kick", true),
        ("helga", "cmd_help", true),
        // The nearer cmd_* goes before the inherited -cmd_find.
        ("max", "cmd_find", true),
        ("max", "cmd_ban", false),
        ("max", "cmd_unban", true),
        ("max", "other", false),
        // Given and taken away in groups of the same distance: taken away.
        ("zoe", "cmd_ban", false),
        ("zoe", "cmd_unban", false),
        ("boss", "anything.at-all", true),
        ("boss", "cmd_shutdown", false),
        ("boss", "cmd_shutdow", true),
        ("a-name-that-is-far-too-long-to-be-one", "cmd_help", true),
        ("", "cmd_kick", false),
    ] {
        assert_eq!(it.allows(player, permission), allowed, "{player} {permission}");
    }
    assert_eq!(it.rule("helga", "vip"), None);
    assert_eq!(it.groups_of("zoe"), ["mod", "jailer", "default"]);
    assert_eq!(it.rules_of("helga"), ["-cmd_find", "cmd_kick", "cmd_help"]);
    assert_eq!(it.group("mod").unwrap().rules, ["cmd_*", "-cmd_ban"]);
}

#[test]
fn without_a_default_group_everybody_may_look() {
    let it = permissions("{}");
    for permission in BUILT_IN {
        assert!(it.allows("anybody", permission));
    }
    assert!(!it.allows("anybody", "cmd_kick") && !it.allows("anybody", "cmd_addr"));
    assert_eq!(it.group_names().collect::<Vec<_>>(), [DEFAULT]);
    let none = permissions("{ groups: [ { name: default } ] }");
    assert!(!none.allows("anybody", "cmd_help"));
}

#[test]
fn documents_that_make_no_sense_say_why() {
    for (text, words) in [
        (
            "{ groups: [ { name: a, inherits: [ b ] }, { name: b, inherits: [ c, a ] }, \
             { name: c } ] }",
            "a -> b -> a",
        ),
        ("{ groups: [ { name: a, inherits: [ a ] } ] }", "a -> a"),
        ("{ groups: [ { name: a, inherits: [ x ] } ] }", "no permission group x"),
        ("{ groups: [ { name: a }, { name: a } ] }", "two groups a"),
        ("{ players: [ { name: a, groups: [ x ] } ] }", "no permission group x"),
        ("{ players: [ { name: a }, { name: A } ] }", "twice"),
        ("{ players: [ { name: 'a b' } ] }", "a player's name"),
        ("{ groups: [ { name: a, permissions: [ 'a*b' ] } ] }", "a permission: 1 to 63"),
    ] {
        let error = document(text).unwrap_err();
        assert!(error.contains(words), "{text}: {error}");
    }
}

#[test]
fn a_long_way_of_inheritance_is_followed_to_its_end() {
    let groups = (0..64).map(|i| match i {
        63 => "{ name: g63, permissions: [ deep ] }".to_owned(),
        i => format!("{{ name: g{i}, inherits: [ g{} ] }}", i + 1),
    });
    let groups: Vec<String> = groups.collect();
    let text = format!(
        "{{ groups: [ {} ], players: [ {{ name: p, groups: [ g0 ] }} ] }}",
        groups.join(", ")
    );
    assert!(permissions(&text).allows("P", "deep"));
}
