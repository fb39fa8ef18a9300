//! The way to a controller through a cluster's API server, as `kubectl port-forward` goes it.

use std::io;

use hyper_util::rt::TokioIo;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::api::{Api, ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use crate::cli::ClusterOptions;
use crate::error::Error;

/// What pods of controllers are labelled with.
const LABELS: &str = "app.kubernetes.io/name=mesegate,app.kubernetes.io/component=controller";

/// What their admin port is called, and which it is where none is called so.
const PORT_NAME: &str = "admin";
const PORT: u16 = 9093;

/// What tokens have to be for.
const AUDIENCE: &str = "mesegate";

/// How long a token lasts, in seconds: the least that API servers give.
const LIFETIME: i64 = 600;

/// A controller in a cluster.
pub(crate) struct Cluster {
    client: Client,
    namespace: String,
    pod: String,
    port: u16,
}

impl Cluster {
    /// Looks for a controller that is ready.
    pub(crate) async fn find(options: &ClusterOptions) -> Result<Self, Error> {
        let wrong = |error: &dyn std::fmt::Display| Error::Usage(format!("kubeconfig: {error}"));
        let file = match &options.kubeconfig {
            Some(path) => Kubeconfig::read_from(path),
            None => Kubeconfig::read(),
        };
        let file = file.map_err(|error| wrong(&error))?;
        let context = options.context.clone();
        let chosen = KubeConfigOptions { context, ..KubeConfigOptions::default() };
        let config = Config::from_custom_kubeconfig(file, &chosen).await;
        let config = config.map_err(|error| wrong(&error))?;
        let namespace =
            options.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).map_err(|error| wrong(&error))?;
        let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
        let pods = pods.list(&ListParams::default().labels(LABELS)).await?;
        let pod = pods.items.into_iter().find(is_ready).ok_or_else(|| Error::Unreachable {
            url: format!("namespace {namespace}"),
            text: format!("no pod with {LABELS} is ready"),
        })?;
        let port = port(&pod);
        let pod = pod.metadata.name.unwrap_or_default();
        Ok(Self { client, namespace, pod, port })
    }

    /// Connects to the controller, in TLS if the endpoint's settings say so.
    pub(crate) async fn connect(
        &self,
        endpoint: Endpoint,
    ) -> Result<Channel, tonic::transport::Error> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let (pod, port) = (self.pod.clone(), self.port);
        let connector = service_fn(move |_: Uri| {
            let (pods, pod) = (pods.clone(), pod.clone());
            async move {
                let forwarded = pods.portforward(&pod, &[port]).await;
                let mut forwarded = forwarded.map_err(io::Error::other)?;
                let stream = forwarded.take_stream(port);
                // It goes on for as long as the stream is held.
                stream
                    .map(TokioIo::new)
                    .ok_or_else(|| io::Error::other("the port is not forwarded"))
            }
        });
        endpoint.connect_with_connector(connector).await
    }

    /// A token of a ServiceAccount, `NAME` or `NAMESPACE/NAME`, that only controllers take.
    pub(crate) async fn token(&self, account: &str) -> Result<String, Error> {
        let (namespace, name) = account.split_once('/').unwrap_or((&self.namespace, account));
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: vec![AUDIENCE.to_owned()],
                expiration_seconds: Some(LIFETIME),
                bound_object_ref: None,
            },
            ..TokenRequest::default()
        };
        let made = accounts.create_token_request(name, &PostParams::default(), &request).await?;
        Ok(made.status.map(|status| status.token).unwrap_or_default())
    }

    /// Where that is, for messages.
    pub(crate) fn place(&self) -> String {
        format!("pod {}/{} port {}", self.namespace, self.pod, self.port)
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|it| it.conditions.iter().flatten());
    let ready = conditions.into_iter().any(|it| it.type_ == "Ready" && it.status == "True");
    ready && pod.metadata.deletion_timestamp.is_none()
}

fn port(pod: &Pod) -> u16 {
    let containers = pod.spec.iter().flat_map(|it| &it.containers);
    let mut ports = containers.flat_map(|it| it.ports.iter().flatten());
    let named = ports.find(|it| it.name.as_deref() == Some(PORT_NAME));
    named.and_then(|it| u16::try_from(it.container_port).ok()).unwrap_or(PORT)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pods_that_can_be_asked_are_told_apart() {
        let pod = |ready: &str, name: &str| -> Pod {
            serde_json::from_value(json!({
                "metadata": {},
                "spec": { "containers": [
                    { "name": "other", "ports": [{ "containerPort": 80 }] },
                    { "name": "controller", "ports": [{ "name": name, "containerPort": 7000 }] },
                ] },
                "status": { "conditions": [{ "type": "Ready", "status": ready }] },
            }))
            .unwrap()
        };
        assert!(is_ready(&pod("True", "admin")) && !is_ready(&pod("False", "admin")));
        assert!(!is_ready(&Pod::default()));
        assert_eq!((port(&pod("True", "admin")), port(&pod("True", "grpc"))), (7000, PORT));
    }
}
