//! A real Luanti server.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::capsule::{Capsule, Job, RUN};
use crate::lab::{Generation, Lab};
use crate::run::RunFolder;
use crate::{Error, Result, paths, ports, wait};

/// What kind of server to start.
#[derive(Debug, Clone)]
pub struct ServerSpec {
    name: String,
    generation: Generation,
    port: Option<u16>,
    mods: Vec<PathBuf>,
    settings: Vec<(String, String)>,
    world: Vec<(String, String)>,
    folder: Option<PathBuf>,
    game: Option<String>,
}

impl ServerSpec {
    /// A server with Minetest Game on a flat world, which starts fastest. `name` is for logs and
    /// folders.
    pub fn new(name: &str, generation: Generation) -> Self {
        Self {
            name: name.into(),
            generation,
            port: None,
            mods: Vec::new(),
            settings: Vec::new(),
            world: Vec::new(),
            folder: None,
            game: None,
        }
    }

    /// Another UDP port than a free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// A mod of this project's own, by the name of its folder in `xtask/mods`.
    #[must_use]
    pub fn own_mod(self, name: &str) -> Self {
        let folder = paths::workspace().join("xtask/mods").join(name);
        self.mod_folder(folder)
    }

    /// A mod by its folder, whose name is the mod's.
    #[must_use]
    pub fn mod_folder(mut self, folder: PathBuf) -> Self {
        self.mods.push(folder);
        self
    }

    /// The mods of Debian's packages that the lab has, see [`crate::lab::mods`].
    ///
    /// # Errors
    /// When the lab has none.
    pub fn debian_mods(mut self, lab: &Lab) -> Result<Self> {
        self.mods.extend(lab.mods(self.generation)?);
        Ok(self)
    }

    /// A game of this project's own instead of Minetest Game, by the name of its folder in
    /// `xtask/games`.
    #[must_use]
    pub fn own_game(mut self, name: &str) -> Self {
        self.game = Some(name.into());
        self
    }

    /// The test mod of `xtask/mods`, with a floor of this colour (`red`, `green`, `blue` or
    /// `yellow`) where players arrive. Every player stands on it, looking north, so a picture tells
    /// which server it shows.
    #[must_use]
    pub fn probe(self, colour: &str) -> Self {
        self.own_mod("mesegate_probe")
            .setting("mesegate_probe.colour", colour)
            .setting("static_spawnpoint", "0,9,0")
            .setting("time_speed", 0)
            .setting("world_start_time", 12000)
    }

    /// A setting of the server's configuration file. Later ones win.
    #[must_use]
    pub fn setting(mut self, key: &str, value: impl ToString) -> Self {
        self.settings.push((key.into(), value.to_string()));
        self
    }

    /// A line of the world's `world.mt`, such as which database accounts are in. A world that has
    /// one gets no other lines from the engine.
    #[must_use]
    pub fn world_setting(mut self, key: &str, value: &str) -> Self {
        self.world.push((key.into(), value.into()));
        self
    }

    /// A run folder that is kept, so that the next server started in it has the same world.
    #[must_use]
    pub fn folder(mut self, folder: PathBuf) -> Self {
        self.folder = Some(folder);
        self
    }
}

