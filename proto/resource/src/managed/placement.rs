//! On which nodes a managed server's pod may run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::check::{self, Fault};
use crate::selector;

/// Labels in `nodeSelector`.
const MAX_LABELS: usize = 32;

/// Taints of nodes that do not keep the pod away: those that meet all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline, extend(
    "x-kubernetes-validations" = [
        {
            "rule": "(has(self.key) && self.key != '') || \
                     (has(self.operator) && self.operator == 'Exists')",
            "message": Toleration::KEYLESS
        },
        {
            "rule": "!has(self.value) || self.value == '' || !has(self.operator) || \
                     self.operator != 'Exists'",
            "message": Toleration::VALUED
        },
        {
            "rule": "!has(self.tolerationSeconds) || \
                     (has(self.effect) && self.effect == 'NoExecute')",
            "message": Toleration::TIMED
        }
    ]
)))]
pub struct Toleration {
    /// The taint's key; without it, which needs the operator Exists, any.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "crd", schemars(schema_with = "crate::schema::optional_label"))]
    pub key: String,
    /// What has to hold for the taint's value; without it, Equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<TolerationOperator>,
    /// The taint's value, unless the operator is Exists.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "crd", schemars(schema_with = "crate::schema::label_value"))]
    pub value: String,
    /// The taint's effect; without it, any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<TaintEffect>,
    /// How long the pod stays once the node has the taint, with the effect NoExecute only. 0 to
    /// 2147483647; without it, for ever.
    #[serde(
        default,
        deserialize_with = "check::optional_number::<_, _, 0, 2147483647>",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "crd", schemars(range(min = 0, max = 2_147_483_647)))]
    pub toleration_seconds: Option<u32>,
}

/// What has to hold for the taint's value; without it, Equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub enum TolerationOperator {
    /// It may be any.
    Exists,
    /// It is the same.
    Equal,
}

/// What the taint does to pods that do not put up with it; without it, any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub enum TaintEffect {
    /// They are not started there.
    NoSchedule,
    /// They are started there if no other node can take them.
    PreferNoSchedule,
    /// They are not started there, and those that run there are ended.
    NoExecute,
}

impl Toleration {
    const KEYLESS: &str = "write key, or operator: Exists for taints of any key";
    const VALUED: &str = "leave out value: with the operator Exists, any will do";
    const TIMED: &str = "tolerationSeconds needs effect: NoExecute";

    /// The rules of Kubernetes' `pkg/apis/core/validation`, ValidateTolerations, so that it does not
    /// refuse the StatefulSet later.
    fn check(&self, field: &str) -> Result<(), Fault> {
        let exists = self.operator == Some(TolerationOperator::Exists);
        if self.key.is_empty() {
            if !exists {
                return Err(Fault::new(field, Self::KEYLESS));
            }
        } else {
            selector::check_key(&self.key, &format!("{field}.key"))?;
        }
        if exists && !self.value.is_empty() {
            return Err(Fault::new(field, Self::VALUED));
        }
        selector::check_value(&self.value, &format!("{field}.value"))?;
        if self.toleration_seconds.is_some() && self.effect != Some(TaintEffect::NoExecute) {
            return Err(Fault::new(field, Self::TIMED));
        }
        Ok(())
    }
}

pub(super) fn check(
    node_selector: &BTreeMap<String, String>,
    tolerations: &[Toleration],
) -> Result<(), Fault> {
    selector::check_labels(node_selector, MAX_LABELS, "spec.managed.nodeSelector")?;
    for (index, it) in tolerations.iter().enumerate() {
        it.check(&format!("spec.managed.tolerations[{index}]"))?;
    }
    Ok(())
}
