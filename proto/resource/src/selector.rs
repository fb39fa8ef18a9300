//! Choosing servers by their labels, as Kubernetes does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::check::{self, Fault};

/// Which servers belong to a group: those whose labels meet all of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline, extend(
    "x-kubernetes-map-type" = "atomic",
    "x-kubernetes-validations" = [{
        "rule": "(has(self.matchLabels) && size(self.matchLabels) > 0) || \
                 (has(self.matchExpressions) && size(self.matchExpressions) > 0)",
        "message": "write at least one label in matchLabels or matchExpressions"
    }]
)))]
pub struct Selector {
    /// Labels with their values. At most 16.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "crd", schemars(schema_with = "crate::schema::labels::<16>"))]
    pub match_labels: BTreeMap<String, String>,
    /// Conditions on labels. At most 16.
    #[serde(deserialize_with = "check::list::<_, _, 16>", skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "crd", schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic")))]
    pub match_expressions: Vec<Expression>,
}

/// A condition on one label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline, extend(
    "x-kubernetes-validations" = [{
        "rule": "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
        "message": "In and NotIn need values, Exists and DoesNotExist have none"
    }]
)))]
pub struct Expression {
    /// The label.
    #[cfg_attr(feature = "crd", schemars(schema_with = "crate::schema::label"))]
    pub key: String,
    /// What has to hold.
    pub operator: Operator,
    /// Values for In and NotIn. At most 32.
    #[serde(
        default,
        deserialize_with = "check::list::<_, _, 32>",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[cfg_attr(feature = "crd", schemars(schema_with = "crate::schema::label_value_list"))]
    pub values: Vec<String>,
}

/// What has to hold for a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub enum Operator {
    /// It has one of the values.
    In,
    /// It has none of the values, or is not there.
    NotIn,
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
}

impl Selector {
    /// Whether these labels meet all of it.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|expression| expression.matches(labels))
    }

    pub(crate) fn check(&self, field: &str) -> Result<(), Fault> {
        if self.match_labels.is_empty() && self.match_expressions.is_empty() {
            let what = "write at least one label in matchLabels or matchExpressions";
            return Err(Fault::new(field, what));
        }
        check_labels(&self.match_labels, 16, &format!("{field}.matchLabels"))?;
        for (index, expression) in self.match_expressions.iter().enumerate() {
            let field = format!("{field}.matchExpressions[{index}]");
            check_key(&expression.key, &format!("{field}.key"))?;
            let wants = matches!(expression.operator, Operator::In | Operator::NotIn);
            if wants == expression.values.is_empty() {
                let what = "In and NotIn need values, Exists and DoesNotExist have none";
                return Err(Fault::new(field, what));
            }
            for value in &expression.values {
                check_value(value, &format!("{field}.values"))?;
            }
        }
        Ok(())
    }
}

impl Expression {
    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        match self.operator {
            Operator::In => value.is_some_and(|value| self.values.contains(value)),
            Operator::NotIn => value.is_none_or(|value| !self.values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

pub(crate) fn check_labels(
    labels: &BTreeMap<String, String>,
    max: usize,
    field: &str,
) -> Result<(), Fault> {
    if labels.len() > max {
        return Err(Fault::new(field, format!("at most {max} labels")));
    }
    for (key, value) in labels {
        check_key(key, field)?;
        check_value(value, field)?;
    }
    Ok(())
}

pub(crate) fn check_key(key: &str, field: &str) -> Result<(), Fault> {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(p, n)| (Some(p), n));
    let dns = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-.".contains(&c);
    let prefix = prefix.is_none_or(|p| !p.is_empty() && p.bytes().all(dns));
    if key.len() <= 317 && prefix && !name.is_empty() && is_label_text(name) {
        return Ok(());
    }
    let what =
        format!("{key:?} is no label; write NAME or PREFIX/NAME, such as mesegate.dev/group");
    Err(Fault::new(field, what))
}

pub(crate) fn check_value(value: &str, field: &str) -> Result<(), Fault> {
    if is_label_text(value) {
        return Ok(());
    }
    let what = format!(
        "{value:?} is no value of a label; write up to 63 of a-z, A-Z, 0-9, '-', '_' and '.', \
         with a letter or digit at both ends"
    );
    Err(Fault::new(field, what))
}

/// What names and values of labels are made of (apimachinery `util/validation`,
/// IsQualifiedName and IsValidLabelValue).
pub(crate) fn is_label_text(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    bytes.len() <= 63
        && bytes.iter().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(c))
        && ends.into_iter().flatten().all(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_mean_what_they_do_in_kubernetes() {
        let labels: BTreeMap<String, String> =
            [("a".into(), "1".into()), ("b".into(), String::new())].into();
        for (key, operator, values, expected) in [
            ("a", Operator::In, vec!["1", "2"], true),
            ("a", Operator::In, vec!["2"], false),
            ("c", Operator::In, vec!["1"], false),
            ("a", Operator::NotIn, vec!["1"], false),
            ("c", Operator::NotIn, vec!["1"], true),
            ("b", Operator::Exists, vec![], true),
            ("c", Operator::Exists, vec![], false),
            ("c", Operator::DoesNotExist, vec![], true),
        ] {
            let values = values.into_iter().map(str::to_owned).collect();
            let expression = Expression { key: key.into(), operator, values };
            let selector = Selector { match_expressions: vec![expression], ..Selector::default() };
            assert_eq!(selector.matches(&labels), expected, "{selector:?}");
        }
    }
}
