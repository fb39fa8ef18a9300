//! Files that a backend offers while playing, and whose receipt the client confirms.
//!
//! The tokens are numbers of one backend: a confirmation that comes late must not reach another
//! one, which may use the same number for another file. Nor must a file: the client asks for it
//! by name, and the next backend may use that name for another one.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use mesegate_content::sound_group;
use mesegate_protocol::content::{
    HaveMedia, Media, MediaFile, MediaPush, PushContent, RequestMedia, frame,
};
use mesegate_protocol::wire::WireError;
use mesegate_protocol::{ProtocolVersion, Translation, split_command, to_client};
use mesegate_transport::Message;

use super::play::{End, Player};

/// Offers that are remembered; engines forget theirs after a minute.
const OPEN: usize = 4096;

/// What the current backend has offered to the client.
#[derive(Debug, Default)]
pub(super) struct Pushes {
    /// Tokens that the client has not confirmed.
    open: HashSet<u32>,
    /// The backend's names of the files, by those that the client knows.
    files: HashMap<String, String>,
    /// The client's names of those that have another one, by the backend's.
    renamed: HashMap<String, String>,
    /// The client's names of those that it asked for and that did not come yet.
    awaited: BTreeSet<String>,
}

impl Pushes {
    /// A file was offered as `name`, and to the client as `new`. False if there are too many.
    fn offered(&mut self, name: &str, new: &str, content: &PushContent) -> bool {
        let full = self.files.len() >= OPEN && !self.files.contains_key(new);
        if full || self.open.len() >= OPEN {
            return false;
        }
        if let PushContent::Token(token) = content {
            self.open.insert(*token);
        }
        self.files.insert(new.to_owned(), name.to_owned());
        if name == new {
            self.renamed.remove(name);
        } else {
            self.renamed.insert(name.to_owned(), new.to_owned());
        }
        true
    }

    /// What of a confirmation concerns the current backend.
    pub(super) fn confirmed(&mut self, body: &[u8]) -> Option<Bytes> {
        let mut have = HaveMedia::decode(body).ok()?;
        have.tokens.retain(|token| self.open.remove(token));
        (!have.tokens.is_empty()).then(|| have.encode())
    }

    /// Takes the names of offered files out of what the client asks for, and gives what to ask the
    /// backend for.
    pub(super) fn asked(&mut self, names: &mut Vec<String>) -> Option<Bytes> {
        let mut asked = Vec::new();
        names.retain(|name| match self.files.get(name) {
            Some(old) => {
                asked.push(old.clone());
                self.awaited.insert(name.clone());
                false
            }
            None => true,
        });
        (!asked.is_empty()).then(|| RequestMedia { names: asked }.encode())
    }

    /// Files of the backend under the names that the client knows. `None`: forward the same bytes.
    fn delivered(&mut self, message: &Bytes) -> Result<Option<Bytes>, WireError> {
        if self.awaited.is_empty() && self.renamed.is_empty() {
            return Ok(None);
        }
        let mut media = Media::decode(&body(message)?)?;
        let mut changed = false;
        for file in &mut media.files {
            if let Some(new) = self.renamed.get(&file.name) {
                file.name.clone_from(new);
                changed = true;
            }
            self.awaited.remove(&file.name);
        }
        Ok(changed.then(|| media.encode()))
    }

    /// The backend is left. What the client still waits for, it is given empty: it sees that the
    /// content is not what was offered, and is done with it. Else it would wait for ever, also
    /// when a file is offered under that name again (`SingleMediaDownloader` and
    /// `Client::handleCommand_MediaPush`, `client/clientmedia.cpp` and
    /// `network/clientpackethandler.cpp`).
    pub(super) fn forget(&mut self, version: ProtocolVersion) -> Option<Bytes> {
        let awaited = std::mem::take(self).awaited;
        if awaited.is_empty() {
            return None;
        }
        let empty = frame(&Bytes::new(), version).ok()?;
        let files = awaited.into_iter().map(|name| MediaFile { name, data: empty.clone() });
        Some(Media { bunches: 1, index: 0, files: files.collect() }.encode())
    }
}

impl Player {
    /// The backend offers a file. The client gets it under a name that stands for no other file of
    /// the network.
    pub(super) fn file_offered(&mut self, message: Message) -> Result<(), End> {
        let Message { channel, reliable, data } = message;
        let Some(world) = &mut self.world else { return Ok(()) };
        let mut push = match decode(&data, self.who.version) {
            Ok(push) => push,
            Err(error) => {
                self.bad_message("to_client", to_client::MEDIA_PUSH, &error);
                return Ok(());
            }
        };
        let new = self.who.catalogue.pushed_media(&world.server, &push.name, &push.sha1);
        let new = String::from_utf8_lossy(&new).into_owned();
        if !self.pushes.offered(&push.name, &new, &push.content) {
            let server = world.server.as_str();
            tracing::warn!(server, "a player is offered too many files; one was dropped");
            return Ok(());
        }
        if let Some(with) = with_file(&world.translation, &push.name, &new) {
            world.translation = Arc::new(with);
        }
        if new == push.name {
            return self.send_client(channel, reliable, data);
        }
        push.name = new;
        self.send_client(channel, reliable, push.encode())
    }

