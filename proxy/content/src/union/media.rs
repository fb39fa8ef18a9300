//! Files of several servers under names that do not meet.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use bytes::Bytes;

use super::prefix;
use super::renamed::{Conflict, Subject};
use super::special::{Kind, NAME_MAX, is_fixed, sound_group};
use super::users::Users;
use crate::hash::Hash;
use crate::store::MediaFile;

/// One file as clients know it.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) file: MediaFile,
    pub(crate) users: Users,
}

/// What one part's files are called, where that is something else.
#[derive(Debug, Default)]
pub(crate) struct Renames {
    pub(crate) media: Vec<(Bytes, Bytes)>,
    pub(crate) sounds: Vec<(Bytes, Bytes)>,
    pub(crate) conflicts: Vec<Conflict>,
    /// The part's files by its names, as clients know them; without those that are not sent.
    pub(crate) names: HashMap<String, MediaFile>,
    /// Files that clients would ignore.
    pub(crate) illegal: usize,
}

/// The ending of a sound's file name, and its content.
type Group = BTreeSet<(String, Hash)>;

/// All files.
#[derive(Debug, Default)]
pub(crate) struct Media {
    pub(crate) files: Vec<File>,
    /// By the client's name.
    by_name: HashMap<String, usize>,
    /// By the name that its servers use, and the content.
    variants: HashMap<(String, Hash), usize>,
    /// A file that others may use under its name, by content and ending.
    by_content: HashMap<(Hash, String), usize>,
    /// By the client's name.
    groups: HashMap<String, Group>,
    /// Clients' names by the name that their servers use.
    group_variants: HashMap<String, Vec<String>>,
    /// The client's own names that every part announces, with the same content.
    overridden: HashSet<String>,
}

