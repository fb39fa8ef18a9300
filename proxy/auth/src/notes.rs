//! What is noted about players without anybody waiting for it: when they logged in, which server
//! they are on. A store that is away must cost neither a login nor a step in the game, so these
//! wait in memory until it is back, the last one for each player.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::AccountError;
use crate::accounts::{Store, on_store};

/// Players with something to write. More come only while the store is away for long; who has been
/// waiting longest is then given up, which is logged.
const MOST: usize = 50_000;

/// How long to wait before the next try while the store is away.
const PAUSE: Duration = Duration::from_secs(1);

/// How long the end of the process waits for the last ones.
const LAST: Duration = Duration::from_secs(3);

/// Clones share what waits.
#[derive(Debug, Clone)]
pub(crate) struct Notes {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    queue: Mutex<Queue>,
    wake: Notify,
    /// Held by whoever writes.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: HashMap<String, Note>,
    order: VecDeque<String>,
    started: bool,
}

#[derive(Debug, Clone, Default)]
struct Note {
    login: Option<i64>,
    server: Option<String>,
}

impl Notes {
    pub(crate) fn start(store: Store) -> Self {
        let queue = Mutex::default();
        let (wake, writing) = (Notify::new(), tokio::sync::Mutex::new(()));
        Self { inner: Arc::new(Inner { store, queue, wake, writing }) }
    }

    pub(crate) fn login(&self, name: &str, unix_seconds: i64) {
        self.note(name, |note| note.login = Some(unix_seconds));
    }

    pub(crate) fn server(&self, name: &str, server: &str) {
        self.note(name, |note| note.server = Some(server.to_owned()));
    }

    pub(crate) fn last_server(&self, name: &str) -> Option<String> {
        self.inner.lock().waiting.get(name)?.server.clone()
    }

    /// Nothing is to be written about an account that goes.
    pub(crate) fn forget(&self, name: &str) {
        self.inner.lock().waiting.remove(name);
    }

    fn note(&self, name: &str, change: impl FnOnce(&mut Note)) {
        let mut queue = self.inner.lock();
        if !queue.waiting.contains_key(name) {
            queue.order.push_back(name.to_owned());
        }
        change(queue.waiting.entry(name.to_owned()).or_default());
        while queue.order.len() > MOST {
            let oldest = queue.order.pop_front();
            if let Some(name) = oldest.filter(|name| queue.waiting.remove(name).is_some()) {
                tracing::error!(
                    player = name,
                    "the last login of a player is not written: the \
                                account store has been away for too long"
                );
            }
        }
        if !queue.started {
            queue.started = true;
            let inner = Arc::downgrade(&self.inner);
            tokio::spawn(async move {
                while let Some(inner) = inner.upgrade() {
                    // Dropped before the wait, so that the last handle ends this.
                    let away = inner.write_all().await.is_err();
                    let next = tokio::time::timeout(PAUSE, inner.wake.notified());
                    if away {
                        tokio::time::sleep(PAUSE).await;
                    } else {
                        // Looks again after a while whether anybody is left.
                        let _ = next.await;
                    }
                }
            });
        }
        drop(queue);
        self.inner.wake.notify_one();
    }

    /// Writes what waits, as far as that is possible now.
    pub(crate) async fn finish(&self) {
        let written = tokio::time::timeout(LAST, self.inner.write_all()).await;
        if matches!(written, Ok(Ok(()))) {
            return;
        }
        let queue = self.inner.lock();
        let names: Vec<&str> = queue.waiting.keys().map(String::as_str).take(100).collect();
        tracing::error!(
            players = queue.waiting.len(),
            first = names.join(" "),
            "the last logins of players are not written: the account store is away"
        );
    }
}

impl Inner {
    async fn write_all(&self) -> Result<(), AccountError> {
        let _turn = self.writing.lock().await;
        loop {
            let next = {
                let queue = self.lock();
                let name = queue.order.front().cloned();
                name.map(|name| (queue.waiting.get(&name).cloned(), name))
            };
            let Some((note, name)) = next else { return Ok(()) };
            if let Some(note) = note {
                match self.write(&name, &note).await {
                    Err(error) if error.is_passing() => {
                        tracing::warn!(%error, "last logins wait for the account store");
                        return Err(error);
                    }
                    Err(AccountError::Missing(_)) | Ok(()) => {}
                    Err(error) => {
                        tracing::error!(player = name, %error, "a last login is not written");
                    }
                }
                self.done(&name, &note);
            } else {
                self.lock().order.pop_front();
            }
        }
    }

    async fn write(&self, name: &str, note: &Note) -> Result<(), AccountError> {
        if let Some(at) = note.login {
            let work = async { on_store!(self.store, set_last_login(name, at)) };
            self.store.within(work).await?;
        }
        if let Some(server) = &note.server {
            let work = async { on_store!(self.store, set_last_server(name, server)) };
            self.store.within(work).await?;
        }
        Ok(())
    }

    /// It was written; what was noted meanwhile waits for its own turn.
    fn done(&self, name: &str, written: &Note) {
        let mut queue = self.lock();
        queue.order.pop_front();
        let Some(now) = queue.waiting.get_mut(name) else { return };
        if now.login == written.login {
            now.login = None;
        }
        if now.server == written.server {
            now.server = None;
        }
        if now.login.is_none() && now.server.is_none() {
            queue.waiting.remove(name);
        } else {
            queue.order.push_back(name.to_owned());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
