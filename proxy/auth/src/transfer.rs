//! Moving accounts, bans and mutes between stores and files.
//!
//! A copy can be repeated: what is in the target already is left as it is (or, on demand, changed
//! to what the source says), so one that was killed is continued by starting it again. It goes in
//! batches; after each the target is whole.

mod flat;
mod mutes;

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::accounts::{Accounts, Record};
use crate::bans::{Ban, Bans, NewBan};
use crate::files::is_player_name;
use crate::url::{StoreUrl, Target};
use crate::{AccountError, Password};
use flat::{AuthTxt, IpBan};

/// Accounts that are written at once.
const BATCH: usize = 500;

/// Problems that are kept for the report; the rest is counted.
const PROBLEMS: usize = 100;

/// Bans that are asked for at once.
const PAGE: u32 = 1000;

/// How a copy treats what is there already.
#[derive(Debug, Clone, Copy, Default)]
pub struct CopyOptions {
    /// Finds out what would change and changes nothing.
    pub dry_run: bool,
    /// Changes accounts of the target to what the source says where they differ. Otherwise those of
    /// the target stay.
    pub replace: bool,
    /// The time, in Unix seconds.
    pub now: i64,
}

/// What became of the accounts, the bans or the mutes of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Were not in the target and are now.
    pub added: u64,
    /// Were changed to what the source says.
    pub replaced: u64,
    /// Are in the target just so.
    pub same: u64,
    /// Are in the target otherwise, and were left so.
    pub kept: u64,
    /// Cannot be in the target.
    pub refused: u64,
}

/// What a copy did, or would do.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Accounts.
    pub accounts: Tally,
    /// Bans.
    pub bans: Tally,
    /// Mutes.
    pub mutes: Tally,
    /// What is wrong with those that were refused or kept: the first hundred.
    pub problems: Vec<String>,
    /// Problems beyond those.
    pub more_problems: u64,
    /// What the target's format has no place for.
    pub losses: Vec<&'static str>,
}

impl Report {
    fn problem(&mut self, text: String) {
        if self.problems.len() < PROBLEMS {
            self.problems.push(text);
        } else {
            self.more_problems += 1;
        }
    }
}

/// A store or a file that accounts come from or go to.
#[derive(Debug)]
enum Side {
    Store(Accounts, Bans),
    AuthTxt(AuthTxt),
    IpBan(IpBan),
}

/// Copies all accounts, bans and mutes of `from` into `to`, which is made if it does not exist.
/// `progress` is told how many accounts of how many are done. `renamed` has the new names of servers
/// that have others there, for last servers.
///
/// # Errors
/// When one side cannot be read or written. What was written until then is whole, and the copy can
/// be started again.
pub async fn copy(
    from: &StoreUrl,
    to: &StoreUrl,
    options: CopyOptions,
    renamed: &BTreeMap<String, String>,
    mut progress: impl FnMut(usize, usize),
) -> Result<Report, AccountError> {
    let source = Side::open_source(from, options.now).await?;
    let mut target = Side::open_target(to, options).await?;
    let mut report = Report { losses: target.losses(), ..Report::default() };
    let mut names = source.names().await?;
    names.sort_unstable();
    let mut known: HashMap<String, String> = HashMap::new();
    for name in target.names().await? {
        known.insert(name.to_ascii_lowercase(), name);
    }
    let total = names.len();
    progress(0, total);
    for (number, names) in names.chunks(BATCH).enumerate() {
        let mut records = source.records(names).await?;
        for last in records.iter_mut().filter_map(|it| it.last_server.as_mut()) {
            if let Some(new) = renamed.get(last) {
                last.clone_from(new);
            }
        }
        copy_batch(&mut target, &records, &mut known, options, &mut report).await?;
        progress((number * BATCH + names.len()).min(total), total);
    }
    copy_bans(&source, &mut target, options, &mut report).await?;
    mutes::copy(&source, &target, options, &mut report).await?;
    target.finish(options.dry_run)?;
    source.close().await;
    target.close().await;
    Ok(report)
}

