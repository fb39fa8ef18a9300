//! One folder for each account.

use std::collections::BTreeSet;
use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::atomic::{self, failed};
use super::{Files, Inner, is_player_name};
use crate::accounts::{Account, DEFAULT_PRIVILEGES, NEVER, Record};
use crate::srp::Verifier;
use crate::{AccountError, Password, PasswordError};

/// How often an account is read again that changes while it is read.
const READ_AGAIN: u32 = 50;

/// Files that make up the password.
const PASSWORD_FILES: [&str; 3] = ["salt", "verifier", "password"];

impl Files {
    pub(crate) async fn get(&self, name: &str) -> Result<Option<Account>, AccountError> {
        let Some(record) = self.record(name).await? else { return Ok(None) };
        let broken = |source| AccountError::Password { name: record.name.clone(), source };
        let field = record.password.as_deref().ok_or(broken(PasswordError::Missing))?;
        let password = Password::parse(field).map_err(broken)?;
        let Record { name, privileges, last_login, .. } = record;
        Ok(Some(Account { name, password, privileges, last_login }))
    }

    async fn record(&self, name: &str) -> Result<Option<Record>, AccountError> {
        if !is_player_name(name) {
            return Ok(None);
        }
        let name = name.to_owned();
        self.run(move |inner| inner.read(&name)).await
    }

    pub(crate) async fn names(&self) -> Result<Vec<String>, AccountError> {
        self.run(Inner::names).await
    }

    pub(crate) async fn records(&self, names: &[String]) -> Result<Vec<Record>, AccountError> {
        let names: Vec<String> =
            names.iter().filter(|name| is_player_name(name)).cloned().collect();
        self.run(move |inner| {
            names.iter().filter_map(|name| inner.read(name).transpose()).collect()
        })
        .await
    }

    pub(crate) async fn find_case_insensitive(
        &self,
        name: &str,
    ) -> Result<Option<String>, AccountError> {
        let name = name.to_owned();
        self.run(move |inner| inner.twin(&name)).await
    }

    pub(crate) async fn create(
        &self,
        name: &str,
        password: &Password,
        privileges: &[&str],
    ) -> Result<(), AccountError> {
        let record = Record {
            name: name.to_owned(),
            password: Some(password.format()),
            privileges: privileges.iter().map(|it| (*it).to_owned()).collect(),
            last_login: NEVER,
            last_server: None,
        };
        self.run(move |inner| {
            let _lock = inner.folder.lock()?;
            if let Some(twin) = inner.twin(&record.name)? {
                return Err(AccountError::Twin(twin));
            }
            inner.add(&record, true)
        })
        .await
    }

    pub(crate) async fn put(
        &self,
        new: &[&Record],
        changed: &[&Record],
    ) -> Result<(), AccountError> {
        let own = |records: &[&Record]| records.iter().map(|it| (*it).clone()).collect();
        let (new, changed): (Vec<Record>, Vec<Record>) = (own(new), own(changed));
        self.run(move |inner| {
            let _lock = inner.folder.lock()?;
            for record in &new {
                inner.add(record, false)?;
            }
            for record in &changed {
                inner.change(record)?;
            }
            inner.folder.sync_all()
        })
        .await
    }

    pub(crate) async fn delete(&self, name: &str) -> Result<(), AccountError> {
        self.with_account(name, |inner, path| {
            // Out of sight in one step.
            let draft = inner.folder.draft("gone");
            fs::rename(path, &draft).map_err(failed("remove", path))?;
            atomic::sync_parent(path)?;
            fs::remove_dir_all(&draft).map_err(failed("remove", &draft))
        })
        .await
    }

    pub(crate) async fn set_password(
        &self,
        name: &str,
        password: &Password,
    ) -> Result<(), AccountError> {
        let field = password.format();
        self.with_account(name, move |inner, path| {
            inner.rebuild(path, &PASSWORD_FILES, |draft| write_password(draft, &field, true))
        })
        .await
    }

    pub(crate) async fn set_last_login(
        &self,
        name: &str,
        unix_seconds: i64,
    ) -> Result<(), AccountError> {
        self.with_account(name, move |_, path| set_timestamp(path, unix_seconds)).await
    }

    pub(crate) async fn last_server(&self, name: &str) -> Result<Option<String>, AccountError> {
        Ok(self.record(name).await?.and_then(|record| record.last_server))
    }

