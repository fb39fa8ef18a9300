//! The objects that a managed server is made of. Pure functions.

use std::fmt::Write as _;

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use mesegate_resource::{API_VERSION, Kind as _, Managed, Name, Quantity, ServerSpec, WhenDeleted};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Name of the UDP port of pods and Services.
pub const PORT: &str = "game";

/// The same as a name.
pub fn port() -> Name {
    Name::new(PORT).expect("PORT is made of letters")
}

/// Label with the name of the server that an object belongs to.
pub const SERVER: &str = "mesegate.dev/server";

/// Label and value of all objects that the controller makes.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "mesegate");

/// Annotation of a StatefulSet: what its pods are made of.
pub const REVISION: &str = "mesegate.dev/revision";

/// Annotation of a StatefulSet: whether its pods were changed while there were some.
pub const ROLLED: &str = "mesegate.dev/rolled";

/// Annotation of pods: what their settings are, so that other settings make other pods.
const SETTINGS: &str = "mesegate.dev/settings";

/// Who the server is in its pod, and whose the world is.
const USER: u32 = 65532;

/// Seconds that the engine has to save the world when its pod is to end.
const GRACE: u32 = 60;

/// Seconds that a pod has to run before it counts. The engine answers over UDP only, which
/// Kubernetes cannot ask; one that cannot start ends within these.
const MIN_READY: u32 = 5;

/// A managed server.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Its name.
    pub name: &'a str,
    /// What tells it from others that have had the name.
    pub uid: &'a str,
    /// What it is made of.
    pub managed: &'a Managed,
}

/// What the ConfigMap of a server is called.
pub fn config_name(server: &str) -> String {
    format!("{server}-config")
}

/// What the claim of a server is called.
pub fn claim_name(server: &str) -> String {
    format!("{server}-world")
}