    /// Files of the backend: those that were offered, as clients ignore any other.
    pub(super) fn files_came(&mut self, message: Message) -> Result<(), End> {
        match self.pushes.delivered(&message.data) {
            Ok(new) => {
                let data = new.unwrap_or(message.data);
                self.send_client(message.channel, message.reliable, data)
            }
            Err(error) => {
                self.bad_message("to_client", to_client::MEDIA, &error);
                Ok(())
            }
        }
    }
}

/// A translation for which the backend's file `name` is `new`. `None` if that one is.
fn with_file(translation: &Translation, name: &str, new: &str) -> Option<Translation> {
    let known = translation.names().media(name.as_bytes());
    if known.map_or(name.as_bytes(), |known| known) == new.as_bytes() {
        return None;
    }
    let owned = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    let mut names = translation.names().clone();
    names.add_media(owned(name), owned(new));
    if let (Some((group, _)), Some((new, _))) = (sound_group(name), sound_group(new)) {
        names.add_sound(owned(group), owned(new));
    }
    Some(Translation::new(translation.ids().clone(), names))
}

fn decode(message: &Bytes, version: ProtocolVersion) -> Result<MediaPush, WireError> {
    MediaPush::decode(&body(message)?, version)
}

fn body(message: &Bytes) -> Result<Bytes, WireError> {
    match split_command(message) {
        Some((_, body)) => Ok(message.slice_ref(body)),
        None => Err(WireError::Short { what: "command", offset: 0 }),
    }
}

#[cfg(test)]
mod tests {
    use mesegate_protocol::NameMap;
    use mesegate_protocol::map::IdMap;

    use super::*;

    #[test]
    fn requests_and_files_go_by_the_names_of_either_side() {
        let mut pushes = Pushes::default();
        assert!(pushes.offered("a.png", "arena_a.png", &PushContent::Token(1)));
        assert!(pushes.offered("b.png", "b.png", &PushContent::Token(2)));
        let names = ["arena_a.png", "b.png", "a.png", "other.png"].map(str::to_owned);
        let mut names = names.to_vec();
        let asked = pushes.asked(&mut names).unwrap();
        assert_eq!(RequestMedia::decode(&asked[2..]).unwrap().names, ["a.png", "b.png"]);
        assert_eq!(names, ["a.png", "other.png"]);

        let file = |name: &str| MediaFile { name: name.into(), data: Bytes::from_static(b"x") };
        let media = |names: &[&str]| Media {
            bunches: 1,
            index: 0,
            files: names.iter().copied().map(file).collect(),
        };
        let new = pushes.delivered(&media(&["a.png", "b.png"]).encode()).unwrap();
        assert_eq!(new, Some(media(&["arena_a.png", "b.png"]).encode()));
        assert_eq!(pushes.delivered(&media(&["b.png"]).encode()).unwrap(), None);
        assert!(pushes.delivered(&Bytes::from_static(b"\0\x38\0")).is_err());

        assert_eq!(pushes.forget(ProtocolVersion(45)), None);
        assert_eq!(pushes.asked(&mut vec!["arena_a.png".into()]), None);
        assert_eq!(pushes.confirmed(&HaveMedia { tokens: vec![1] }.encode()[2..]), None);
    }

    #[test]
    fn what_the_backend_did_not_deliver_is_answered_when_it_is_left() {
        for version in [45, 53].map(ProtocolVersion) {
            let mut pushes = Pushes::default();
            assert!(pushes.offered("a.png", "arena_a.png", &PushContent::Token(1)));
            assert!(pushes.offered("b.png", "b.png", &PushContent::Token(2)));
            pushes.asked(&mut vec!["arena_a.png".into(), "b.png".into()]);
            let file = MediaFile { name: "b.png".into(), data: Bytes::from_static(b"x") };
            let media = Media { bunches: 1, index: 0, files: vec![file] };
            assert_eq!(pushes.delivered(&media.encode()).unwrap(), None);

            let answer = pushes.forget(version).unwrap();
            let files = Media::decode(&answer.slice(2..)).unwrap().files;
            assert_eq!(files.len(), 1);
            assert_eq!(files[0].name, "arena_a.png");
            assert_eq!(files[0].content(version, 10).unwrap().len(), 0);
        }
    }

    #[test]
    fn offers_are_bounded() {
        let mut pushes = Pushes::default();
        let data = PushContent::Data(Bytes::new());
        for index in 0..OPEN {
            let name = format!("{index}.png");
            assert!(pushes.offered(&name, &name, &data));
        }
        assert!(!pushes.offered("late.png", "late.png", &data));
        assert!(pushes.offered("7.png", "7.png", &data));
    }

    #[test]
    fn a_renamed_file_is_known_to_the_translation_and_so_is_its_sound() {
        let plain = Translation::new(IdMap::identity(), NameMap::default());
        assert_eq!(with_file(&plain, "a.png", "a.png"), None);
        let with = with_file(&plain, "a.png", "arena_a.png").unwrap();
        assert_eq!(with.names().media(b"a.png").unwrap(), &b"arena_a.png"[..]);
        assert_eq!(with_file(&with, "a.png", "arena_a.png"), None);
        let with = with_file(&with, "beep.1.ogg", "arena_beep.1.ogg").unwrap();
        assert_eq!(with.names().sound(b"beep").unwrap(), &b"arena_beep"[..]);
        assert_eq!(with.names().media(b"a.png").unwrap(), &b"arena_a.png"[..]);
    }
}