    pub(crate) async fn set_last_server(
        &self,
        name: &str,
        server: &str,
    ) -> Result<(), AccountError> {
        let server = server.to_owned();
        self.with_account(name, move |inner, path| {
            inner.folder.replace(&path.join("last_server"), server.as_bytes())
        })
        .await
    }

    pub(crate) async fn set_reconnect(
        &self,
        name: &str,
        server: &str,
        _now: i64,
        expires: i64,
    ) -> Result<(), AccountError> {
        let text = format!("{expires} {server}\n");
        self.with_account(name, move |inner, path| {
            inner.folder.replace(&path.join("reconnect"), text.as_bytes())
        })
        .await
    }

    pub(crate) async fn reconnect(
        &self,
        name: &str,
        now: i64,
    ) -> Result<Option<String>, AccountError> {
        if !is_player_name(name) {
            return Ok(None);
        }
        let name = name.to_owned();
        self.run(move |inner| {
            let found = atomic::read(&inner.folder.accounts().join(name).join("reconnect"))?;
            let text = found.and_then(|it| String::from_utf8(it).ok()).unwrap_or_default();
            let target = text.trim_end().split_once(' ').and_then(|(expires, server)| {
                (expires.parse::<i64>().ok()? > now).then(|| server.to_owned())
            });
            Ok(target)
        })
        .await
    }

    pub(crate) async fn clear_reconnect(&self, name: &str) -> Result<(), AccountError> {
        if !is_player_name(name) {
            return Ok(());
        }
        let name = name.to_owned();
        self.run(move |inner| {
            let path = inner.folder.accounts().join(name).join("reconnect");
            atomic::remove(&path).map(drop)
        })
        .await
    }

    /// Changes an account that has to be there, while nobody else writes.
    async fn with_account(
        &self,
        name: &str,
        change: impl FnOnce(&Inner, &Path) -> Result<(), AccountError> + Send + 'static,
    ) -> Result<(), AccountError> {
        let name = name.to_owned();
        self.run(move |inner| {
            let path = inner.folder.accounts().join(&name);
            if !is_player_name(&name) || !path.is_dir() {
                return Err(AccountError::Missing(name));
            }
            let _lock = inner.folder.lock()?;
            change(inner, &path)
        })
        .await
    }
}

impl Inner {
    fn names(&self) -> Result<Vec<String>, AccountError> {
        let all = atomic::list(&self.folder.accounts())?;
        let names =
            all.into_iter().filter_map(|path| path.file_name()?.to_str().map(str::to_owned));
        Ok(names.filter(|name| is_player_name(name)).collect())
    }

    fn twin(&self, name: &str) -> Result<Option<String>, AccountError> {
        let names = self.names()?;
        Ok(names.into_iter().find(|it| it != name && it.eq_ignore_ascii_case(name)))
    }

    /// Reads an account again until it has not been swapped meanwhile.
    fn read(&self, name: &str) -> Result<Option<Record>, AccountError> {
        let path = self.folder.accounts().join(name);
        for _ in 0..READ_AGAIN {
            let Some(before) = state(&path)? else { return Ok(None) };
            let record = read_account(name, &path)?;
            if state(&path)? == Some(before) {
                return Ok(Some(record));
            }
        }
        Err(AccountError::Busy)
    }

    fn add(&self, record: &Record, sync: bool) -> Result<(), AccountError> {
        if !is_player_name(&record.name) {
            return Err(AccountError::Name(record.name.clone()));
        }
        let path = self.folder.accounts().join(&record.name);
        let draft = self.folder.draft(&record.name);
        atomic::make_dir(&draft)?;
        let written = write_account(&draft, record, sync).and_then(|()| {
            if atomic::place(&draft, &path)? {
                return if sync { atomic::sync_parent(&path) } else { Ok(()) };
            }
            Err(AccountError::Exists(record.name.clone()))
        });
        if written.is_err() {
            let _ = fs::remove_dir_all(&draft);
        }
        written
    }

    fn change(&self, record: &Record) -> Result<(), AccountError> {
        let path = self.folder.accounts().join(&record.name);
        if !is_player_name(&record.name) || !path.is_dir() {
            return Err(AccountError::Missing(record.name.clone()));
        }
        let old = ["salt", "verifier", "password", "privileges", "timestamp"];
        let (old, more): (&[&str], &[&str]) = (&old, &["last_server"]);
        let replaced =
            if record.last_server.is_some() { [old, more].concat() } else { old.to_vec() };
        self.rebuild(&path, &replaced, |draft| write_account(draft, record, false))
    }

