//! A real controller and a real API server with many servers, and many proxies and players that
//! are made up: `cargo xtask bench --only control`.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

mod proxies;
#[path = "../kube/support.rs"]
mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use mesegate_proto::admin::v1::ListPlayersRequest;
use mesegate_proto::admin::v1::player_service_client::PlayerServiceClient;
use mesegate_testkit::procfs;
use tonic::transport::Endpoint;
use xtask::controller::{Controller, ControllerSpec};
use xtask::kube::Cluster;
use xtask::{ports, wait};

use proxies::Proxies;
use support::{applied, cluster};

/// Longer than anything is allowed to take.
const PATIENCE: Duration = Duration::from_mins(2);

/// Edits that are timed, one after the other.
const EDITS: usize = 30;

/// Documents that are applied by one call.
const AT_ONCE: usize = 250;

#[derive(Clone, Copy)]
struct Size {
    proxies: usize,
    servers: usize,
    players: usize,
}

/// What was measured at one size.
#[derive(Debug)]
struct Figures {
    connected: Duration,
    listed: Duration,
    change: [Duration; 3],
    many: Duration,
    resumed: Duration,
    resynced: Duration,
    cpu_change: Duration,
    cpu_idle: f64,
    memory: u64,
}

fn server(number: usize, name: &str) -> String {
    format!(
        "apiVersion: mesegate.dev/v1alpha1\nkind: MinetestServer\n\
         metadata: {{ name: server-{number}, labels: {{ in: all, part: p{} }} }}\n\
         spec: {{ endpoint: {{ host: 127.0.0.1, port: 9 }}, displayName: {name} }}\n---\n",
        number % 20
    )
}

/// Applies servers whose names tell which change they belong to, by several clients at once:
/// each sends no more than 50 requests a second.
fn servers(cluster: &Cluster, numbers: std::ops::Range<usize>, name: &str) {
    let numbers: Vec<usize> = numbers.collect();
    std::thread::scope(|scope| {
        for part in numbers.chunks(AT_ONCE) {
            scope.spawn(move || {
                let text = part.iter().fold(String::new(), |text, it| text + &server(*it, name));
                let words = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
                let answer = cluster.kubectl_with(&words, &text).unwrap();
                assert!(answer.success, "{}", answer.complaints);
            });
        }
    });
}

