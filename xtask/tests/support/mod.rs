//! A network of real servers behind the proxy, and what a player sees of it.

#![allow(dead_code)] // every test program uses a part of it

use std::time::Duration;

use xtask::client::{Button, Client, ClientSpec};
use xtask::engine::{Server, ServerSpec};
use xtask::image::Image;
use xtask::lab::{Generation, Lab};
use xtask::proxy::{Proxy, ProxySpec};
use xtask::wait;

/// Long enough for everything that should happen at once, on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// The colours that [`ServerSpec::probe`] knows; they name the servers, too.
pub(crate) const COLOURS: [&str; 4] = ["red", "green", "blue", "yellow"];

/// A proxy with a server of each generation given, named `red`, `green`, `blue`, `yellow` in this
/// order. Players arrive on `red`.
pub(crate) struct Network {
    pub(crate) lab: Lab,
    pub(crate) proxy: Proxy,
    pub(crate) servers: Vec<Server>,
}

impl Network {
    pub(crate) fn start(generations: &[Generation]) -> Self {
        Self::start_with(generations, |_, spec| spec)
    }

    /// Lets `change` have a hand in the servers' settings.
    pub(crate) fn start_with(
        generations: &[Generation],
        change: impl Fn(&str, ServerSpec) -> ServerSpec,
    ) -> Self {
        Self::start_all(generations, change, "")
    }

    /// With further fields for the `spec` of the `MinetestProxy` document.
    pub(crate) fn start_ruled(generations: &[Generation], fields: &str) -> Self {
        Self::start_all(generations, |_, spec| spec, fields)
    }

    fn start_all(
        generations: &[Generation],
        change: impl Fn(&str, ServerSpec) -> ServerSpec,
        fields: &str,
    ) -> Self {
        let lab = Lab::ensure(&Generation::ALL).unwrap();
        let servers: Vec<Server> = COLOURS
            .into_iter()
            .zip(generations)
            .enumerate()
            .map(|(number, (colour, generation))| {
                let spec = ServerSpec::new(colour, *generation)
                    .probe(colour)
                    // Other nodes in another number, so that no two servers agree on node ids.
                    .setting("mesegate_probe.padding", 3 * number);
                Server::start(&lab, change(colour, spec)).unwrap()
            })
            .collect();
        let named: Vec<_> = servers.iter().map(|it| (it.name(), it.address())).collect();
        let proxy = Proxy::start(&ProxySpec::new(&named).proxy_fields(fields)).unwrap();
        let network = Self { lab, proxy, servers };
        for server in &network.servers {
            server.wait_log("probe: floor", SOON).unwrap();
            network.wait_up(server.name(), true);
        }
        network
    }

    /// Waits until the proxy says that a server answers, or that it does not.
    pub(crate) fn wait_up(&self, server: &str, up: bool) {
        let line = format!("mesegate_proxy_backend_up{{server=\"{server}\"}} {}", u8::from(up));
        let seen = wait::until(SOON, || {
            let (_, metrics) = self.proxy.get("/metrics").ok()?;
            metrics.lines().any(|it| it == line).then_some(())
        });
        assert!(seen.is_some(), "the metrics do not say `{line}`; log:\n{}", self.proxy.log());
    }

    pub(crate) fn server(&mut self, name: &str) -> &mut Server {
        self.servers.iter_mut().find(|it| it.name() == name).unwrap()
    }

    /// A client that is in the world.
    pub(crate) fn join(&self, generation: Generation, player: &str) -> Client {
        let spec = ClientSpec::new(generation, player, self.proxy.address()).password("secret");
        let mut client = Client::start(&self.lab, spec).unwrap();
        let joined = client.wait_joined(Duration::from_mins(1)).unwrap_or_else(|error| {
            panic!("{error}\nThe proxy's log:\n{}", wait::tail(&self.proxy.log(), 30))
        });
        println!("{player} with {generation} joined after {:.1} s", joined.as_secs_f64());
        client
    }

    /// Says `>server NAME` and waits until the player is there, by the server's log and by the
    /// picture.
    pub(crate) fn hop(&mut self, client: &mut Client, target: &str) {
        let logged = self.server(target).log().len();
        client.chat(&format!(">server {target}")).unwrap();
        self.arrived(client, target, logged, SOON);
    }

    /// Waits until the player is on `target`, after `logged` bytes of its log.
    pub(crate) fn arrived(
        &mut self,
        client: &mut Client,
        target: &str,
        logged: usize,
        limit: Duration,
    ) {
        let joined = format!("probe: join {} ", client.player());
        if let Err(error) = self.server(target).wait_log_since(logged, &joined, limit) {
            let _ = client.screenshot();
            panic!("{error}\nThe proxy's log:\n{}", wait::tail(&self.proxy.log(), 30));
        }
        see_floor(client, target);
    }
}

/// The colour of the floor ahead of a player who looks straight ahead.
fn floor(image: &Image) -> &'static str {
    let [red, green, blue] = image.crop(120, 390, 250, 60).average();
    match (red > 120.0, green > 120.0, blue > 120.0) {
        (true, false, false) => "red",
        (false, true, false) => "green",
        (false, false, true) => "blue",
        (true, true, false) => "yellow",
        _ => "nothing known",
    }
}

/// Waits until the player sees the floor of a server, and gives that picture.
pub(crate) fn see_floor(client: &mut Client, colour: &str) -> Image {
    let mut last = "";
    let seen = wait::until(SOON, || {
        let image = client.screenshot().unwrap();
        last = floor(&image);
        (last == colour).then_some(image)
    });
    seen.unwrap_or_else(|| {
        panic!("the floor is {last}, not {colour}; {}", client.last_picture().display())
    })
}

/// The player says something, digs a node and places one, and the server gets it.
pub(crate) fn plays(client: &mut Client, server: &Server) {
    let player = client.player().to_owned();
    let logged = server.log().len();
    let since = |text: String| server.wait_log_since(logged, &text, SOON).unwrap();
    client.chat(&format!("hello {}", server.name())).unwrap();
    since(format!("probe: chat {player} hello {}", server.name()));
    // Down to a node ahead: one cannot be put where the player stands.
    client.turn(0, 200).unwrap();
    client.press(Button::Left, Duration::from_secs(2)).unwrap();
    let dug = since(format!("probe: dig {player} mesegate_probe:{}", server.name()));
    client.press(Button::Right, Duration::from_millis(150)).unwrap();
    since(format!("probe: place {player} mesegate_probe:{}", server.name()));
    client.turn(0, -200).unwrap();
    assert!(dug.contains("(0,8,"), "{dug}");
}

/// The client has not complained about what it was sent.
pub(crate) fn content(client: &Client) {
    let log = client.log();
    let bad: Vec<&str> = log
        .lines()
        // A machine without a sound card and without a desktop.
        .filter(|line| !line.contains("Audio:") && !line.contains("XDG_RUNTIME_DIR"))
        // What is said, to the player or by them, may have any words.
        .filter(|line| !line.contains(" CHAT: ") && !line.contains("Typed chat message: "))
        .filter(|line| {
            let line = line.to_lowercase();
            line.contains("error[")
                || line.contains("exception")
                || line.contains("unknown node")
                || line.contains("no texture")
                || line.contains("failed to load")
                || line.contains("invalid")
        })
        .collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}