async fn copy_batch(
    target: &mut Side,
    records: &[Record],
    known: &mut HashMap<String, String>,
    options: CopyOptions,
    report: &mut Report,
) -> Result<(), AccountError> {
    let names: Vec<String> = records.iter().map(|it| it.name.clone()).collect();
    let there: BTreeMap<String, Record> =
        target.records(&names).await?.into_iter().map(|it| (it.name.clone(), it)).collect();
    let (mut new, mut changed) = (Vec::new(), Vec::new());
    for record in records {
        if let Some(why) = target.refusal(record) {
            report.accounts.refused += 1;
            report.problem(format!("{}: {why}", record.name));
            continue;
        }
        let record = target.as_stored(record);
        match there.get(&record.name) {
            Some(there) if target.same(there, &record) => report.accounts.same += 1,
            Some(_) if options.replace => {
                report.accounts.replaced += 1;
                changed.push(record);
            }
            Some(_) => {
                report.accounts.kept += 1;
                report.problem(format!("{}: is in the target otherwise; kept", record.name));
            }
            None => match known.get(&record.name.to_ascii_lowercase()) {
                Some(twin) => {
                    report.accounts.refused += 1;
                    report.problem(format!(
                        "{}: differs from {twin} of the target in letter case alone",
                        record.name
                    ));
                }
                None => {
                    report.accounts.added += 1;
                    known.insert(record.name.to_ascii_lowercase(), record.name.clone());
                    new.push(record);
                }
            },
        }
    }
    if options.dry_run {
        return Ok(());
    }

    if !new.is_empty() || !changed.is_empty() {
        let new: Vec<&Record> = new.iter().collect();
        let changed: Vec<&Record> = changed.iter().collect();
        target.put(&new, &changed).await?;
    }
    Ok(())
}

async fn copy_bans(
    source: &Side,
    target: &mut Side,
    options: CopyOptions,
    report: &mut Report,
) -> Result<(), AccountError> {
    let there = target.bans().await?;
    let (now, key) = (options.now, |terms: &NewBan| match terms.subject.columns() {
        (Some(name), _) => name.to_ascii_lowercase(),
        (None, addresses) => addresses.unwrap_or_default(),
    });
    let mut in_force: HashSet<String> =
        there.iter().filter(|it| it.holds(now)).map(|it| key(&it.terms)).collect();
    let mut same: HashSet<NewBan> = there.into_iter().map(|it| it.terms).collect();
    let mut new = Vec::new();
    for Ban { id, terms } in source.bans().await? {
        let terms = match target.ban_as_stored(&terms, now) {
            Ok(terms) => terms,
            Err(why) => {
                report.bans.refused += 1;
                report.problem(format!("ban {id}: {why}"));
                continue;
            }
        };
        let holds = terms.expires.is_none_or(|it| it > now);
        if same.contains(&terms) {
            report.bans.same += 1;
        } else if holds && !in_force.insert(key(&terms)) {
            report.bans.kept += 1;
            report.problem(format!("ban {id}: {} is banned in the target already", key(&terms)));
        } else {
            report.bans.added += 1;
            same.insert(terms.clone());
            new.push(terms);
        }
    }
    if !options.dry_run {
        for bans in new.chunks(BATCH) {
            target.put_bans(bans).await?;
        }
    }
    Ok(())
}

impl Side {
    async fn open_source(url: &StoreUrl, now: i64) -> Result<Self, AccountError> {
        Ok(match url.target() {
            Target::AuthTxt(path) => Self::AuthTxt(AuthTxt::read(path, true)?),
            Target::IpBan(path) => Self::IpBan(IpBan::read(path, true, now)?),
            _ => {
                let accounts = Accounts::open_source(url).await?;
                let bans = accounts.bans();
                Self::Store(accounts, bans)
            }
        })
    }

    /// What nothing is to be written into is not made.
    async fn open_target(url: &StoreUrl, options: CopyOptions) -> Result<Self, AccountError> {
        Ok(match url.target() {
            Target::AuthTxt(path) => Self::AuthTxt(AuthTxt::read(path, false)?),
            Target::IpBan(path) => Self::IpBan(IpBan::read(path, false, options.now)?),
            kind => {
                let missing = match kind {
                    Target::Files(path) => !path.join("auth").is_dir(),
                    Target::Sqlite => {
                        let path = url.expose().trim_start_matches("sqlite:");
                        let path = path.trim_start_matches("//");
                        !std::path::Path::new(path.split('?').next().unwrap_or(path)).exists()
                    }
                    _ => false,
                };
                let accounts = match (options.dry_run, missing) {
                    // As good as one that is empty.
                    (true, true) => return Ok(Self::AuthTxt(AuthTxt::nowhere())),
                    (true, false) => Accounts::open_source(url).await?,
                    (false, _) => Accounts::open(&url.clone().creating()).await?,
                };
                let bans = accounts.bans();
                Self::Store(accounts, bans)
            }
        })
    }