/// How long it takes to read all players from the admin interface, page by page.
async fn list(url: String, players: usize) -> Duration {
    let channel = Endpoint::new(url).unwrap().connect().await.unwrap();
    let mut client = PlayerServiceClient::new(channel);
    let start = Instant::now();
    let mut request = ListPlayersRequest { page_size: 1000, ..ListPlayersRequest::default() };
    let mut names = BTreeSet::new();
    loop {
        let page = client.list_players(request.clone()).await.unwrap().into_inner();
        assert_eq!(page.total as usize, players);
        names.extend(page.players.into_iter().map(|it| it.name));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    let took = start.elapsed();
    assert_eq!(names.len(), players);
    took
}

fn measure(cluster: &Cluster, size: Size) -> Figures {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let _inside = runtime.enter();
    let target = "apiVersion: mesegate.dev/v1alpha1\nkind: MinetestProxy\n\
                  metadata: { name: default }\nspec: { defaultTarget: { server: server-0 } }\n";
    servers(cluster, 0..size.servers, "Change-0.");
    applied(cluster, target);
    let admin = format!("127.0.0.1:{}", ports::free().unwrap());
    let spec = ControllerSpec::new("controller-0").flag("--admin", &admin);
    let controller = Controller::start(cluster, &spec).unwrap();
    let start = Instant::now();
    let proxies = Proxies::start(&controller.url(), size.proxies, size.players, size.servers);
    let all = |what: &str, holds: &dyn Fn() -> bool| {
        assert!(wait::until(PATIENCE, || holds().then_some(())).is_some(), "{what}");
    };
    all("everybody has everything", &|| proxies.synced() == size.proxies);
    let connected = proxies.last_sync() - start;
    // Until statuses are written.
    let expected = size.players.to_string();
    all("players are counted", &|| {
        let words = ["get", "mtp/default", "-o=jsonpath={.status.players}"];
        cluster.kubectl(&words).unwrap().output == expected
    });
    let listed = runtime.block_on(list(format!("http://{admin}"), size.players));
    std::thread::sleep(Duration::from_secs(5));
    let cpu = |it: &Controller| procfs::cpu_time(it.process()).unwrap();
    let (before, from) = (cpu(&controller), Instant::now());
    std::thread::sleep(Duration::from_secs(10));
    let cpu_idle =
        cpu(&controller).saturating_sub(before).as_secs_f64() / from.elapsed().as_secs_f64();

    let before = cpu(&controller);
    let mut times = Vec::new();
    for edit in 1..=EDITS {
        // From before the client that applies it has even started.
        let start = Instant::now();
        servers(cluster, edit..edit + 1, &format!("Change-{edit}."));
        all("an edit is everywhere", &|| proxies.arrivals(edit).len() == size.proxies);
        times.extend(proxies.arrivals(edit).into_iter().map(|it| it - start));
    }
    let cpu_change = cpu(&controller).saturating_sub(before) / EDITS as u32;
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    let change = [at(0.5), at(0.99), at(1.0)];

    // A tenth of all servers at once.
    let last = EDITS + 1;
    let start = Instant::now();
    let name = format!("Change-{last}.");
    servers(cluster, 0..size.servers / 10, &name);
    let applied = start.elapsed();
    let expected = size.proxies * (size.servers / 10);
    all("many edits are everywhere", &|| proxies.documents(last) >= expected);
    let many = start.elapsed().saturating_sub(applied);

    let memory = procfs::resident(controller.process()).unwrap();
    let spec = spec.listen(controller.address());
    let mut running = Some(controller);
    let mut restart = |forget: bool| {
        proxies.begin_again(forget);
        running.take();
        let start = Instant::now();
        running = Some(Controller::start(cluster, &spec).unwrap());
        all("everybody is back", &|| proxies.synced() == size.proxies);
        proxies.last_sync() - start
    };
    let resumed = restart(false);
    let resynced = restart(true);
    Figures { connected, listed, change, many, resumed, resynced, cpu_change, cpu_idle, memory }
}

#[test]
#[ignore = "takes minutes and needs a Kubernetes API server: cargo xtask bench --only control"]
fn how_the_control_plane_grows() {
    let cluster = cluster();
    let mut table = String::from(
        "| proxies / servers / players | 10 / 200 / 5000 | 50 / 1000 / 25000 | \
         100 / 2000 / 50000 |\n|---|---|---|---|\n",
    );
    let sizes = [(10, 200, 5_000), (50, 1_000, 25_000), (100, 2_000, 50_000)];
    let all: Vec<Figures> = sizes
        .into_iter()
        .map(|(proxies, servers, players)| {
            let figures = measure(&cluster, Size { proxies, servers, players });
            println!("{proxies} proxies: {figures:?}");
            figures
        })
        .collect();
    let mut row = |what: &str, show: &dyn Fn(&Figures) -> String| {
        let cells: Vec<String> = all.iter().map(show).collect();
        let _ = writeln!(table, "| {what} | {} |", cells.join(" | "));
    };
    let ms = |it: Duration| format!("{} ms", it.as_millis());
    row("all proxies connected, with everything", &|it| ms(it.connected));
    row("all players listed, 1000 a page", &|it| ms(it.listed));
    row("one edit on all proxies, p50 / p99 / worst", &|it| {
        let [p50, p99, worst] = it.change.map(|it| it.as_millis());
        format!("{p50} / {p99} / {worst} ms")
    });
    row("a tenth of the servers edited, after the last one", &|it| ms(it.many));
    row("controller started again: all proxies resumed", &|it| ms(it.resumed));
    row("the same, to proxies that have nothing", &|it| ms(it.resynced));
    row("CPU time of the controller per edit", &|it| ms(it.cpu_change));
    row("its load when nothing changes, of one core", &|it| {
        format!("{:.1} %", 100.0 * it.cpu_idle)
    });
    row("its resident memory", &|it| format!("{} MiB", it.memory >> 20));
    println!("\n{table}");
    let largest = all.last().unwrap();
    assert!(largest.change[1] < Duration::from_secs(2), "{largest:?}");
    assert!(largest.listed < Duration::from_secs(1), "{largest:?}");
    assert!(largest.resumed.max(largest.resynced) < Duration::from_secs(10), "{largest:?}");
}
