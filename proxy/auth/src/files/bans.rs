//! Bans: `ban/ADDRESS` as the other program reads and writes it, and all terms in `mesegate/bans`.

use std::collections::HashMap;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{Files, Inner, atomic, is_player_name, lines};
use crate::bans::{Ban, BanError, BanKey, BanSubject, NewBan};
use crate::{AccountError, Prefix};

/// What was read, and from which state of the files.
#[derive(Debug, Default)]
pub(super) struct Seen {
    state: Option<State>,
    bans: Arc<All>,
}

/// Of the file with the terms and of the folder.
type State = [(i64, i64, u64); 2];

#[derive(Debug, Clone, Default)]
struct All {
    bans: Vec<Ban>,
    /// The number of the next one; numbers are not used again.
    next: i64,
}

/// A line of `mesegate/bans`.
#[derive(Serialize, Deserialize)]
struct Line {
    id: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    addresses: Option<String>,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    note: String,
    #[serde(default)]
    author: String,
    #[serde(default)]
    created: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<i64>,
}

/// Its first line.
#[derive(Serialize, Deserialize)]
struct Header {
    next: i64,
}

impl Files {
    pub(crate) async fn create_ban(&self, terms: NewBan) -> Result<Ban, BanError> {
        let made = self.run(move |inner| {
            let _lock = inner.folder.lock()?;
            let mut all = inner.load_bans()?;
            let same = all.bans.iter().find(|it| {
                it.holds(terms.created) && same_subject(&it.terms.subject, &terms.subject)
            });
            if let Some(same) = same {
                return Ok(Err(same.clone()));
            }
            let ban = Ban { id: all.next, terms };
            all.next += 1;
            all.bans.push(ban.clone());
            if let Some(address) = host(&ban.terms.subject) {
                let named = ban.terms.note.as_str();
                let named = if is_player_name(named) { named } else { "" };
                let path = inner.folder.bans().join(address);
                inner.folder.replace(&path, named.as_bytes())?;
            }
            inner.save_bans(&all)?;
            Ok(Ok(ban))
        });
        made.await?.map_err(|there| BanError::Exists(Box::new(there)))
    }

    pub(crate) async fn put_bans(&self, bans: &[NewBan]) -> Result<(), AccountError> {
        let bans = bans.to_vec();
        self.run(move |inner| {
            let _lock = inner.folder.lock()?;
            let mut all = inner.load_bans()?;
            let now = unix_now();
            for terms in bans {
                let ban = Ban { id: all.next, terms };
                all.next += 1;
                if let Some(address) = host(&ban.terms.subject).filter(|_| ban.holds(now)) {
                    let path = inner.folder.bans().join(address);
                    let named = Some(ban.terms.note.as_str()).filter(|it| is_player_name(it));
                    atomic::remove(&path)?;
                    atomic::write_new(&path, named.unwrap_or_default().as_bytes(), false)?;
                }
                all.bans.push(ban);
            }
            inner.save_bans(&all)?;
            inner.folder.sync_all()
        })
        .await
    }

    pub(crate) async fn delete_ban(&self, key: &BanKey, now: i64) -> Result<Ban, BanError> {
        let key = key.clone();
        let gone = self.run(move |inner| {
            let _lock = inner.folder.lock()?;
            let mut all = inner.load_bans()?;
            let found = all.bans.iter().position(|it| match &key {
                BanKey::Id(id) => it.id == *id,
                BanKey::Subject(subject) => {
                    it.holds(now) && same_subject(&it.terms.subject, subject)
                }
            });
            let Some(found) = found else { return Ok(None) };
            let ban = all.bans.remove(found);
            if let Some(address) = host(&ban.terms.subject) {
                atomic::remove(&inner.folder.bans().join(address))?;
            }
            inner.save_bans(&all)?;
            Ok(Some(ban))
        });
        gone.await?.ok_or(BanError::Missing)
    }

    pub(crate) async fn list_bans(
        &self,
        after: i64,
        limit: u32,
        with_expired: bool,
        now: i64,
    ) -> Result<Vec<Ban>, AccountError> {
        let all = self.run(Inner::bans).await?;
        let wanted = all.bans.iter().filter(|it| it.id > after && (with_expired || it.holds(now)));
        Ok(wanted.take(limit as usize).cloned().collect())
    }

    pub(crate) async fn check_ban(
        &self,
        name: Option<&str>,
        address: Option<IpAddr>,
        now: i64,
    ) -> Result<Option<Ban>, AccountError> {
        let all = self.run(Inner::bans).await?;
        let concerned = |ban: &&Ban| {
            ban.holds(now)
                && match &ban.terms.subject {
                    BanSubject::Name(banned) => {
                        name.is_some_and(|it| it.eq_ignore_ascii_case(banned))
                    }
                    BanSubject::Addresses(prefix) => address.is_some_and(|it| prefix.contains(it)),
                }
        };
        Ok(all.bans.iter().find(concerned).cloned())
    }
}