    fn losses(&self) -> Vec<&'static str> {
        match self {
            Self::AuthTxt(it) if it.is_somewhere() => vec!["last servers", "bans", "mutes"],
            Self::Store(..) | Self::AuthTxt(_) => Vec::new(),
            Self::IpBan(_) => {
                vec!["accounts", "reasons, notes, authors and ends of bans", "mutes"]
            }
        }
    }

    async fn names(&self) -> Result<Vec<String>, AccountError> {
        match self {
            Self::Store(accounts, _) => accounts.names().await,
            Self::AuthTxt(it) => Ok(it.names()),
            Self::IpBan(_) => Ok(Vec::new()),
        }
    }

    async fn records(&self, names: &[String]) -> Result<Vec<Record>, AccountError> {
        match self {
            Self::Store(accounts, _) => accounts.records(names).await,
            Self::AuthTxt(it) => Ok(it.records(names)),
            Self::IpBan(_) => Ok(Vec::new()),
        }
    }

    /// Why an account cannot be in the target.
    fn refusal(&self, record: &Record) -> Option<&'static str> {
        if matches!(self, Self::IpBan(_)) {
            return Some("ipban.txt has no place for accounts");
        }
        let Some(field) = &record.password else { return Some("has no password") };
        if !is_player_name(&record.name) {
            return Some("is no player name");
        }
        let cut = |it: &String| it.contains([':', ',', '\n']);
        let text = matches!(self, Self::AuthTxt(it) if it.is_somewhere());
        if text && record.privileges.iter().any(cut) {
            return Some("has a privilege that auth.txt has no place for");
        }
        Password::parse(field).is_err().then_some("has a password that nobody can log in with")
    }

    /// An account as the target can keep it.
    fn as_stored(&self, record: &Record) -> Record {
        let mut record = record.clone();
        // One spelling: some programs write padding.
        let parsed = record.password.as_deref().and_then(|it| Password::parse(it).ok());
        record.password = parsed.map(|it| it.format());
        if matches!(self, Self::AuthTxt(it) if it.is_somewhere()) {
            record.last_server = None;
        }
        record
    }

    /// Whether the target says the same as the source. A last server that the source does not know
    /// is no difference.
    fn same(&self, there: &Record, wanted: &Record) -> bool {
        let mut there = self.as_stored(there);
        if wanted.last_server.is_none() {
            there.last_server = None;
        }
        there == *wanted
    }

    async fn put(&mut self, new: &[&Record], changed: &[&Record]) -> Result<(), AccountError> {
        match self {
            Self::Store(accounts, _) => accounts.put(new, changed).await,
            Self::AuthTxt(it) => {
                it.put(new);
                it.put(changed);
                Ok(())
            }
            Self::IpBan(_) => Ok(()),
        }
    }

    async fn bans(&self) -> Result<Vec<Ban>, AccountError> {
        match self {
            Self::Store(_, bans) => {
                let mut all: Vec<Ban> = Vec::new();
                loop {
                    let after = all.last().map_or(0, |it| it.id);
                    let page = bans.list(after, PAGE, true, 0).await?;
                    if page.is_empty() {
                        return Ok(all);
                    }
                    all.extend(page);
                }
            }
            Self::AuthTxt(_) => Ok(Vec::new()),
            Self::IpBan(it) => Ok(it.bans()),
        }
    }

    fn ban_as_stored(&self, terms: &NewBan, now: i64) -> Result<NewBan, &'static str> {
        match self {
            Self::Store(..) => Ok(terms.clone()),
            Self::AuthTxt(it) if !it.is_somewhere() => Ok(terms.clone()),
            Self::AuthTxt(_) => Err("auth.txt has no place for bans"),
            Self::IpBan(it) => it.as_stored(terms, now),
        }
    }

    async fn put_bans(&mut self, new: &[NewBan]) -> Result<(), AccountError> {
        match self {
            Self::Store(_, bans) => bans.put(new).await,
            Self::AuthTxt(_) => Ok(()),
            Self::IpBan(it) => {
                it.put(new);
                Ok(())
            }
        }
    }

    fn finish(&self, dry_run: bool) -> Result<(), AccountError> {
        match self {
            _ if dry_run => Ok(()),
            Self::Store(..) => Ok(()),
            Self::AuthTxt(it) => it.write(),
            Self::IpBan(it) => it.write(),
        }
    }

    async fn close(&self) {
        if let Self::Store(accounts, _) = self {
            accounts.close().await;
        }
    }
}