impl Media {
    /// Nothing yet. `all` is what every part that will be added has.
    pub(crate) fn new<'a>(all: impl Iterator<Item = &'a [MediaFile]>) -> Self {
        let mut parts = 0usize;
        let mut found: HashMap<&str, (Hash, usize, bool)> = HashMap::new();
        for files in all {
            parts += 1;
            let mut seen = HashSet::new();
            for file in files.iter().filter(|file| seen.insert(&file.name)) {
                if Kind::of(&file.name) == Kind::ClientOwn {
                    let entry = found.entry(&file.name).or_insert((file.hash, 0, true));
                    entry.1 += 1;
                    entry.2 &= entry.0 == file.hash;
                }
            }
        }
        let equal = found.into_iter().filter(|(_, (_, count, equal))| *count == parts && *equal);
        let overridden = equal.map(|(name, _)| name.to_owned()).collect();
        Self { overridden, ..Self::default() }
    }

    /// Adds the files of a part, in their order; of two with one name the first counts, as for
    /// clients.
    pub(crate) fn add(&mut self, part: usize, prefix: &str, files: &[MediaFile]) -> Renames {
        let mut renames = Renames::default();
        let mut own: HashSet<&str> = HashSet::with_capacity(files.len());
        let files: Vec<&MediaFile> = files.iter().filter(|file| own.insert(&file.name)).collect();
        let groups = self.add_groups(prefix, &files, &mut renames);
        for file in files {
            match Kind::of(&file.name) {
                Kind::Illegal => renames.illegal += 1,
                Kind::Sound => {
                    let Some((group, ending)) = sound_group(&file.name) else { continue };
                    let name = groups.get(group).map_or(group, |new| new.as_str());
                    let at = self.put(part, file, format!("{name}{ending}"));
                    self.note(file, at, &mut renames);
                }
                Kind::Unmovable => self.add_unmovable(part, file, &mut renames),
                kind => self.add_movable(part, prefix, kind, file, &own, &mut renames),
            }
        }
        renames
    }

    fn note(&self, file: &MediaFile, at: usize, renames: &mut Renames) {
        renames.names.insert(file.name.clone(), self.files[at].file.clone());
    }

    /// Decides what a part's sounds are called. A group that differs in one file is another one:
    /// clients play any of its files (`client/client.cpp`, loadMedia).
    fn add_groups(
        &mut self,
        prefix: &str,
        files: &[&MediaFile],
        renames: &mut Renames,
    ) -> HashMap<String, String> {
        let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
        for file in files.iter().filter(|file| Kind::of(&file.name) == Kind::Sound) {
            if let Some((group, ending)) = sound_group(&file.name) {
                groups.entry(group).or_default().insert((ending.to_owned(), file.hash));
            }
        }
        let own: BTreeSet<&str> = groups.keys().copied().collect();
        let mut names = HashMap::new();
        for (name, group) in &groups {
            let known = self.group_variants.get(*name).into_iter().flatten();
            let equal = known.clone().find(|known| self.groups.get(*known) == Some(group));
            let new = match equal {
                Some(known) => known.clone(),
                None => {
                    let taken = |new: &str| self.groups.contains_key(new);
                    let new = if taken(name) {
                        // All endings are at most six bytes long.
                        let taken = |new: &str| taken(new) || own.contains(new);
                        prefix::unique(prefix, name, 0, NAME_MAX - 6, taken)
                    } else {
                        (*name).to_owned()
                    };
                    self.groups.insert(new.clone(), group.clone());
                    self.group_variants.entry((*name).to_owned()).or_default().push(new.clone());
                    new
                }
            };
            if new != *name {
                renames.sounds.push((bytes(name), bytes(&new)));
                let user = self.user_of_sound(name);
                renames.conflicts.push(Conflict::renamed(Subject::Sound, name, &new, user));
            }
            names.insert((*name).to_owned(), new);
        }
        names
    }

    fn user_of_sound(&self, group: &str) -> Option<usize> {
        let (ending, _) = self.groups.get(group)?.first()?;
        self.user(&format!("{group}{ending}"))
    }

    /// The first part that brought what clients know by this name.
    fn user(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).and_then(|at| self.files[*at].users.first())
    }

    fn add_unmovable(&mut self, part: usize, file: &MediaFile, renames: &mut Renames) {
        let name = &file.name;
        let known = self.by_name.get(name).map(|at| self.files[*at].file.hash);
        if known.is_none_or(|hash| hash == file.hash) {
            let at = self.put(part, file, name.clone());
            self.note(file, at, renames);
        } else {
            // It has the file, if another one.
            renames.names.insert(name.clone(), file.clone());
            let user = self.user(name);
            renames.conflicts.push(Conflict::dropped(name, user));
        }
    }

    fn add_movable(
        &mut self,
        part: usize,
        prefix: &str,
        kind: Kind,
        file: &MediaFile,
        own: &HashSet<&str>,
        renames: &mut Renames,
    ) {
        let name = file.name.as_str();
        let stays_clients = kind == Kind::ClientOwn && !self.overridden.contains(name);
        let variant = self.variants.get(&(name.to_owned(), file.hash));
        let new = match variant {
            Some(at) => self.files[*at].file.name.clone(),
            None if !stays_clients && !self.by_name.contains_key(name) => name.to_owned(),
            None => match self.by_content.get(&(file.hash, ending(name).to_owned())) {
                Some(at) if kind != Kind::Translation => self.files[*at].file.name.clone(),
                _ => {
                    let taken = |new: &str| self.by_name.contains_key(new) || own.contains(new);
                    // Enough for the longest ending and the language before it.
                    prefix::unique(prefix, name, ending(name).len(), NAME_MAX, taken)
                }
            },
        };
        if new != name {
            // Nothing names a translation's file.
            if kind != Kind::Translation {
                renames.media.push((bytes(name), bytes(&new)));
            }
            let conflict = if stays_clients {
                Conflict::clients_own(name, &new)
            } else {
                Conflict::renamed(Subject::Media, name, &new, self.user(name))
            };
            renames.conflicts.push(conflict);
        }
        let at = self.put(part, file, new);
        self.note(file, at, renames);
        self.variants.insert((name.to_owned(), file.hash), at);
        if kind == Kind::Plain && !is_fixed(name) {
            self.by_content.entry((file.hash, ending(name).to_owned())).or_insert(at);
        }
    }

    /// Notes that a part uses the file under a client's name.
    fn put(&mut self, part: usize, file: &MediaFile, name: String) -> usize {
        if let Some(at) = self.by_name.get(&name) {
            let known = &mut self.files[*at];
            known.users.insert(part);
            // One server may have failed to deliver what another has.
            known.file.size = known.file.size.or(file.size);
            return *at;
        }
        let at = self.files.len();
        self.by_name.insert(name.clone(), at);
        let file = MediaFile { name, ..file.clone() };
        self.files.push(File { file, users: Users::only(part) });
        at
    }
}

