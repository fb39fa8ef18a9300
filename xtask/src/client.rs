//! A real Luanti client with a player at its keyboard.
//!
//! It runs under Xvfb and draws in software. What it shows is read as a [screenshot](Image), what
//! it thinks from its verbose log.
//!
//! Pitfalls, so that nobody has to find them again:
//! * There is no window manager, so nothing gives the window the keyboard: clients before 5.15 get
//!   no key at all until `xdotool windowfocus` is called for their window.
//! * The client grabs the mouse while no form is open and moves the pointer back to the middle
//!   after every frame, so only *relative* movement turns the view, and only after the window has
//!   the focus.
//! * Escape closes an open form, but opens the pause menu when there is none; a key that is meant
//!   for the game then does nothing until the menu is closed.
//! * Keys are looked at once per frame (50 ms at 20 frames a second): press and release must be
//!   further apart than that for actions that the engine polls (jump, sneak, dig), while typed
//!   text arrives as events and is not lost, once there is a field that takes it: the chat opens
//!   with the frame after its key, and on a busy machine a frame may take seconds.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::capsule::{Capsule, Job, RUN, quote};
use crate::image::Image;
use crate::lab::{Generation, Lab};
use crate::run::RunFolder;
use crate::{Error, Result, wait};

/// How long a single command to the window may take.
const COMMAND: Duration = Duration::from_secs(20);

const CONFIG: &str = "\
screen_w = 800
screen_h = 600
enable_sound = false
video_driver = opengl
fps_max = 20
fps_max_unfocused = 20
pause_on_lost_focus = false
viewing_range = 40
show_debug = true
enable_clouds = false
console_color = (250,0,250)
console_alpha = 255
name =
";

/// What kind of client to start.
#[derive(Debug, Clone)]
pub struct ClientSpec {
    generation: Generation,
    player: String,
    password: String,
    address: SocketAddr,
    settings: Vec<(String, String)>,
    menu: bool,
}

impl ClientSpec {
    /// A client that joins `address` as `player` with an empty password.
    pub fn new(generation: Generation, player: &str, address: SocketAddr) -> Self {
        Self {
            generation,
            player: player.into(),
            password: String::new(),
            address,
            settings: Vec::new(),
            menu: false,
        }
    }

    /// Stays in the main menu, where address and name are filled in already, and comes back to it
    /// when the game ends. Otherwise the program ends then.
    #[must_use]
    pub fn menu(mut self) -> Self {
        self.menu = true;
        let address = self.address;
        let player = self.player.clone();
        self.setting("maintab_LAST", "online")
            // The list of public servers is of no use here.
            .setting("serverlist_url", "")
            .setting("menu_clouds", false)
            .setting("name", player)
            .setting("address", address.ip())
            .setting("remote_port", address.port())
    }

    /// Another password. It is visible in the process list.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = password.into();
        self
    }

    /// A setting of the client's configuration file. Later ones win.
    #[must_use]
    pub fn setting(mut self, key: &str, value: impl ToString) -> Self {
        self.settings.push((key.into(), value.to_string()));
        self
    }
}

/// How long the chat may take to open before its key is pressed once more, and how often it is.
const OPENING: Duration = Duration::from_secs(5);
const TRIES: u32 = 3;

/// The first frames compile shaders. Keys that are pressed meanwhile may be lost.
const FIRST_FRAMES: Duration = Duration::from_secs(1);

/// A mouse button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Button {
    /// Digs and punches.
    Left,
    /// Places and uses.
    Right,
}

impl Button {
    const fn number(self) -> u8 {
        match self {
            Self::Left => 1,
            Self::Right => 3,
        }
    }
}

/// A running client. Dropping it ends it together with its screen.
#[derive(Debug)]
pub struct Client {
    player: String,
    started: Instant,
    shots: u32,
    job: Job,
    capsule: Capsule,
    // Last, so that nothing writes there any more when it is removed.
    run: RunFolder,
}

