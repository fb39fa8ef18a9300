//! Active objects, and the rules about the own one (`client/clientenvironment.cpp`,
//! `client/content_cao.cpp`, `network/clientpackethandler.cpp`).

use mesegate_protocol::wire::{Reader, WireError};

use super::{ObjectView, View, text};

/// Object messages that carry a position.
const UPDATE_POSITION: u8 = 1;

impl View {
    pub(super) fn remove_add(&mut self, r: &mut Reader<'_>) -> Result<(), WireError> {
        let removed = (0..r.u16()?).map(|_| r.u16()).collect::<Result<Vec<_>, _>>()?;
        let mut added = Vec::new();
        for _ in 0..r.u16()? {
            let id = r.u16()?;
            let kind = r.u8()?;
            let init = r.str32()?;
            if kind == 101 {
                added.push((id, init_data(id, init)?));
            }
        }
        let brings_own = added.iter().any(|(_, object)| self.is_own(object));
        if self.own_object.is_none() && !brings_own {
            // The packet tells the client that objects have come; it then asks its own object
            // whether it is dead, which is a fatal error without one.
            self.violation("objects came before the own object");
        }
        for id in removed {
            if Some(id) == self.own_object {
                self.violation("the own object was removed");
            }
            self.objects.remove(&id);
        }
        for (id, object) in added {
            if id == 0 {
                self.violation("an object with id 0");
            }
            if self.is_own(&object) {
                if self.own_object.is_some() {
                    self.violation("the own object was added a second time");
                }
                self.own_object = Some(id);
            } else if self.objects.contains_key(&id) {
                self.violation(format!("object id {id} was added while in use"));
            }
            self.objects.insert(id, object);
        }
        Ok(())
    }

    fn is_own(&self, object: &ObjectView) -> bool {
        object.is_player && object.name == self.login_name
    }

    pub(super) fn object_messages(&mut self, r: &mut Reader<'_>) -> Result<(), WireError> {
        while !r.is_empty() {
            let id = r.u16()?;
            let message = r.str16()?;
            if let Some(object) = self.objects.get_mut(&id) {
                apply(object, message)?;
            }
        }
        Ok(())
    }
}

fn apply(object: &mut ObjectView, message: &[u8]) -> Result<(), WireError> {
    object.messages += 1;
    let mut r = Reader::new(message);
    if r.u8()? == UPDATE_POSITION {
        object.position = r.v3f()?.map(|unit| unit / 10.0);
    }
    Ok(())
}

fn init_data(id: u16, init: &[u8]) -> Result<ObjectView, WireError> {
    let mut r = Reader::new(init);
    if r.u8()? != 1 {
        return Err(r.invalid("init data version"));
    }
    let name = text(&mut r)?;
    let is_player = r.bool()?;
    if r.u16()? != id {
        return Err(r.invalid("inner object id"));
    }
    let position = r.v3f()?.map(|unit| unit / 10.0);
    r.v3f()?;
    r.u16()?;
    let mut object = ObjectView { name, is_player, position, messages: 0 };
    for _ in 0..r.u8()? {
        apply(&mut object, r.str32()?)?;
    }
    Ok(object)
}