    /// Puts another folder in the place of an account's, with the same files but for those in
    /// `without`, which `write` makes.
    fn rebuild(
        &self,
        path: &Path,
        without: &[&str],
        write: impl FnOnce(&Path) -> Result<(), AccountError>,
    ) -> Result<(), AccountError> {
        let draft = self.folder.draft("change");
        atomic::make_dir(&draft)?;
        let swapped = (|| {
            for file in atomic::list(path)? {
                let Some(name) = file.file_name() else { continue };
                if !without.iter().any(|it| name == *it) {
                    let target = draft.join(name);
                    fs::hard_link(&file, &target).map_err(failed("keep", &file))?;
                }
            }
            write(&draft)?;
            let dir = File::open(&draft).map_err(failed("open", &draft))?;
            dir.sync_all().map_err(failed("sync", &draft))?;
            atomic::exchange(&draft, path)?;
            atomic::sync_parent(path)
        })();
        // The old one, or what was not finished.
        let _ = fs::remove_dir_all(&draft);
        swapped
    }
}

/// What changes when a folder is replaced or something in it is.
fn state(path: &Path) -> Result<Option<(u64, i64, i64)>, AccountError> {
    match fs::metadata(path) {
        Ok(it) if it.is_dir() => Ok(Some((it.ino(), it.mtime(), it.mtime_nsec()))),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path)(error)),
    }
}

fn read_account(name: &str, path: &Path) -> Result<Record, AccountError> {
    let file = |name: &str| atomic::read(&path.join(name));
    let text = |name: &str| -> Result<Option<String>, AccountError> {
        Ok(file(name)?.map(|it| String::from_utf8_lossy(&it).into_owned()))
    };
    let password = match (file("salt")?, file("verifier")?) {
        (Some(salt), Some(verifier)) => Some(Password::Srp(Verifier { salt, verifier }).format()),
        _ => text("password")?,
    };
    let privileges = match text("privileges")? {
        Some(list) => list.lines().filter(|it| !it.is_empty()).map(str::to_owned).collect(),
        // Made by the other program, which has none: an account that an engine could use.
        None => DEFAULT_PRIVILEGES.iter().map(|it| (*it).to_owned()).collect(),
    };
    let last_login = match fs::metadata(path.join("timestamp")) {
        Ok(it) => it.mtime(),
        Err(error) if error.kind() == ErrorKind::NotFound => NEVER,
        Err(error) => return Err(failed("read", path)(error)),
    };
    let last_server = text("last_server")?.map(|it| it.trim_end().to_owned());
    Ok(Record {
        name: name.to_owned(),
        password,
        privileges,
        last_login,
        last_server: last_server.filter(|it| !it.is_empty()),
    })
}

fn write_account(draft: &Path, record: &Record, sync: bool) -> Result<(), AccountError> {
    if let Some(field) = &record.password {
        write_password(draft, field, sync)?;
    }
    let privileges: BTreeSet<String> =
        record.privileges.iter().map(|it| format!("{it}\n")).collect();
    let privileges: String = privileges.into_iter().collect();
    atomic::write_new(&draft.join("privileges"), privileges.as_bytes(), sync)?;
    if let Some(server) = &record.last_server {
        atomic::write_new(&draft.join("last_server"), server.as_bytes(), sync)?;
    }
    set_timestamp(draft, record.last_login)
}

fn write_password(draft: &Path, field: &str, sync: bool) -> Result<(), AccountError> {
    match Password::parse(field) {
        Ok(Password::Srp(Verifier { salt, verifier })) => {
            atomic::write_new(&draft.join("salt"), &salt, sync)?;
            atomic::write_new(&draft.join("verifier"), &verifier, sync)
        }
        _ => atomic::write_new(&draft.join("password"), field.as_bytes(), sync),
    }
}

fn set_timestamp(path: &Path, unix_seconds: i64) -> Result<(), AccountError> {
    let path = path.join("timestamp");
    if unix_seconds == NEVER {
        return atomic::remove(&path).map(drop);
    }
    let distance = Duration::from_secs(unix_seconds.unsigned_abs());
    let time = if unix_seconds < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    };
    let time: SystemTime = time.unwrap_or(UNIX_EPOCH);
    let set = || {
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        file.set_times(FileTimes::new().set_accessed(time).set_modified(time))
    };
    set().map_err(failed("write", &path))
}
