//! Definitions in the form in which they are compared and sent.

use bytes::Bytes;
use mesegate_protocol::content::{FeaturesView, Field, FieldKind, ItemView, features, item};
use mesegate_protocol::wire::WireError;
use mesegate_protocol::{NameMap, ProtocolVersion};

/// A definition that cannot be sent to clients.
#[derive(Debug, thiserror::Error)]
#[error("its definition of `{}` cannot be used: {error}", String::from_utf8_lossy(name))]
pub(crate) struct Unusable {
    name: Bytes,
    error: WireError,
}

impl Unusable {
    fn of(name: &Bytes) -> impl Fn(WireError) -> Self {
        move |error| Self { name: name.clone(), error }
    }
}

/// A node's definition without the ids it connects to, with all fields that every release knows:
/// definitions of servers of different releases end differently, and a short one would inherit
/// from the one before it. What stands for a set is in ascending order.
pub(crate) fn of_node(name: &Bytes, features: &Bytes, names: &NameMap) -> Result<Bytes, Unusable> {
    let renamed = features::rewrite(features, names, &|id| id).map_err(Unusable::of(name))?;
    let Ok(view) = FeaturesView::parse(&renamed) else {
        // Newer than any known, with nothing to rename in it.
        return Ok(renamed);
    };
    let bare = view.with_connects_to(&[]);
    let ordered = FeaturesView::parse(&bare).map_err(Unusable::of(name))?.ordered().unwrap_or(bare);
    let completed = FeaturesView::parse(&ordered).map_err(Unusable::of(name))?.completed();
    Ok(completed.filter(fits).unwrap_or(ordered))
}

/// True if a definition can be sent.
fn fits(definition: &Bytes) -> bool {
    u16::try_from(definition.len()).is_ok()
}

/// The ids that a node connects to, as its server numbers them.
pub(crate) fn connects_of(features: &Bytes) -> Vec<u16> {
    features::connects(features).unwrap_or_default()
}

/// The definition as it is sent. Ids that do not fit are left out.
pub(crate) fn with_connects(shape: &Bytes, connects: &[u16]) -> Bytes {
    if connects.is_empty() {
        return shape.clone();
    }
    let room = usize::from(u16::MAX).saturating_sub(shape.len()) / 2;
    let connects = &connects[..connects.len().min(room)];
    FeaturesView::parse(shape).map_or_else(|_| shape.clone(), |v| v.with_connects_to(connects))
}

/// An item's definition with a client's names and with all fields that every release knows. What
/// stands for a set is in ascending order.
pub(crate) fn of_item(
    name: &Bytes,
    raw: &Bytes,
    names: &NameMap,
    version: ProtocolVersion,
) -> Result<Bytes, Unusable> {
    let renamed = item::rewrite(raw, names, version).map_err(Unusable::of(name))?;
    let Ok(view) = ItemView::parse(&renamed, version) else {
        return Ok(renamed);
    };
    let ordered = view.ordered().unwrap_or_else(|| renamed.clone());
    let completed = ItemView::parse(&ordered, version).map_err(Unusable::of(name))?.completed();
    Ok(completed.filter(fits).unwrap_or(ordered))
}

/// The same item under another name.
pub(crate) fn item_called(
    raw: &Bytes,
    name: &Bytes,
    version: ProtocolVersion,
) -> Result<Bytes, Unusable> {
    let view = ItemView::parse(raw, version).map_err(Unusable::of(name))?;
    Ok(view.rename(&mut |field| (field.kind == FieldKind::Name).then(|| name.to_vec())))
}

/// Names that a definition refers to.
pub(crate) fn references(
    node: Option<&Bytes>,
    item: Option<&Bytes>,
    version: ProtocolVersion,
) -> Vec<Bytes> {
    let mut names = Vec::new();
    let mut note = |field: Field<'_>| {
        if field.kind == FieldKind::Reference && !field.value.is_empty() {
            names.push(Bytes::copy_from_slice(field.value));
        }
    };
    if let Some(view) = node.and_then(|raw| FeaturesView::parse(raw).ok()) {
        view.fields().for_each(&mut note);
    }
    if let Some(view) = item.and_then(|raw| ItemView::parse(raw, version).ok()) {
        view.fields().for_each(&mut note);
    }
    names
}

/// The first property in which two nodes differ.
pub(crate) fn node_difference(a: &Bytes, b: &Bytes) -> Option<&'static str> {
    FeaturesView::parse(a).ok()?.first_difference(&FeaturesView::parse(b).ok()?)
}

/// The first property in which two items differ.
pub(crate) fn item_difference(
    a: &Bytes,
    b: &Bytes,
    version: ProtocolVersion,
) -> Option<&'static str> {
    ItemView::parse(a, version).ok()?.first_difference(&ItemView::parse(b, version).ok()?)
}
