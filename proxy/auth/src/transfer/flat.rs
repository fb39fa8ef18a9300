//! The engine's text files, which are read and written whole: `auth.txt`
//! (`server/serverenvironment`, `database/database-files.cpp` `AuthDatabaseFiles`) and `ipban.txt`
//! (`server/ban.cpp`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::accounts::Record;
use crate::bans::{Ban, BanSubject, NewBan};
use crate::{AccountError, Prefix};

/// `name:password:privilege,privilege:last_login`, a line for each account.
#[derive(Debug)]
pub(super) struct AuthTxt {
    path: Option<PathBuf>,
    entries: BTreeMap<String, Record>,
}

impl AuthTxt {
    /// An empty one that is never written.
    pub(super) fn nowhere() -> Self {
        Self { path: None, entries: BTreeMap::new() }
    }

    /// Whether there is a file.
    pub(super) fn is_somewhere(&self) -> bool {
        self.path.is_some()
    }

    /// Reads the file; one that `must_exist` not is as good as empty.
    pub(super) fn read(path: PathBuf, must_exist: bool) -> Result<Self, AccountError> {
        let text = read(&path, must_exist)?;
        let mut entries = BTreeMap::new();
        for line in text.lines() {
            let mut fields = line.trim_end_matches('\r').split(':');
            let (Some(name), Some(password), Some(privileges)) =
                (fields.next(), fields.next(), fields.next())
            else {
                // As the engine does.
                continue;
            };
            let privileges = privileges.split(',').map(str::trim).filter(|it| !it.is_empty());
            let record = Record {
                name: name.to_owned(),
                password: Some(password.to_owned()),
                privileges: privileges.map(str::to_owned).collect::<BTreeSet<_>>(),
                last_login: fields.next().and_then(|it| it.trim().parse().ok()).unwrap_or(0),
                last_server: None,
            };
            entries.insert(name.to_owned(), record);
        }
        Ok(Self { path: Some(path), entries })
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.entries.keys().cloned().collect()
    }

    pub(super) fn records(&self, names: &[String]) -> Vec<Record> {
        names.iter().filter_map(|name| self.entries.get(name).cloned()).collect()
    }

    pub(super) fn put(&mut self, records: &[&Record]) {
        for record in records {
            self.entries.insert(record.name.clone(), (*record).clone());
        }
    }

    pub(super) fn write(&self) -> Result<(), AccountError> {
        let mut text = String::new();
        for (name, record) in &self.entries {
            let password = record.password.as_deref().unwrap_or_default();
            let privileges: Vec<&str> = record.privileges.iter().map(String::as_str).collect();
            let (privileges, login) = (privileges.join(","), record.last_login);
            let _ = writeln!(text, "{name}:{password}:{privileges}:{login}");
        }
        self.path.as_ref().map_or(Ok(()), |path| write(path, &text))
    }
}

/// `address|name`, a line for each ban.
#[derive(Debug)]
pub(super) struct IpBan {
    path: PathBuf,
    entries: BTreeMap<Prefix, String>,
    now: i64,
}

impl IpBan {
    pub(super) fn read(path: PathBuf, must_exist: bool, now: i64) -> Result<Self, AccountError> {
        let mut entries = BTreeMap::new();
        for line in read(&path, must_exist)?.lines() {
            let (address, name) = line.trim().split_once('|').unwrap_or((line.trim(), ""));
            match address.parse::<IpAddr>() {
                Ok(address) => {
                    entries.insert(Prefix::host(address), name.to_owned());
                }
                Err(_) if address.is_empty() => {}
                Err(_) => {
                    let why = format!("{address:?} is no address");
                    return Err(AccountError::Content { path, why });
                }
            }
        }
        Ok(Self { path, entries, now })
    }

    pub(super) fn bans(&self) -> Vec<Ban> {
        let all = (1..).zip(&self.entries);
        all.map(|(id, (prefix, name))| Ban { id, terms: self.terms(*prefix, name) }).collect()
    }

    fn terms(&self, prefix: Prefix, name: &str) -> NewBan {
        NewBan {
            subject: BanSubject::Addresses(prefix),
            reason: String::new(),
            note: name.to_owned(),
            author: "ipban.txt".to_owned(),
            created: self.now,
            expires: None,
        }
    }

    /// A ban as the file can keep it.
    pub(super) fn as_stored(&self, terms: &NewBan, now: i64) -> Result<NewBan, &'static str> {
        let BanSubject::Addresses(prefix) = &terms.subject else {
            return Err("ipban.txt has no place for bans of names");
        };
        if prefix.address().is_none() {
            return Err("ipban.txt has no place for prefixes");
        }
        if terms.expires.is_some_and(|it| it <= now) {
            return Err("has ended");
        }
        Ok(self.terms(*prefix, terms.note.lines().next().unwrap_or_default()))
    }

    pub(super) fn put(&mut self, bans: &[NewBan]) {
        for ban in bans {
            if let BanSubject::Addresses(prefix) = ban.subject {
                self.entries.insert(prefix, ban.note.clone());
            }
        }
    }

    pub(super) fn write(&self) -> Result<(), AccountError> {
        let mut text = String::new();
        for (prefix, name) in &self.entries {
            let _ = writeln!(text, "{prefix}|{name}");
        }
        write(&self.path, &text)
    }
}

fn read(path: &Path, must_exist: bool) -> Result<String, AccountError> {
    match fs::read(path) {
        Ok(content) => Ok(String::from_utf8_lossy(&content).into_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound && !must_exist => Ok(String::new()),
        Err(source) => Err(AccountError::File { action: "read", path: path.to_owned(), source }),
    }
}

/// The file appears whole or not at all.
fn write(path: &Path, text: &str) -> Result<(), AccountError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let draft = path.with_file_name(name);
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new();
        let mut file = file.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    write().map_err(|source| AccountError::File { action: "write", path: path.to_owned(), source })
}