impl Client {
    /// Starts a screen and a client that joins at once. It has not joined yet when this returns.
    ///
    /// # Errors
    /// When the screen does not start.
    pub fn start(lab: &Lab, spec: ClientSpec) -> Result<Self> {
        let run = RunFolder::temporary(&format!("client-{}", spec.player))?;
        let mut config = CONFIG.to_owned();
        for (key, value) in &spec.settings {
            let _ = writeln!(config, "{key} = {value}");
        }
        let path = run.path().join("client.conf");
        std::fs::write(&path, config).map_err(Error::io(format!("writing {}", path.display())))?;
        let mut capsule = Capsule::enter(&lab.root(spec.generation), run.path())?;
        // -displayfd makes the X server look for a free number: its abstract socket is visible
        // to all capsules because they share the network. -noreset: it would begin anew, deaf for a
        // moment, whenever its last client leaves, and `xdotool` comes and goes.
        capsule.spawn(
            &format!(
                "exec Xvfb -displayfd 3 -screen 0 800x600x24 -nolisten tcp -noreset \
                 3>{RUN}/display"
            ),
            "xvfb.log",
        )?;
        let display = wait::until(COMMAND, || {
            let text = wait::read(&run.path().join("display"));
            text.ends_with('\n').then(|| text.trim().to_owned())
        })
        .ok_or_else(|| Error::Timeout {
            what: "the start of Xvfb".into(),
            seconds: COMMAND.as_secs(),
            log: run.path().join("xvfb.log"),
            tail: wait::tail(&wait::read(&run.path().join("xvfb.log")), 20),
        })?;
        capsule.run(&format!("export DISPLAY=:{display}"), COMMAND)?;
        let go = if spec.menu { "" } else { "--go" };
        let job = capsule.spawn(
            &format!(
                "exec {} --config {RUN}/client.conf --logfile {RUN}/client.log --verbose {go} \
                 --name {} --password {} --address {} --port {}",
                spec.generation.client_program(),
                quote(&spec.player),
                quote(&spec.password),
                spec.address.ip(),
                spec.address.port(),
            ),
            "client.out",
        )?;
        let started = Instant::now();
        Ok(Self { player: spec.player, started, shots: 0, job, capsule, run })
    }

    /// The player's name.
    pub fn player(&self) -> &str {
        &self.player
    }

    /// The folder with its configuration, logs and pictures.
    pub fn run_dir(&self) -> &Path {
        self.run.path()
    }

    /// Everything that the client has logged.
    pub fn log(&self) -> String {
        wait::read(&self.log_path())
    }

    fn log_path(&self) -> PathBuf {
        self.run.path().join("client.out")
    }

    /// Whether the program still runs.
    ///
    /// # Errors
    /// When its capsule is gone.
    pub fn alive(&mut self) -> Result<bool> {
        self.capsule.alive(self.job)
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
        .ok_or_else(|| Error::Timeout {
            what: format!("`{text}` in the log of {}'s client", self.player),
            seconds: limit.as_secs(),
            log: self.log_path(),
            tail: wait::tail(&self.log(), 30),
        })
    }

    /// Waits until the player stands in the world, gives the window the keyboard, and returns how
    /// long that took since the start.
    ///
    /// # Errors
    /// When the client ends, or has not joined within `limit`.
    pub fn wait_joined(&mut self, limit: Duration) -> Result<Duration> {
        // Client::handleCommand_MovePlayer; sent to a player as soon as they are in the world.
        self.wait_log("Client got TOCLIENT_MOVE_PLAYER", limit)?;
        let took = self.started.elapsed();
        self.focus()?;
        sleep(FIRST_FRAMES);
        Ok(took)
    }

    /// Gives the client's window the keyboard.
    ///
    /// # Errors
    /// When there is no window.
    pub fn focus(&mut self) -> Result<()> {
        // 5.15 takes the focus itself and its window has no name to search for; earlier ones have
        // a name but leave the focus on the root window (0 or 1).
        let command = "[ \"$(xdotool getwindowfocus 2>/dev/null || echo 0)\" -gt 1 ] || \
                       xdotool windowfocus \
                       $(xdotool search --onlyvisible --name '(Minetest|Luanti)' | tail -n 1)";
        let focused = wait::until(COMMAND, || match self.capsule.sh(command, COMMAND) {
            Ok(outcome) if outcome.status == 0 => Some(Ok(())),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        });
        focused.unwrap_or_else(|| {
            Err(Error::Timeout {
                what: "a window of the client".into(),
                seconds: COMMAND.as_secs(),
                log: self.log_path(),
                tail: wait::tail(&self.log(), 20),
            })
        })
    }

