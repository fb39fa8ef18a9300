//! `cargo xtask demo`: a network to play on, with nothing prepared.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use xtask::client::{Client, ClientSpec};
use xtask::engine::{Server, ServerSpec};
use xtask::lab::{Generation, Lab};
use xtask::proxy::{Proxy, ProxySpec};
use xtask::{Error, Result, lab, paths};

use super::{generation, usage};

const NAMES: [&str; 2] = ["lobby", "creative"];

struct Options {
    port: u16,
    generations: Vec<Generation>,
    servers: Vec<SocketAddr>,
    client: bool,
}

/// Runs the demo until Ctrl-C.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let options = parse(arguments)?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // Twice the same signal ends at once, for when something hangs.
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .map_err(Error::io("catching Ctrl-C"))?;
    }
    let folder = paths::lab()?.join("demo");
    std::fs::create_dir_all(&folder).map_err(Error::io(format!("making {}", folder.display())))?;
    let _alone = lab::lock(&folder)?;

    let mut servers = Vec::new();
    let addresses = if options.servers.is_empty() {
        servers = start_servers(&options.generations, &folder)?;
        servers.iter().map(Server::address).collect()
    } else {
        options.servers.clone()
    };
    println!("proxy: building");
    Proxy::build()?;
    let named: Vec<(&str, SocketAddr)> = NAMES.into_iter().zip(addresses).collect();
    let listen = SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, options.port));
    let spec = ProxySpec::new(&named).listen(listen).folder(folder.join("proxy")).level("info");
    let mut proxy = Proxy::start(&spec)?;
    introduce(&options, &named, &proxy);

    let result = if options.client { play(&proxy) } else { Ok(()) };
    if let Err(error) = &result {
        eprintln!("client: {error}");
    }
    while result.is_ok() && !stop.load(Ordering::Relaxed) && proxy.alive() {
        std::thread::sleep(Duration::from_millis(100));
    }
    if result.is_ok() && !proxy.alive() {
        eprintln!("the proxy ended by itself:\n{}", xtask::wait::tail(&proxy.log(), 20));
        return Ok(false);
    }
    println!("\nstopping");
    proxy.stop(Duration::from_secs(15))?;
    for mut server in servers {
        server.stop()?;
    }
    Ok(result.is_ok())
}

fn parse(arguments: &[String]) -> Result<Options> {
    let mut options =
        Options { port: 30000, generations: Vec::new(), servers: Vec::new(), client: false };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| usage(format!("`{argument}` needs a value")));
        match argument.as_str() {
            "--client" => options.client = true,
            "--port" => {
                let text = value()?;
                options.port =
                    text.parse().map_err(|_| usage(format!("`{text}` is not a port")))?;
            }
            "--generation" => options.generations.push(generation(value()?)?),
            "--server" => {
                let text = value()?;
                let address = text.to_socket_addrs().ok().and_then(|mut all| all.next());
                options
                    .servers
                    .push(address.ok_or_else(|| usage(format!("`{text}` is not HOST:PORT")))?);
            }
            other => return Err(usage(format!("demo has no option `{other}`"))),
        }
    }
    if !matches!(options.servers.len(), 0 | 2) {
        return Err(usage("`--server` has to be given twice".into()));
    }
    match options.generations[..] {
        [] => options.generations = vec![Generation::V5_10; 2],
        [one] => options.generations.push(one),
        [_, _] => {}
        _ => return Err(usage("there are only two servers".into())),
    }
    Ok(options)
}

/// Two servers that nobody can mistake for each other.
fn start_servers(generations: &[Generation], folder: &Path) -> Result<Vec<Server>> {
    let lab = Lab::ensure(generations)?;
    let mut servers = Vec::new();
    for (name, generation) in NAMES.into_iter().zip(generations) {
        // A world of a newer engine cannot be opened by an older one.
        let folder = folder.join(format!("{name}-{generation}"));
        let spec = ServerSpec::new(name, *generation).folder(folder);
        let spec = if name == "lobby" {
            spec.setting("motd", "This is the lobby. Say  >server creative  to leave it.")
        } else {
            spec.setting("mg_name", "valleys")
                .setting("mg_flags", "caves,dungeons,light,decorations,biomes,ores")
                .setting("creative_mode", "true")
                .setting("enable_damage", "false")
                .setting("motd", "This is creative. Say  >server lobby  to go back.")
        };
        let server = Server::start(&lab, spec)?;
        println!(
            "{name}: engine {} listens on {} after {:.1} s",
            lab.version(*generation)?,
            server.address(),
            server.started_in().as_secs_f64()
        );
        servers.push(server);
    }
    Ok(servers)
}

fn introduce(options: &Options, servers: &[(&str, SocketAddr)], proxy: &Proxy) {
    println!("\nThe network is up:");
    for (name, address) in servers {
        println!("  {name:10} {address}");
    }
    println!("  {:10} port {} of every address of this machine", "proxy", options.port);
    println!("\nJoin with any Luanti or Minetest client from 5.0 on, with any name and password:");
    println!(
        "  luanti --go --address 127.0.0.1 --port {} --name YOU --password SECRET",
        options.port
    );
    println!("Go to the other server by saying, in the chat,");
    println!("  >server creative");
    println!("\nMetrics:   http://{}/metrics", proxy.http());
    println!("Resources: {}  (edits are picked up)", proxy.resources().display());
    println!("Log:       {}", proxy.run_dir().join("proxy.log").display());
    println!("\nCtrl-C stops everything.");
}

/// A real client walks the way that the demo tells people to.
fn play(proxy: &Proxy) -> Result<()> {
    const SOON: Duration = Duration::from_secs(30);
    let lab = Lab::ensure(&[Generation::V5_10])?;
    let address = SocketAddr::from(([127, 0, 0, 1], proxy.address().port()));
    println!("\nclient: joining as `visitor`");
    let spec = ClientSpec::new(Generation::V5_10, "visitor", address).password("demo");
    let mut client = Client::start(&lab, spec)?;
    let took = client.wait_joined(Duration::from_mins(1))?;
    println!("client: in the world after {:.1} s", took.as_secs_f64());
    for target in ["creative", "lobby"] {
        std::thread::sleep(Duration::from_secs(3));
        let before = client.screenshot()?;
        let seen = client.log().len();
        client.chat(&format!(">server {target}"))?;
        client.wait_log_since(seen, "Client got TOCLIENT_MOVE_PLAYER", SOON)?;
        std::thread::sleep(Duration::from_secs(3));
        let after = client.screenshot()?;
        println!(
            "client: on {target}; the picture changed by {:.0} of 255",
            after.difference(&before)
        );
    }
    let pictures = paths::artifacts().join("demo");
    std::fs::create_dir_all(&pictures).map_err(Error::io("making the pictures' folder"))?;
    for entry in std::fs::read_dir(client.run_dir()).into_iter().flatten().flatten() {
        if entry.path().extension().is_some_and(|it| it == "png") {
            std::fs::copy(entry.path(), pictures.join(entry.file_name()))
                .map_err(Error::io("copying a picture"))?;
        }
    }
    println!("client: its pictures are in {}", pictures.display());
    client.stop()
}