impl Inner {
    /// All bans, read again when the files have changed.
    fn bans(&self) -> Result<Arc<All>, AccountError> {
        let state = self.bans_state()?;
        {
            let seen = self.bans.lock().unwrap_or_else(PoisonError::into_inner);
            if seen.state == Some(state) {
                return Ok(Arc::clone(&seen.bans));
            }
        }
        let all = Arc::new(self.load_bans()?);
        let mut seen = self.bans.lock().unwrap_or_else(PoisonError::into_inner);
        // What was read may be newer than that state, and is then read once more.
        *seen = Seen { state: Some(state), bans: Arc::clone(&all) };
        Ok(all)
    }

    fn bans_state(&self) -> Result<State, AccountError> {
        let own = atomic::state(&self.folder.own().join("bans"))?;
        Ok([own, atomic::state(&self.folder.bans())?])
    }

    fn load_bans(&self) -> Result<All, AccountError> {
        let path = self.folder.own().join("bans");
        let text = lines::text(&path)?;
        let mut each = text.lines();
        let mut all = All { bans: Vec::new(), next: 1 };
        if let Some(header) = each.next() {
            let header: Header = lines::parse(&path, header)?;
            all.next = header.next.max(1);
        }
        let mut files = self.banned_addresses()?;
        let now = unix_now();
        for line in each {
            let ban = ban(lines::parse(&path, line)?)?;
            all.next = all.next.max(ban.id + 1);
            if let BanSubject::Addresses(prefix) = &ban.terms.subject
                && host(&ban.terms.subject).is_some()
            {
                match files.get(prefix) {
                    // What was written after the ban had ended is another one.
                    Some((since, _)) if ban.terms.expires.is_some_and(|it| *since > it) => {}
                    Some(_) => {
                        files.remove(prefix);
                    }
                    // Somebody lifted it by removing the file.
                    None if ban.holds(now) => continue,
                    None => {}
                }
            }
            all.bans.push(ban);
        }
        let mut foreign: Vec<_> = files.into_iter().collect();
        foreign.sort();
        for (prefix, (since, name)) in foreign {
            let terms = NewBan {
                subject: BanSubject::Addresses(prefix),
                reason: String::new(),
                note: name,
                author: String::new(),
                created: since,
                expires: None,
            };
            all.bans.push(Ban { id: all.next, terms });
            all.next += 1;
        }
        Ok(all)
    }

    /// The files in `ban/`: when they were written and the name in them.
    fn banned_addresses(&self) -> Result<HashMap<Prefix, (i64, String)>, AccountError> {
        let mut all = HashMap::new();
        for path in atomic::list(&self.folder.bans())? {
            let address = path.file_name().and_then(|it| it.to_str()?.parse::<IpAddr>().ok());
            let Some(address) = address else {
                tracing::warn!(path = %path.display(), "not a banned address");
                continue;
            };
            let name = atomic::read(&path)?.unwrap_or_default();
            let name = String::from_utf8_lossy(&name).trim().to_owned();
            let since = fs::metadata(&path).map_or(0, |it| it.mtime());
            all.insert(Prefix::host(address), (since, name));
        }
        Ok(all)
    }

    fn save_bans(&self, all: &All) -> Result<(), AccountError> {
        let path = self.folder.own().join("bans");
        let mut text = String::new();
        lines::push(&path, &mut text, &Header { next: all.next })?;
        for Ban { id, terms } in &all.bans {
            let (name, addresses) = terms.subject.columns();
            let line = Line {
                id: *id,
                name: name.map(str::to_owned),
                addresses,
                reason: terms.reason.clone(),
                note: terms.note.clone(),
                author: terms.author.clone(),
                created: terms.created,
                expires: terms.expires,
            };
            lines::push(&path, &mut text, &line)?;
        }
        self.folder.replace(&path, text.as_bytes())?;
        // The other program knows no end of a ban.
        let now = unix_now();
        for ban in all.bans.iter().filter(|it| !it.holds(now)) {
            let others = |it: &&Ban| it.holds(now) && it.terms.subject == ban.terms.subject;
            if let Some(address) = host(&ban.terms.subject)
                && all.bans.iter().find(others).is_none()
            {
                atomic::remove(&self.folder.bans().join(address))?;
            }
        }
        Ok(())
    }
}

fn ban(line: Line) -> Result<Ban, AccountError> {
    let terms = NewBan {
        subject: BanSubject::from_columns(line.name, line.addresses)?,
        reason: line.reason,
        note: line.note,
        author: line.author,
        created: line.created,
        expires: line.expires,
    };
    Ok(Ban { id: line.id, terms })
}

/// The address, if it is a single one: those have files of their own.
fn host(subject: &BanSubject) -> Option<String> {
    match subject {
        BanSubject::Addresses(prefix) => prefix.address().map(|it| it.to_string()),
        BanSubject::Name(_) => None,
    }
}

fn same_subject(one: &BanSubject, other: &BanSubject) -> bool {
    match (one, other) {
        (BanSubject::Name(one), BanSubject::Name(other)) => one.eq_ignore_ascii_case(other),
        _ => one == other,
    }
}

fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |it| i64::try_from(it.as_secs()).unwrap_or(i64::MAX))
}