    /// Types a line into the chat and sends it.
    ///
    /// # Errors
    /// When the chat does not open, or the window cannot be typed into.
    pub fn chat(&mut self, text: &str) -> Result<()> {
        self.open_chat()?;
        self.capsule.run(&format!("xdotool type --delay 15 -- {}", quote(text)), COMMAND)?;
        sleep(Duration::from_millis(150));
        self.key("Return")
    }

    /// Opens the chat, and waits until it takes text; earlier letters would steer the player.
    fn open_chat(&mut self) -> Result<()> {
        // The last line's may still be seen.
        let mut open = !self.see_chat(false)?;
        for _ in 0..TRIES {
            if !open {
                self.key("t")?;
                open = self.see_chat(true)?;
            }
        }
        if open {
            // The key itself, if it was pressed twice: `GUIChatConsole::OnEvent` deletes the line.
            return self.xdotool("key ctrl+u", Duration::ZERO);
        }
        Err(Error::Timeout {
            what: format!("the chat of {}'s client to open", self.player),
            seconds: u64::from(TRIES) * OPENING.as_secs(),
            log: self.log_path(),
            tail: wait::tail(&self.log(), 20),
        })
    }

    /// Waits until the chat is open, or is not, and tells whether it came to that.
    fn see_chat(&mut self, open: bool) -> Result<bool> {
        let seen = wait::until(OPENING, || match self.chat_is_open() {
            Ok(now) if now != open => None,
            other => Some(other.map(drop)),
        });
        seen.transpose().map(|it| it.is_some())
    }

    /// Whether the chat is open: then the top of the picture has its colour, of which nothing else
    /// is (see [`CONFIG`]). Text may stand there, and at the right edge there is a scroll bar.
    fn chat_is_open(&mut self) -> Result<bool> {
        let command = "import -silent -window root -crop 20x8+700+1 -depth 8 rgb:- \
                       | od -An -v -tu1 -w3";
        let pixels = self.capsule.run(command, COMMAND)?;
        let open = pixels.lines().filter(|pixel| {
            let colour: Vec<u8> =
                pixel.split_whitespace().filter_map(|it| it.parse().ok()).collect();
            matches!(colour[..], [red, green, blue] if red > 200 && green < 50 && blue > 200)
        });
        Ok(2 * open.count() > pixels.lines().count())
    }

    /// Fills in the form for another password, which is opened from the pause menu, and sends it.
    /// Whether that was heard is not known here: a busy machine may have shown a form too late.
    ///
    /// # Errors
    /// When there is no window.
    pub fn change_password(&mut self, old: &str, new: &str) -> Result<()> {
        self.key("Escape")?;
        sleep(FIRST_FRAMES);
        // Buttons and fields of both forms are there in all generations.
        self.click(400, 205)?;
        sleep(FIRST_FRAMES);
        for (y, text) in [(213, old), (264, new), (315, new)] {
            self.click(420, y)?;
            self.capsule.run(&format!("xdotool type --delay 30 -- {}", quote(text)), COMMAND)?;
            sleep(Duration::from_millis(400));
        }
        self.click(358, 365)
    }

    fn click(&mut self, x: u32, y: u32) -> Result<()> {
        self.point(x, y)?;
        self.press(Button::Left, Duration::from_millis(120))?;
        sleep(Duration::from_millis(200));
        Ok(())
    }

    /// Presses a key shortly. Names are those of X, such as `Return`, `Escape`, `i` or `F5`.
    ///
    /// # Errors
    /// When there is no such key or window.
    pub fn key(&mut self, key: &str) -> Result<()> {
        self.hold(key, Duration::from_millis(80))
    }

    /// Holds a key down.
    ///
    /// # Errors
    /// When there is no such key or window.
    pub fn hold(&mut self, key: &str, time: Duration) -> Result<()> {
        let key = quote(key);
        self.xdotool(&format!("keydown {key} sleep {} keyup {key}", time.as_secs_f64()), time)
    }

