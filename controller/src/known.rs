//! Objects of which this release may not know everything.

use std::borrow::Cow;
use std::ops::Deref;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use mesegate_resource::{GROUP, Lenient, Unknown};
use serde::de::{DeserializeOwned, Deserializer, Error};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::metrics::Metrics;

tokio::task_local! {
    /// Where a watch tells what is not known.
    static STRANGE: Strange;
}

/// An object, read without what this release does not know: the cluster's definitions may be
/// newer. Fields of `spec` of our own kinds that are passed over are told to the [`Strange`] of the task. A status
/// that cannot be read counts as none: it was written by a controller, and is written again.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Known<K>(pub K);

impl<K> Deref for Known<K> {
    type Target = K;

    fn deref(&self) -> &K {
        &self.0
    }
}

impl<'de, K: DeserializeOwned + Resource<DynamicType = ()>> Deserialize<'de> for Known<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        let note = |path: &str| {
            if K::group(&()) == GROUP && path.starts_with("spec.") {
                // Outside of a watch, nobody wants to know.
                let _ = STRANGE.try_with(|it| it.note(&K::kind(&()), path));
            }
        };
        let read = |value| K::deserialize(Lenient::new(value, &note));
        let status = value.as_object_mut().and_then(|it| it.remove("status"));
        let whole = status.and_then(|status| {
            let mut whole = value.clone();
            whole.as_object_mut()?.insert("status".to_owned(), status);
            read(whole).ok()
        });
        whole.map_or_else(|| read(value), Ok).map(Self).map_err(D::Error::custom)
    }
}

impl<K: Resource> Resource for Known<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(it: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(it)
    }

    fn group(it: &Self::DynamicType) -> Cow<'_, str> {
        K::group(it)
    }

    fn version(it: &Self::DynamicType) -> Cow<'_, str> {
        K::version(it)
    }

    fn plural(it: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(it)
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.meta()
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0.meta_mut()
    }
}

/// Fields that objects have and this release does not know, by kind. Cloning shares them.
#[derive(Debug, Clone)]
pub struct Strange {
    seen: Unknown,
    metrics: Metrics,
}

impl Strange {
    /// None yet.
    pub fn new(metrics: Metrics) -> Self {
        Self { seen: Unknown::default(), metrics }
    }

    /// Runs what reads objects.
    pub async fn during<T>(self, work: impl Future<Output = T>) -> T {
        STRANGE.scope(self, work).await
    }

    fn note(&self, kind: &str, field: &str) {
        if let Some(count) = self.seen.note(kind, field) {
            self.metrics.unknown_fields.set(count as i64);
            tracing::warn!(
                kind,
                field,
                "objects have a field that this release does not know; it is passed over"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::core::DeserializeGuard;
    use mesegate_resource::MinetestServer;
    use serde_json::json;

    use super::*;

    type Read = DeserializeGuard<Known<MinetestServer>>;

    fn object(spec: Value, status: Value) -> Value {
        json!({
            "apiVersion": "mesegate.dev/v1alpha1",
            "kind": "MinetestServer",
            "metadata": { "name": "a", "namespace": "n", "uid": "u", "futureField": 1 },
            "spec": spec,
            "status": status,
        })
    }

    #[tokio::test]
    async fn fields_of_newer_definitions_are_counted_once() {
        let metrics = Metrics::new().unwrap();
        let strange = Strange::new(metrics.clone());
        let good = json!({ "endpoint": { "host": "h", "port": 1, "tls": true }, "zone": "x" });
        let status = json!({ "players": 3, "load": 0.5 });
        strange
            .during(async {
                for _ in 0..3 {
                    let read: Read =
                        serde_json::from_value(object(good.clone(), status.clone())).unwrap();
                    let read = read.0.unwrap();
                    assert_eq!(read.meta().uid.as_deref(), Some("u"));
                    assert_eq!(read.spec.endpoint.as_ref().unwrap().port, 1);
                    assert_eq!(read.status.as_ref().unwrap().players, Some(3));
                }
                let broken: Read =
                    serde_json::from_value(object(json!({ "endpoint": 5 }), json!({}))).unwrap();
                assert_eq!(broken.0.unwrap_err().metadata.name.as_deref(), Some("a"));
            })
            .await;
        assert_eq!(metrics.unknown_fields.get(), 2);
    }

    #[test]
    fn a_status_of_a_newer_controller_does_no_harm() {
        let status = json!({ "conditions": [{
            "type": "Splendid", "status": "True", "reason": "Ready", "message": "",
            "lastTransitionTime": "2030-01-31T12:00:00Z",
        }] });
        let spec = json!({ "endpoint": { "host": "h", "port": 1 } });
        let read: Read = serde_json::from_value(object(spec, status)).unwrap();
        assert_eq!(read.0.unwrap().status, None);
    }
}
