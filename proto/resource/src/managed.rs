//! Servers that the controller runs itself.

mod placement;

use std::collections::BTreeMap;

use serde::de::{Deserializer, Error, Unexpected};
use serde::{Deserialize, Serialize};

use crate::check::{self, Fault};
use crate::name::{Name, ObjectName};
use crate::quantity::Quantity;
pub use placement::{TaintEffect, Toleration, TolerationOperator};

/// Settings in `config`.
const MAX_SETTINGS: usize = 128;

/// Settings that are made of other fields, each with what to write instead.
pub(crate) const RESERVED: [(&str, &str); 3] = [
    ("port", "write managed.port instead of the setting port"),
    ("bind_address", "leave out bind_address: the pod's own addresses are the only ones it has"),
    (
        "server_announce",
        "leave out server_announce: players would come past the proxies; write spec.announce in \
         the MinetestProxy",
    ),
];

/// What the controller makes a server of: a StatefulSet with one pod, a Service, a ConfigMap with
/// the settings and a volume for the world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub struct Managed {
    /// Image whose entrypoint is the server program, such as luantiserver. It runs as user 65532
    /// with a root file system that cannot be written to; /world is the volume. 1 to 512
    /// characters.
    #[serde(deserialize_with = "image")]
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 512), extend(
        "x-kubernetes-validations" = [{
            "rule": "self.matches('^[!-~]+$')",
            "message": "write the name of an image, without blanks"
        }]
    )))]
    pub image: String,
    /// When the image is fetched; without it, as Kubernetes does for the image's tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<PullPolicy>,
    /// Secrets with credentials for the image's registry, instead of those of the ServiceAccount
    /// default. At most 8.
    #[serde(
        default,
        deserialize_with = "check::list::<_, _, 8>",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[cfg_attr(feature = "crd", schemars(length(max = 8), extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["name"]
    )))]
    pub image_pull_secrets: Vec<ImagePullSecret>,
    /// Id of the game, which the image has to have: the name of its folder.
    #[serde(default = "minetest_game", deserialize_with = "game")]
    #[cfg_attr(feature = "crd", schemars(length(max = 63), extend(
        "x-kubernetes-validations" = [{
            "rule": "self.matches('^[A-Za-z0-9_][-A-Za-z0-9_]*$')",
            "message": "write the id of a game, such as minetest_game"
        }]
    )))]
    pub game: String,
    /// UDP port in the pod, 1024 to 65535.
    #[serde(default = "port", deserialize_with = "check::number::<_, _, 1024, 65535>")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1024, max = 65535)))]
    pub port: u16,
    /// Settings of minetest.conf with their values, one line each. At most 128. port, bind_address
    /// and server_announce are not among them.
    #[serde(default, deserialize_with = "settings", skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "crd", schemars(schema_with = "crate::schema::settings"))]
    pub config: BTreeMap<String, String>,
    /// Mods that the world has besides those of the game. At most 32.
    #[serde(
        default,
        deserialize_with = "check::list::<_, _, 32>",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[cfg_attr(feature = "crd", schemars(length(max = 32), extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["name"]
    )))]
    pub mods: Vec<Mod>,
    /// What the pod is given, and the most that it may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Labels that a node has to have for the pod to run there. At most 32.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "crd", schemars(schema_with = "crate::schema::labels::<32>"))]
    pub node_selector: BTreeMap<String, String>,
    /// Taints of nodes that do not keep the pod away. At most 16.
    #[serde(
        default,
        deserialize_with = "check::list::<_, _, 16>",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[cfg_attr(feature = "crd", schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic")))]
    pub tolerations: Vec<Toleration>,
    /// PriorityClass of the pod, which says who goes first where there is no room for all; without
    /// it, the cluster's default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<ObjectName>,
    /// The volume of the world.
    #[serde(default)]
    pub storage: Storage,
    /// What becomes of the volume when this object is deleted, or is no longer managed.
    #[serde(default)]
    pub when_deleted: WhenDeleted,
}

/// A Secret with credentials for a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub struct ImagePullSecret {
    /// Its name.
    pub name: ObjectName,
}

/// A mod or modpack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline, extend(
    "x-kubernetes-validations" = [{
        "rule": "has(self.configMap) != has(self.persistentVolumeClaim)",
        "message": "write either configMap or persistentVolumeClaim"
    }]
)))]
pub struct Mod {
    /// Its folder in the world's worldmods: 1 to 63 of a-z, 0-9 and '_'.
    #[serde(deserialize_with = "mod_name")]
    #[cfg_attr(feature = "crd", schemars(length(max = 63), extend(
        "x-kubernetes-validations" = [{
            "rule": "self.matches('^[a-z0-9_]+$')",
            "message": "write 1 to 63 of a-z, 0-9 and '_'"
        }]
    )))]
    pub name: String,
    /// ConfigMap whose entries are the mod's files. Either this or persistentVolumeClaim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ObjectName>,
    /// Claim of a volume that has the mod's folder, which is only read. Either this or configMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent_volume_claim: Option<ModVolume>,
}

/// Where in a volume a mod is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub struct ModVolume {
    /// Name of the claim.
    pub claim_name: ObjectName,
    /// The mod's folder in it, such as packs/mesecons; without it, the mod's name.
    #[serde(default, deserialize_with = "path", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 255), extend(
        "x-kubernetes-validations" = [{
            "rule": "self.matches('^[A-Za-z0-9_][-A-Za-z0-9_.]*(/[A-Za-z0-9_][-A-Za-z0-9_.]*)*$')",
            "message": "write a folder in the volume, such as packs/mesecons"
        }]
    )))]
    pub path: Option<String>,
}