    /// Holds a mouse button down: left digs, right places. 0.1 s is a click.
    ///
    /// # Errors
    /// When there is no window.
    pub fn press(&mut self, button: Button, time: Duration) -> Result<()> {
        let button = button.number();
        let seconds = time.as_secs_f64();
        self.xdotool(&format!("mousedown {button} sleep {seconds} mouseup {button}"), time)
    }

    /// Turns the view by moving the mouse; positive is right and down. 5 pixels are one degree
    /// with the default sensitivity of 0.2.
    ///
    /// # Errors
    /// When there is no window.
    pub fn turn(&mut self, right: i32, down: i32) -> Result<()> {
        // Before 5.10 the pointer really moves and stops at the window's edge until the next frame
        // puts it back; so go in steps that fit, one per frame.
        let steps = right.abs().max(down.abs()).div_euclid(100) + 1;
        for step in 0..steps {
            let part = |all: i32| all * (step + 1) / steps - all * step / steps;
            let (x, y) = (part(right), part(down));
            let wait = Duration::from_millis(100);
            self.xdotool(&format!("mousemove_relative -- {x} {y} sleep 0.1"), wait)?;
        }
        Ok(())
    }

    /// Moves the pointer while a form is open, in pixels from the window's upper left corner.
    ///
    /// # Errors
    /// When there is no window.
    pub fn point(&mut self, x: u32, y: u32) -> Result<()> {
        self.xdotool(&format!("mousemove {x} {y}"), Duration::ZERO)?;
        sleep(Duration::from_millis(150));
        Ok(())
    }

    fn xdotool(&mut self, arguments: &str, time: Duration) -> Result<()> {
        self.capsule.run(&format!("xdotool {arguments}"), COMMAND + time).map(drop)
    }

    /// What the player sees. It is also kept as `shot-NUMBER.png` in the run folder.
    ///
    /// # Errors
    /// When the picture cannot be taken.
    pub fn screenshot(&mut self) -> Result<Image> {
        self.shots += 1;
        let number = self.shots;
        self.capsule.run(
            &format!(
                "cd {RUN} && import -silent -window root shot-{number}.png \
                 && convert shot-{number}.png -depth 8 ppm:shot.ppm"
            ),
            COMMAND,
        )?;
        Image::read_ppm(&self.run.path().join("shot.ppm"))
    }

    /// The file of the last [`screenshot`](Self::screenshot).
    pub fn last_picture(&self) -> PathBuf {
        self.run.path().join(format!("shot-{}.png", self.shots))
    }

    /// Keeps the last [`screenshot`](Self::screenshot) as a small file with few colours, as manuals
    /// have them.
    ///
    /// # Errors
    /// When it cannot be made or written.
    pub fn keep_picture(&mut self, file: &Path) -> Result<()> {
        let number = self.shots;
        self.capsule.run(
            &format!(
                "cd {RUN} && convert shot-{number}.png -crop 800x400+0+0 +repage +dither \
                 -colors 48 -strip -define png:compression-level=9 kept.png"
            ),
            COMMAND,
        )?;
        std::fs::copy(self.run.path().join("kept.png"), file)
            .map(drop)
            .map_err(Error::io(format!("writing {}", file.display())))
    }

    /// Ends the client as closing its window would, so that it leaves the server properly.
    ///
    /// # Errors
    /// When it has not ended within 15 seconds.
    pub fn stop(mut self) -> Result<()> {
        self.capsule.signal(self.job, "INT")?;
        let limit = Duration::from_secs(30);
        let ended = wait::until(limit, || match self.capsule.alive(self.job) {
            Ok(true) => None,
            Ok(false) => Some(Ok(())),
            Err(error) => Some(Err(error)),
        });
        ended.unwrap_or_else(|| {
            Err(Error::Timeout {
                what: format!("the end of {}'s client", self.player),
                seconds: limit.as_secs(),
                log: self.log_path(),
                tail: wait::tail(&self.log(), 20),
            })
        })
    }
}