impl ServerSpec {
    /// Writes the configuration and puts the mods into the world.
    fn prepare(&self, run: &Path, port: u16) -> Result<()> {
        let mut config = String::new();
        let fixed = [
            ("bind_address", "127.0.0.1".to_owned()),
            ("port", port.to_string()),
            ("server_announce", "false".into()),
            ("enable_ipv6", "false".into()),
            ("mg_name", "flat".into()),
            ("mg_flags", "nocaves,nodungeons,nodecorations".into()),
            ("fixed_map_seed", "1".into()),
            ("server_name", self.name.clone()),
            // Debian's servers all want the same port for this unless told otherwise.
            ("prometheus_listener_address", format!("127.0.0.1:{}", ports::free()?)),
        ];
        let own = self.settings.iter().map(|(key, value)| (key.as_str(), value.clone()));
        // The engine takes the last of several lines for one setting.
        for (key, value) in fixed.into_iter().chain(own) {
            let _ = writeln!(config, "{key} = {value}");
        }
        let path = run.join("server.conf");
        std::fs::write(&path, config).map_err(Error::io(format!("writing {}", path.display())))?;
        let mods = run.join("world/worldmods");
        std::fs::create_dir_all(&mods).map_err(Error::io(format!("making {}", mods.display())))?;
        if !self.world.is_empty() {
            let mut lines = String::new();
            for (key, value) in &self.world {
                let _ = writeln!(lines, "{key} = {value}");
            }
            let path = run.join("world/world.mt");
            std::fs::write(&path, lines)
                .map_err(Error::io(format!("writing {}", path.display())))?;
        }
        for folder in &self.mods {
            let name = folder.file_name().unwrap_or(folder.as_os_str());
            copy_folder(folder, &mods.join(name))?;
        }
        if let Some(game) = &self.game {
            let folder = paths::workspace().join("xtask/games").join(game);
            copy_folder(&folder, &run.join("games").join(game))?;
        }
        Ok(())
    }
}

/// A running server. Dropping it kills it; [`stop`](Self::stop) lets it save first.
#[derive(Debug)]
pub struct Server {
    name: String,
    launch: String,
    port: u16,
    started_in: Duration,
    job: Job,
    capsule: Capsule,
    // Last, so that nothing writes there any more when it is removed.
    run: RunFolder,
}

impl Server {
    /// Starts a server and waits until it listens.
    ///
    /// # Errors
    /// When it ends by itself or does not listen within a minute; the error has the end of its
    /// log.
    pub fn start(lab: &Lab, spec: ServerSpec) -> Result<Self> {
        let run = match &spec.folder {
            Some(folder) => RunFolder::kept(folder)?,
            None => RunFolder::temporary(&format!("server-{}", spec.name))?,
        };
        let port = match spec.port {
            Some(port) => port,
            None => ports::free()?,
        };
        spec.prepare(run.path(), port)?;
        let launch = format!(
            "exec env {}={RUN}/games {} --config {RUN}/server.conf --world {RUN}/world \
             --gameid {} --logfile {RUN}/server.log",
            spec.generation.games_variable(),
            spec.generation.server_program(),
            spec.game.as_deref().unwrap_or("minetest_game"),
        );
        let mut capsule = Capsule::enter(&lab.root(spec.generation), run.path())?;
        let (job, started_in) = start_listening(&mut capsule, &launch, &spec.name)?;
        Ok(Self { name: spec.name, launch, port, started_in, job, capsule, run })
    }

    /// Where clients and proxies connect to.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The server's name, as given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How long it took from its start until it listened.
    pub fn started_in(&self) -> Duration {
        self.started_in
    }

    /// The folder with its configuration, world and logs.
    pub fn run_dir(&self) -> &Path {
        self.run.path()
    }

    /// The world folder.
    pub fn world_dir(&self) -> PathBuf {
        self.run_dir().join("world")
    }

    /// Everything it has logged at `action` level and above.
    pub fn log(&self) -> String {
        wait::read(&self.run_dir().join("server.log"))
    }

    /// Waits until a line of the log contains `text`, and gives that line.
    ///
    /// # Errors
    /// When there is none within `limit`.
    pub fn wait_log(&self, text: &str, limit: Duration) -> Result<String> {
        self.wait_log_since(0, text, limit)
    }

    /// As [`wait_log`](Self::wait_log), only in what was logged after the first `offset` bytes
    /// (an earlier `log().len()`).
    ///
    /// # Errors
    /// When there is none within `limit`.
    pub fn wait_log_since(&self, offset: usize, text: &str, limit: Duration) -> Result<String> {
        wait::until(limit, || {
            let log = self.log();
            log.get(offset..)?.lines().find(|line| line.contains(text)).map(str::to_owned)
        })
        .ok_or_else(|| self.late(&format!("`{text}` in the log of server {}", self.name()), limit))
    }