/// What has to stay at the end of a name: its ending, and for a translation the language.
fn ending(name: &str) -> &str {
    let Some(dot) = name.rfind('.') else { return "" };
    let start = match name.strip_suffix(".tr").and_then(|stem| stem.rfind('.')) {
        Some(language) => language,
        None => dot,
    };
    &name[start..]
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, content: u8) -> MediaFile {
        MediaFile { name: name.to_owned(), hash: [content; 20], size: Some(1) }
    }

    /// Adds all parts under prefixes `a`, `b`, …
    fn merge(parts: &[Vec<MediaFile>]) -> (Media, Vec<Renames>) {
        let mut media = Media::new(parts.iter().map(Vec::as_slice));
        let prefixes = ["a", "b", "c", "d"];
        let renames = parts.iter().zip(prefixes).enumerate();
        let renames = renames.map(|(at, (files, prefix))| media.add(at, prefix, files)).collect();
        (media, renames)
    }

    fn table(media: &Media) -> Vec<(&str, u8)> {
        media.files.iter().map(|f| (f.file.name.as_str(), f.file.hash[0])).collect()
    }

    fn pairs(pairs: &[(Bytes, Bytes)]) -> Vec<(&str, &str)> {
        let text = |bytes: &'_ Bytes| -> &str {
            let bytes: &'static [u8] = Box::leak(bytes.to_vec().into_boxed_slice());
            std::str::from_utf8(bytes).unwrap()
        };
        pairs.iter().map(|(a, b)| (text(a), text(b))).collect()
    }

    #[test]
    fn what_is_equal_is_shared_and_what_conflicts_is_renamed_once() {
        let (media, renames) = merge(&[
            vec![file("x.png", 1), file("y.png", 2)],
            vec![file("x.png", 3), file("y.png", 2), file("z.b3d", 9)],
            vec![file("x.png", 3), file("x.png", 7), file("z.b3d", 8)],
        ]);
        let files = [("x.png", 1), ("y.png", 2), ("b_x.png", 3), ("z.b3d", 9), ("c_z.b3d", 8)];
        assert_eq!(table(&media), files);
        assert!(renames[0].media.is_empty() && renames[0].conflicts.is_empty());
        assert_eq!(pairs(&renames[1].media), [("x.png", "b_x.png")]);
        assert_eq!(pairs(&renames[2].media), [("x.png", "b_x.png"), ("z.b3d", "c_z.b3d")]);
        assert_eq!(media.files[2].users.count(), 2);
    }

    #[test]
    fn a_content_that_is_there_under_another_name_is_not_sent_again() {
        let (media, renames) = merge(&[
            vec![file("a.png", 1), file("b.png", 2), file("blank.png", 3)],
            vec![file("a.png", 2), file("b.png", 3), file("c.obj", 1)],
        ]);
        let files = [("a.png", 1), ("b.png", 2), ("blank.png", 3), ("b_b.png", 3), ("c.obj", 1)];
        // The client itself draws blank.png: no other file goes by that name.
        assert_eq!(table(&media), files);
        assert_eq!(pairs(&renames[1].media), [("a.png", "b.png"), ("b.png", "b_b.png")]);
    }

    #[test]
    fn the_clients_own_names_stay_its_own_for_servers_without_them() {
        let heart = |content| vec![file("heart.png", content), file("crack_anylength.png", 5)];
        let (media, renames) = merge(&[heart(1), vec![file("crack_anylength.png", 6)]]);
        let files = [("a_heart.png", 1), ("crack_anylength.png", 5), ("b_crack_anylength.png", 6)];
        assert_eq!(table(&media), files);
        assert_eq!(pairs(&renames[0].media), [("heart.png", "a_heart.png")]);
        // All have it, and the same.
        let (media, renames) = merge(&[heart(1), heart(1)]);
        assert_eq!(table(&media), [("heart.png", 1), ("crack_anylength.png", 5)]);
        assert!(renames.iter().all(|r| r.media.is_empty()));
        // All have it, but not the same; two of them share theirs.
        let (media, renames) = merge(&[heart(1), heart(2), heart(2)]);
        let files = [("a_heart.png", 1), ("crack_anylength.png", 5), ("b_heart.png", 2)];
        assert_eq!(table(&media), files);
        assert_eq!(pairs(&renames[2].media), [("heart.png", "b_heart.png")]);
    }

    #[test]
    fn a_sound_is_all_of_its_files() {
        let (media, renames) = merge(&[
            vec![file("s.1.ogg", 1), file("s.2.ogg", 2), file("t.ogg", 3)],
            vec![file("s.2.ogg", 2), file("s.1.ogg", 1), file("t.ogg", 3), file("t.1.ogg", 4)],
            vec![file("s.1.ogg", 1), file("t.1.ogg", 4), file("t.ogg", 3)],
        ]);
        let names: Vec<&str> = table(&media).into_iter().map(|(name, _)| name).collect();
        let shared = ["s.1.ogg", "s.2.ogg", "t.ogg"];
        assert_eq!(names[..3], shared);
        assert_eq!(names[3..], ["b_t.ogg", "b_t.1.ogg", "c_s.1.ogg"]);
        assert!(renames[1].media.is_empty() && renames[0].sounds.is_empty());
        assert_eq!(pairs(&renames[1].sounds), [("t", "b_t")]);
        assert_eq!(pairs(&renames[2].sounds), [("s", "c_s"), ("t", "b_t")]);
    }

    #[test]
    fn fonts_and_domains_keep_their_names_and_the_first_one_counts() {
        let (media, renames) = merge(&[
            vec![file("regular.ttf", 1), file("m.de.po", 2), file("m.de.tr", 3)],
            vec![file("regular.ttf", 4), file("m.de.po", 5), file("m.de.tr", 6), file("ä", 1)],
        ]);
        let files = [("regular.ttf", 1), ("m.de.po", 2), ("m.de.tr", 3), ("b_m.de.tr", 6)];
        assert_eq!(table(&media), files);
        assert!(renames[1].media.is_empty());
        assert_eq!(renames[1].conflicts.len(), 3);
        assert_eq!(renames[1].illegal, 1);
    }

    #[test]
    fn new_names_meet_nobody() {
        let (media, renames) = merge(&[
            vec![file("x.png", 1), file("b_x.png", 2)],
            vec![file("x.png", 3), file("b_2_x.png", 4)],
            vec![file("b_3_x.png", 5)],
        ]);
        assert_eq!(pairs(&renames[1].media), [("x.png", "b_3_x.png")]);
        assert_eq!(pairs(&renames[2].media), [("b_3_x.png", "c_b_3_x.png")]);
        let names: HashSet<&str> = table(&media).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), media.files.len());
    }
}