/// When an image is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub enum PullPolicy {
    /// For every start.
    Always,
    /// If the node does not have it.
    IfNotPresent,
    /// Never.
    Never,
}

/// What a pod is given, and the most that it may use.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub struct Resources {
    /// What it is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<Amounts>,
    /// The most that it may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Amounts>,
}

/// Amounts of what pods use.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub struct Amounts {
    /// Processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Quantity>,
    /// Memory in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Quantity>,
    /// Space on the node in bytes.
    #[serde(rename = "ephemeral-storage", skip_serializing_if = "Option::is_none")]
    pub ephemeral_storage: Option<Quantity>,
}

/// The volume of a world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub struct Storage {
    /// How large it is. It can grow later, where the storage class can do that.
    pub size: Quantity,
    /// Class of the volume; without it, the cluster's default one. Not changed later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class_name: Option<ObjectName>,
}

impl Default for Storage {
    fn default() -> Self {
        Self { size: Quantity::GIBI, storage_class_name: None }
    }
}

/// What becomes of a world when its server is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub enum WhenDeleted {
    /// Its claim stays, and a server that is made with the same name gets it.
    #[default]
    Retain,
    /// Its claim is deleted, too.
    Delete,
}

impl Managed {
    /// What names of managed servers are made of, in words: Services and pods are called like them.
    pub const NAME_RULE: &str =
        "the name of a managed server has at most 52 characters and begins with a letter";

    /// Whether a server of that name can be managed.
    pub fn fits(name: &Name) -> bool {
        let name = name.as_str();
        name.len() <= 52 && name.starts_with(|c: char| c.is_ascii_lowercase())
    }

    pub(crate) fn check(&self) -> Result<(), Fault> {
        if self.storage.size.thousandths() == 0 {
            return Err(Fault::new("spec.managed.storage.size", "write more than 0"));
        }
        for (index, it) in self.image_pull_secrets.iter().enumerate() {
            if self.image_pull_secrets.iter().take(index).any(|other| other.name == it.name) {
                let field = format!("spec.managed.imagePullSecrets[{index}]");
                return Err(Fault::new(field, format!("{} is there already", it.name.as_str())));
            }
        }
        placement::check(&self.node_selector, &self.tolerations)?;
        for (index, it) in self.mods.iter().enumerate() {
            let field = format!("spec.managed.mods[{index}]");
            if it.config_map.is_some() == it.persistent_volume_claim.is_some() {
                return Err(Fault::new(field, "write either configMap or persistentVolumeClaim"));
            }
            if self.mods.iter().take(index).any(|other| other.name == it.name) {
                return Err(Fault::new(field, format!("there is a mod {} already", it.name)));
            }
        }
        Ok(())
    }
}

fn minetest_game() -> String {
    "minetest_game".to_owned()
}

fn port() -> u16 {
    30000
}

/// A text for which `good` holds.
fn text<'de, D: Deserializer<'de>>(
    deserializer: D,
    expected: &str,
    good: impl Fn(&str) -> bool,
) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if good(&text) {
        return Ok(text);
    }
    Err(D::Error::invalid_value(Unexpected::Str(&text), &expected))
}

fn image<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text(deserializer, "the name of an image, without blanks", |it| {
        (1..=512).contains(&it.len()) && it.bytes().all(|c| c.is_ascii_graphic())
    })
}

fn game<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text(deserializer, "the id of a game, such as minetest_game", |it| {
        let good = |c: u8| c.is_ascii_alphanumeric() || b"_-".contains(&c);
        (1..=63).contains(&it.len()) && !it.starts_with('-') && it.bytes().all(good)
    })
}

/// As `MODNAME_ALLOWED_CHARS` of the engine's `content/mods.h`.
fn mod_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text(deserializer, "1 to 63 of a-z, 0-9 and '_'", |it| {
        let good = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_';
        (1..=63).contains(&it.len()) && it.bytes().all(good)
    })
}

fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    struct Path(String);
    impl<'de> Deserialize<'de> for Path {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let expected = "a folder in the volume, such as packs/mesecons";
            let inner = |c: u8| c.is_ascii_alphanumeric() || b"_-.".contains(&c);
            let part = |it: &str| {
                it.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
                    && it.bytes().all(inner)
            };
            text(deserializer, expected, |it| it.len() <= 255 && it.split('/').all(part)).map(Self)
        }
    }
    Ok(Option::<Path>::deserialize(deserializer)?.map(|it| it.0))
}

/// Settings that are read back as they are written: a value that begins with '{' or '"' may be the
/// beginning of several lines (the engine's `settings.cpp`, parseConfigObject).
fn settings<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    let settings = BTreeMap::<String, String>::deserialize(deserializer)?;
    if settings.len() > MAX_SETTINGS {
        let expected = format!("at most {MAX_SETTINGS} settings");
        return Err(D::Error::invalid_length(settings.len(), &expected.as_str()));
    }
    for (name, value) in &settings {
        let good = |c: u8| c.is_ascii_alphanumeric() || b"_.:-".contains(&c);
        if !(1..=100).contains(&name.len()) || !name.bytes().all(good) {
            let expected = "names of settings: 1 to 100 of a-z, A-Z, 0-9, '_', '.', ':' and '-'";
            return Err(D::Error::invalid_value(Unexpected::Str(name), &expected));
        }
        if let Some((_, remedy)) = RESERVED.iter().find(|(reserved, _)| reserved == name) {
            return Err(D::Error::custom(remedy));
        }
        let line = value.chars().count() <= 1024 && !value.contains(char::is_control);
        if !line || value.starts_with([' ', '{', '"']) {
            let expected =
                "one line of at most 1024 characters that begins with no blank, '{' or '\"'";
            return Err(D::Error::invalid_value(Unexpected::Str(value), &expected));
        }
    }
    Ok(settings)
}