impl Source<'_> {
    /// Name of its ConfigMap.
    pub fn config_name(&self) -> String {
        config_name(self.name)
    }

    /// Name of the claim of its volume.
    pub fn claim_name(&self) -> String {
        claim_name(self.name)
    }

    /// Its `minetest.conf`.
    fn settings(&self) -> String {
        let mut text = format!(
            "# Made by mesegate-controller of the MinetestServer {}.\n\
             port = {}\nserver_announce = false\n",
            self.name, self.managed.port
        );
        for (name, value) in &self.managed.config {
            text.extend([name, " = ", value, "\n"]);
        }
        text
    }

    /// What tells its pods from others'.
    fn selector(&self) -> Value {
        json!({ "app.kubernetes.io/name": "luanti", SERVER: self.name })
    }

    fn metadata(&self, name: &str, owned: bool) -> Value {
        let mut metadata = json!({
            "name": name,
            "labels": {
                "app.kubernetes.io/name": "luanti",
                "app.kubernetes.io/instance": self.name,
                MANAGED_BY.0: MANAGED_BY.1,
                SERVER: self.name,
            },
        });
        if owned {
            metadata["ownerReferences"] = json!([{
                "apiVersion": API_VERSION,
                "kind": ServerSpec::KIND,
                "name": self.name,
                "uid": self.uid,
                "controller": true,
            }]);
        }
        metadata
    }

    /// The ConfigMap with the settings.
    pub fn config_map(&self) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": self.metadata(&self.config_name(), true),
            "data": { "minetest.conf": self.settings() },
        })
    }

    /// The Service, by whose slices the address is found.
    pub fn service(&self) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": self.metadata(self.name, true),
            "spec": {
                "type": "ClusterIP",
                "selector": self.selector(),
                "ports": [{
                    "name": PORT,
                    "port": self.managed.port,
                    "protocol": "UDP",
                    "targetPort": PORT,
                }],
            },
        })
    }

    /// What its pods are made of.
    pub fn template(&self) -> Value {
        let Managed { image, image_pull_policy, game, port, mods, resources, .. } = self.managed;
        let Managed { image_pull_secrets, node_selector, tolerations, .. } = self.managed;
        let mut volumes = vec![
            json!({ "name": "config", "configMap": { "name": self.config_name() } }),
            json!({ "name": "world", "persistentVolumeClaim": { "claimName": self.claim_name() } }),
            json!({ "name": "tmp", "emptyDir": {} }),
        ];
        let mut mounts = vec![
            json!({ "name": "config", "mountPath": "/etc/luanti", "readOnly": true }),
            json!({ "name": "world", "mountPath": "/world" }),
            json!({ "name": "tmp", "mountPath": "/tmp" }),
        ];
        // Mods in worldmods are loaded without further settings (the engine's
        // `content/mod_configuration.cpp`).
        for (index, it) in mods.iter().enumerate() {
            let name = format!("mod-{index}");
            let at = format!("/world/worldmods/{}", it.name);
            let mut mount = json!({ "name": name, "mountPath": at, "readOnly": true });
            if let Some(map) = &it.config_map {
                volumes.push(json!({ "name": name, "configMap": { "name": map.as_str() } }));
            } else if let Some(volume) = &it.persistent_volume_claim {
                mount["subPath"] = json!(volume.path.as_deref().unwrap_or(&it.name));
                let claim = json!({ "claimName": volume.claim_name.as_str(), "readOnly": true });
                volumes.push(json!({ "name": name, "persistentVolumeClaim": claim }));
            }
            mounts.push(mount);
        }
        let mut container = json!({
            "name": "server",
            "image": image,
            // Without a log file of its own: what it says is the pod's log.
            "args": [
                "--config", "/etc/luanti/minetest.conf", "--world", "/world", "--gameid", game,
                "--logfile", "",
            ],
            "env": [{ "name": "HOME", "value": "/tmp" }],
            "ports": [{ "name": PORT, "containerPort": port, "protocol": "UDP" }],
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": { "drop": ["ALL"] },
            },
            "volumeMounts": mounts,
        });
        if let Some(policy) = image_pull_policy {
            container["imagePullPolicy"] = json!(policy);
        }
        if let Some(resources) = resources {
            container["resources"] = json!(resources);
        }
        let mut spec = json!({
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": GRACE,
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "seccompProfile": { "type": "RuntimeDefault" },
            },
            "containers": [container],
            "volumes": volumes,
        });
        // Only if given: otherwise the revision of every server would change with the release.
        if !image_pull_secrets.is_empty() {
            spec["imagePullSecrets"] = json!(image_pull_secrets);
        }
        if !node_selector.is_empty() {
            spec["nodeSelector"] = json!(node_selector);
        }
        if !tolerations.is_empty() {
            spec["tolerations"] = json!(tolerations);
        }
        if let Some(class) = &self.managed.priority_class_name {
            spec["priorityClassName"] = json!(class);
        }
        json!({
            "metadata": {
                "labels": {
                    "app.kubernetes.io/name": "luanti",
                    "app.kubernetes.io/instance": self.name,
                    MANAGED_BY.0: MANAGED_BY.1,
                    SERVER: self.name,
                },
                "annotations": { SETTINGS: digest(&json!(self.settings())) },
            },
            "spec": spec,
        })
    }

    /// The StatefulSet, with a pod or, if it is to be `stopped`, with none.
    ///
    /// Its pods are managed in parallel though there is one at most: one that never becomes ready
    /// would otherwise not be replaced when the template is mended (the StatefulSet controller's
    /// `stateful_set_control.go` waits for it).
    pub fn stateful_set(&self, template: &Value, stopped: bool, rolled: bool) -> Value {
        let mut metadata = self.metadata(self.name, true);
        metadata["annotations"] = json!({ REVISION: digest(template), ROLLED: rolled.to_string() });
        json!({
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": metadata,
            "spec": {
                "replicas": u8::from(!stopped),
                "serviceName": self.name,
                "podManagementPolicy": "Parallel",
                "minReadySeconds": MIN_READY,
                "selector": { "matchLabels": self.selector() },
                "template": template,
            },
        })
    }

    /// The claim of the volume, made of the one that there is, and what of the document cannot be
    /// done to that.
    pub fn claim(&self, now: Option<&PersistentVolumeClaim>) -> (Value, Option<String>) {
        let storage = &self.managed.storage;
        let mut size = storage.size.as_str();
        let mut class = storage.storage_class_name.as_ref().map(|it| it.as_str());
        let mut problem = None;
        let (has, has_class);
        if let Some(spec) = now.and_then(|it| it.spec.as_ref()) {
            let requests = spec.resources.as_ref().and_then(|it| it.requests.as_ref());
            has = requests.and_then(|it| it.get("storage")).map(|it| it.0.clone());
            let amount = has.as_deref().and_then(Quantity::new).map(|it| it.thousandths());
            if let Some(has) = has.as_deref()
                && amount.is_none_or(|it| it >= storage.size.thousandths())
            {
                if amount.is_none_or(|it| it > storage.size.thousandths()) {
                    problem = Some(format!(
                        "spec.managed.storage.size: the volume has {has} and cannot shrink to \
                         {size}; write {has}"
                    ));
                }
                size = has;
            }
            has_class = spec.storage_class_name.clone();
            if class.is_some() && class != has_class.as_deref() {
                let has = has_class.as_deref().unwrap_or_default();
                problem = Some(format!(
                    "spec.managed.storage.storageClassName: the volume has the class {has:?} and \
                     cannot get another one; write that, or delete the claim {}",
                    self.claim_name()
                ));
            }
            class = has_class.as_deref();
        }
        let mut spec = json!({
            "accessModes": ["ReadWriteOnce"],
            "resources": { "requests": { "storage": size } },
        });
        if let Some(class) = class {
            spec["storageClassName"] = json!(class);
        }
        let owned = self.managed.when_deleted == WhenDeleted::Delete;
        let claim = json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": self.metadata(&self.claim_name(), owned),
            "spec": spec,
        });
        (claim, problem)
    }
}

/// What tells a value from others, as text.
pub fn digest(value: &Value) -> String {
    let hash = Sha256::digest(value.to_string());
    hash.iter().take(16).fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