    /// Kills it as a crash would: no goodbye to players, nothing saved.
    ///
    /// # Errors
    /// When its capsule is gone.
    pub fn kill9(&mut self) -> Result<()> {
        self.capsule.signal(self.job, "KILL")?;
        self.wait_end(Duration::from_secs(10))
    }

    /// Asks it to end as Ctrl-C would, and waits for it: it says goodbye to its players and saves.
    ///
    /// # Errors
    /// When it has not ended within 20 seconds.
    pub fn stop(&mut self) -> Result<()> {
        self.capsule.signal(self.job, "INT")?;
        self.wait_end(Duration::from_secs(20))
    }

    /// Starts it again after [`kill9`](Self::kill9) or [`stop`](Self::stop), on the same port and
    /// world.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn restart(&mut self) -> Result<()> {
        (self.job, self.started_in) = start_listening(&mut self.capsule, &self.launch, &self.name)?;
        Ok(())
    }

    /// Stops it with SIGSTOP: its port stays open but nothing answers, as with a hung machine.
    ///
    /// # Errors
    /// When its capsule is gone.
    pub fn freeze(&mut self) -> Result<()> {
        self.capsule.signal(self.job, "STOP")
    }

    /// Lets it run again after [`freeze`](Self::freeze).
    ///
    /// # Errors
    /// When its capsule is gone.
    pub fn thaw(&mut self) -> Result<()> {
        self.capsule.signal(self.job, "CONT")
    }

    fn wait_end(&mut self, limit: Duration) -> Result<()> {
        let ended = wait::until(limit, || match self.capsule.alive(self.job) {
            Ok(true) => None,
            Ok(false) => Some(Ok(())),
            Err(error) => Some(Err(error)),
        });
        ended.unwrap_or_else(|| Err(self.late(&format!("the end of server {}", self.name), limit)))
    }

    fn late(&self, what: &str, limit: Duration) -> Error {
        Error::Timeout {
            what: what.into(),
            seconds: limit.as_secs(),
            log: self.run_dir().join("server.log"),
            tail: wait::tail(&self.log(), 20),
        }
    }
}

/// Starts the program and waits until it says that it listens.
fn start_listening(capsule: &mut Capsule, launch: &str, name: &str) -> Result<(Job, Duration)> {
    let limit = Duration::from_mins(1);
    let start = Instant::now();
    let log = capsule.run_dir().join("server.log");
    let seen = wait::read(&log).len();
    let job = capsule.spawn(launch, "server.out")?;
    let found = wait::until(limit, || {
        if wait::read(&log).get(seen..).is_some_and(|new| new.contains(" listening on ")) {
            return Some(Ok(()));
        }
        match capsule.alive(job) {
            Ok(true) => None,
            Ok(false) => {
                let log = capsule.run_dir().join("server.out");
                let tail = wait::tail(&wait::read(&log), 20);
                Some(Err(Error::Ended { what: format!("server {name}"), log, tail }))
            }
            Err(error) => Some(Err(error)),
        }
    });
    found.unwrap_or_else(|| {
        Err(Error::Timeout {
            what: format!("listening of server {name}"),
            seconds: limit.as_secs(),
            tail: wait::tail(&wait::read(&log), 20),
            log,
        })
    })?;
    Ok((job, start.elapsed()))
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    let what = |path: &Path| Error::io(format!("copying {}", path.display()));
    std::fs::create_dir_all(to).map_err(what(to))?;
    for entry in std::fs::read_dir(from).map_err(what(from))? {
        let entry = entry.map_err(what(from))?;
        let target = to.join(entry.file_name());
        if entry.file_type().map_err(what(from))?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target).map_err(what(&target))?;
        }
    }
    Ok(())
}
