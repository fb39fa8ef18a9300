//! Bringing a managed server's objects to the API server, by server-side apply. Objects of others
//! are never touched, whatever they are called.

use std::fmt::Debug;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::NamespaceResourceScope;
use kube::{Client, Error, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::objects::{MANAGED_BY, SERVER, Source, claim_name, config_name};
use crate::cluster::controlled_by;
use crate::metrics::Metrics;
use crate::writer::MANAGER;

/// Applies and deletes objects of a namespace.
pub struct Applier {
    /// The API server.
    pub client: Client,
    /// Where the objects are.
    pub namespace: String,
    /// Counters.
    pub metrics: Metrics,
}

/// Why an object is not as it should be, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// There is one of somebody else's, or one that is on its way out.
    NotOwned(String),
    /// The API server says no, or nothing.
    Refused(String),
}

impl Applier {
    /// Applies all objects of a server, or, without the StatefulSet, only the claim. Gives the
    /// StatefulSet back, and what of the volume could not be done, which hinders nothing else.
    ///
    /// # Errors
    /// The first thing that cannot be done. Nothing is changed if an object is somebody else's.
    pub async fn put_all(
        &self,
        source: &Source<'_>,
        set: Option<Value>,
    ) -> Result<(Option<StatefulSet>, Option<String>), Trouble> {
        let own = |meta: &ObjectMeta| controlled_by(meta) == Some(source.uid);
        let kept = |meta: &ObjectMeta| is_kept(meta, source.name);
        let (config, claim) = (source.config_name(), source.claim_name());
        let claim_now = self
            .get::<PersistentVolumeClaim>(&claim, |meta| {
                own(meta) || controlled_by(meta).is_none() && kept(meta)
            })
            .await?;
        let service_now = self.get::<Service>(source.name, own).await?;
        let config_now = self.get::<ConfigMap>(&config, own).await?;
        let set_now = self.get::<StatefulSet>(source.name, own).await?;
        let (wanted, mut problem) = source.claim(claim_now.as_ref());
        match self.put(&claim, wanted, claim_now.as_ref()).await {
            Ok(_) => {}
            // What there is can be used as it is.
            Err(Trouble::Refused(why)) if claim_now.is_some() => problem = Some(why),
            Err(trouble) => return Err(trouble),
        }
        let Some(set) = set else { return Ok((None, problem)) };
        self.put(source.name, source.service(), service_now.as_ref()).await?;
        self.put(&config, source.config_map(), config_now.as_ref()).await?;
        let given = self.put(source.name, set, set_now.as_ref()).await?;
        Ok((Some(given), problem))
    }

    /// Takes away what was made for a server that is not managed any more. What cannot be done is
    /// tried again with the next round, as the StatefulSet goes last.
    pub async fn remove(&self, name: &str, uid: &str, set: &StatefulSet) {
        let result = async {
            self.delete::<Service>(name, uid).await?;
            self.delete::<ConfigMap>(&config_name(name), uid).await?;
            // One that is to stay belongs to nobody.
            self.delete::<PersistentVolumeClaim>(&claim_name(name), uid).await?;
            self.delete_if::<StatefulSet>(name, &set.metadata).await
        };
        match result.await {
            Ok(()) => tracing::info!(server = name, "a server is not managed any more"),
            Err(error) => {
                self.metrics.managed_errors_total.inc();
                tracing::warn!(server = name, %error, "a managed server was not taken away");
            }
        }
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The object of that name, which has to be ours, if there is one.
    async fn get<K>(
        &self,
        name: &str,
        ours: impl Fn(&ObjectMeta) -> bool,
    ) -> Result<Option<K>, Trouble>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let found = self.api::<K>().get_opt(name).await.map_err(|error| self.refused(&error))?;
        let Some(found) = found else { return Ok(None) };
        let (kind, meta) = (K::kind(&()), found.meta());
        if meta.deletion_timestamp.is_some() {
            let message = format!("the {kind} {name} is being deleted");
            return Err(Trouble::NotOwned(message));
        }
        if ours(meta) {
            return Ok(Some(found));
        }
        let message = format!(
            "there is a {kind} {name} that is not this server's; delete it, or call the server \
             something else"
        );
        Err(Trouble::NotOwned(message))
    }

    /// Applies an object. One that there is not must not have come into being meanwhile, and one
    /// that there is has to be the same still.
    async fn put<K>(&self, name: &str, mut wanted: Value, now: Option<&K>) -> Result<K, Trouble>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let mut params = PatchParams::apply(MANAGER);
        if let Some(now) = now {
            wanted["metadata"]["uid"] = json!(now.meta().uid);
            params = params.force();
        }
        match self.api::<K>().patch(name, &params, &Patch::Apply(wanted)).await {
            Ok(given) => {
                self.metrics.managed_writes_total.inc();
                Ok(given)
            }
            Err(error) => Err(self.refused(&error)),
        }
    }

    async fn delete<K>(&self, name: &str, owner: &str) -> Result<(), Error>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        match self.api::<K>().get_opt(name).await? {
            Some(found) if controlled_by(found.meta()) == Some(owner) => {
                self.delete_if::<K>(name, found.meta()).await
            }
            _ => Ok(()),
        }
    }

    /// Deletes an object if it is still that one.
    async fn delete_if<K>(&self, name: &str, meta: &ObjectMeta) -> Result<(), Error>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let just = Preconditions { uid: meta.uid.clone(), resource_version: None };
        let params = DeleteParams::background().preconditions(just);
        match self.api::<K>().delete(name, &params).await {
            Ok(_) => {
                self.metrics.managed_writes_total.inc();
                Ok(())
            }
            Err(Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn refused(&self, error: &Error) -> Trouble {
        self.metrics.managed_errors_total.inc();
        tracing::warn!(%error, "an object of a managed server was not applied");
        Trouble::Refused(match error {
            Error::Api(status) => status.message.clone(),
            other => other.to_string(),
        })
    }
}

/// Whether it is what was left of an earlier server of that name.
fn is_kept(meta: &ObjectMeta, server: &str) -> bool {
    let has = |key: &str, value: &str| {
        meta.labels.as_ref().and_then(|it| it.get(key)).is_some_and(|it| it == value)
    };
    has(MANAGED_BY.0, MANAGED_BY.1) && has(SERVER, server)
}
