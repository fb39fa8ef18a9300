//! The images of the project: a program, the libraries that it needs, and nothing else.

mod sbom;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::kube::unpack;
use crate::oci::{self, Architecture, Image, Written};
use crate::{Error, Result, paths, program, tools};

/// Where images are pulled from; the chart's default.
const REGISTRY: &str = "ghcr.io/mesegate";

/// The user that programs run as: nobody's on any machine.
const USER: u32 = 65532;

/// What becomes an image.
#[derive(Debug, Clone, Copy)]
struct Component {
    /// Of the image and of the program.
    name: &'static str,
    /// The variable that names another program in builds for tests.
    variable: &'static str,
    description: &'static str,
    ports: &'static [&'static str],
    /// The folder that the program writes to, and the variable that tells it so.
    data: Option<(&'static str, &'static str)>,
}

const COMPONENTS: [Component; 3] = [
    Component {
        name: "mesegate-proxy",
        variable: "MESEGATE_PROXY",
        description: "One address for a network of Luanti servers",
        ports: &["30000/udp", "30080/tcp", "9090/tcp"],
        data: Some(("MESEGATE_DATA", "/var/lib/mesegate")),
    },
    Component {
        name: "mesegate-controller",
        variable: "MESEGATE_CONTROLLER_PROGRAM",
        description: "Gives the custom resources of a namespace to Mesegate's proxies",
        ports: &["7443/tcp", "9091/tcp", "9093/tcp"],
        data: None,
    },
    Component {
        name: "mesegatectl",
        variable: "MESEGATE_CTL",
        description: "Looks after the players and servers of a Mesegate network",
        ports: &[],
        data: None,
    },
];

/// With which settings programs are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// For use.
    Release,
    /// For tests, and there already after other tests.
    Dev,
}

/// An image that was written.
#[derive(Debug, Clone)]
pub struct Built {
    /// With which it is loaded.
    pub name: String,
    /// The file.
    pub file: PathBuf,
    /// Its digest and its size.
    pub written: Written,
}

/// Builds the programs and writes their images into `folder`.
///
/// # Errors
/// When they do not compile, or when something is missing on this machine, with words on what.
pub fn build(profile: Profile, architecture: Architecture, folder: &Path) -> Result<Vec<Built>> {
    std::fs::create_dir_all(folder).map_err(Error::io(format!("making {}", folder.display())))?;
    let programs = programs(profile, architecture)?;
    let packages = packages(architecture)?;
    let created = created();
    COMPONENTS
        .iter()
        .zip(&programs)
        .map(|(component, program)| {
            let version = env!("CARGO_PKG_VERSION");
            let name = format!("{REGISTRY}/{}:{version}", component.name);
            let stem = format!("{}-{version}-{}", component.name, architecture.name());
            let root = folder.join(format!("{stem}.root"));
            let _ = std::fs::remove_dir_all(&root);
            fill(&root, *component, program, &packages, architecture)?;
            let image = Image {
                name: name.clone(),
                architecture,
                entrypoint: vec![format!("/usr/bin/{}", component.name)],
                user: format!("{USER}:{USER}"),
                labels: labels(*component, version, created),
                ports: component.ports.iter().map(|it| (*it).into()).collect(),
                owned: component
                    .data
                    .iter()
                    .map(|(_, it)| it.trim_start_matches('/').into())
                    .collect(),
                environment: component
                    .data
                    .iter()
                    .map(|(a, b)| ((*a).into(), (*b).into()))
                    .collect(),
                created,
            };
            let file = folder.join(format!("{stem}.tar"));
            let written = image.write(&root, &file)?;
            let bill = root.join(SBOM.trim_start_matches('/'));
            let beside = folder.join(format!("{stem}.cdx.json"));
            std::fs::copy(&bill, &beside)
                .map_err(Error::io(format!("copying {}", bill.display())))?;
            std::fs::remove_dir_all(&root)
                .map_err(Error::io(format!("removing {}", root.display())))?;
            Ok(Built { name, file, written })
        })
        .collect()
}

/// One of the programs, as it was built last or by the tests' settings.
///
/// # Errors
/// When it does not compile, or there is none of that name.
pub fn program(name: &str) -> Result<PathBuf> {
    let component = COMPONENTS.iter().find(|it| it.name == name);
    let unknown = || Error::Unsupported(format!("there is no program {name}"));
    let component = component.ok_or_else(unknown)?;
    program::build(component.name, component.variable)
}

/// Where the list of what is inside is, in the image.
const SBOM: &str = "/usr/share/doc/mesegate/sbom.cdx.json";

/// The programs, in the order of [`COMPONENTS`].
fn programs(profile: Profile, architecture: Architecture) -> Result<Vec<PathBuf>> {
    if profile == Profile::Dev {
        if architecture != Architecture::host()? {
            let what = "programs for another kind of machine are built for release only";
            return Err(Error::Unsupported(what.into()));
        }
        return COMPONENTS.iter().map(|it| program(it.name)).collect();
    }
    // Named on any machine, so that the settings below are not those of build scripts too.
    let triple = format!("{}-unknown-linux-gnu", architecture.machine());
    let mut cargo = tools::cargo();
    cargo.args(["build", "--release", "--workspace", "--locked", "--target", &triple]);
    for component in COMPONENTS {
        cargo.args(["--bin", component.name]);
    }
    cargo.current_dir(paths::workspace()).stdin(Stdio::null());
    cargo.env("CARGO_ENCODED_RUSTFLAGS", same_everywhere()?);
    if architecture != Architecture::host()? {
        let machine = architecture.machine();
        let compiler = format!("{machine}-linux-gnu-gcc");
        if oci::run(Command::new(&compiler).arg("--version")).is_err() {
            return Err(Error::Unsupported(format!(
                "{compiler} is missing: install gcc-{}-linux-gnu, and `rustup target add {triple}`",
                machine.replace('_', "-")
            )));
        }
        let variable = triple.replace('-', "_");
        cargo.env(format!("CC_{variable}"), &compiler);
        cargo.env(format!("CARGO_TARGET_{}_LINKER", variable.to_uppercase()), &compiler);
    }
    println!("image: building the programs for {}", architecture.name());
    oci::run(&mut cargo)?;
    let folder = paths::target().join(triple).join("release");
    Ok(COMPONENTS.iter().map(|it| folder.join(it.name)).collect())
}

/// Settings of the compiler that keep out of programs where they were built. What rustc says of its
/// own library is kept out by itself.
fn same_everywhere() -> Result<String> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let registry = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| home.map(|it| it.join(".cargo")))
        .ok_or_else(|| Error::Unsupported("neither CARGO_HOME nor HOME is set".into()))?;
    // Of two that fit, rustc takes the last.
    let folders =
        [(registry, "cargo"), (paths::workspace(), "mesegate"), (paths::target(), "target")];
    let flags = folders.map(|(from, to)| format!("--remap-path-prefix={}=/{to}", from.display()));
    Ok(flags.join("\u{1f}"))
}

/// The root folder of the packages of Debian with the libraries, and their names and versions.
struct Packages {
    root: PathBuf,
    versions: Vec<(String, String)>,
}

fn packages(architecture: Architecture) -> Result<Packages> {
    let names = if architecture == Architecture::host()? {
        ["libc6".to_owned(), "libgcc-s1".to_owned(), "ca-certificates".to_owned()]
    } else {
        let name = architecture.name();
        [format!("libc6-{name}-cross"), format!("libgcc-s1-{name}-cross"), "ca-certificates".into()]
    };
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let root = unpack(&format!("image-{}", architecture.name()), &names)?;
    let list = root.join("packages");
    let text =
        std::fs::read_to_string(&list).map_err(Error::io(format!("reading {}", list.display())))?;
    let pair = |line: &str| line.split_once(' ').map(|(name, it)| (name.into(), it.into()));
    Ok(Packages { root, versions: text.lines().filter_map(pair).collect() })
}

/// Puts everything where it is in the image.
fn fill(
    root: &Path,
    component: Component,
    program: &Path,
    packages: &Packages,
    architecture: Architecture,
) -> Result<()> {
    let target = root.join("usr/bin").join(component.name);
    make_parent(&target)?;
    strip(program, &target, architecture)?;
    let libraries = root.join("lib").join(format!("{}-linux-gnu", architecture.machine()));
    add_libraries(&target, &packages.root, root, &libraries)?;
    let certificates = certificates(&packages.root)?;
    let licence = |name: &str| {
        let file = paths::workspace().join(name);
        std::fs::read_to_string(&file).map_err(Error::io(format!("reading {}", file.display())))
    };
    let bill = sbom::bill(component.name, architecture, &packages.versions)?;
    for (path, text) in [
        ("etc/passwd", format!("mesegate:x:{USER}:{USER}::/:/nonexistent\n")),
        ("etc/group", format!("mesegate:x:{USER}:\n")),
        ("etc/nsswitch.conf", "hosts: files dns\n".into()),
        ("etc/ssl/certs/ca-certificates.crt", certificates),
        ("usr/share/doc/mesegate/LICENSE-APACHE", licence("LICENSE-APACHE")?),
        ("usr/share/doc/mesegate/LICENSE-MIT", licence("LICENSE-MIT")?),
        (SBOM.trim_start_matches('/'), bill),
    ] {
        let file = root.join(path);
        make_parent(&file)?;
        std::fs::write(&file, text).map_err(Error::io(format!("writing {}", file.display())))?;
    }
    if let Some((_, folder)) = component.data {
        let folder = root.join(folder.trim_start_matches('/'));
        std::fs::create_dir_all(&folder)
            .map_err(Error::io(format!("making {}", folder.display())))?;
    }
    Ok(())
}

fn make_parent(file: &Path) -> Result<()> {
    let parent = file.parent().unwrap_or(file);
    std::fs::create_dir_all(parent).map_err(Error::io(format!("making {}", parent.display())))
}

/// Copies a program without what only debuggers need; names for traces of failures stay.
fn strip(program: &Path, target: &Path, architecture: Architecture) -> Result<()> {
    let tool = if architecture == Architecture::host()? {
        "strip".to_owned()
    } else {
        format!("{}-linux-gnu-strip", architecture.machine())
    };
    oci::run(Command::new(tool).arg("--strip-debug").arg("-o").arg(target).arg(program)).map(drop)
}

/// Copies the loader to where the program says that it is, and all libraries that are needed.
fn add_libraries(program: &Path, packages: &Path, root: &Path, folder: &Path) -> Result<()> {
    let mut wanted = needed(program)?;
    let mut done = BTreeSet::new();
    let header = oci::run(Command::new("readelf").arg("--program-headers").arg(program))?;
    let loader = header.split("interpreter: ").nth(1).and_then(|it| it.split(']').next());
    while let Some(name) = wanted.pop() {
        if !done.insert(name.clone()) {
            continue;
        }
        let found = find(packages, &name)
            .ok_or_else(|| Error::Unsupported(format!("no package of Debian here has {name}")))?;
        let target = match loader {
            Some(loader) if loader.ends_with(&format!("/{name}")) => {
                root.join(loader.trim_start_matches('/'))
            }
            _ => folder.join(&name),
        };
        make_parent(&target)?;
        std::fs::copy(&found, &target)
            .map_err(Error::io(format!("copying {}", found.display())))?;
        wanted.extend(needed(&found)?);
    }
    Ok(())
}

/// The libraries that a program or library says it needs.
fn needed(file: &Path) -> Result<Vec<String>> {
    let dynamic = oci::run(Command::new("readelf").arg("--dynamic").arg(file))?;
    let lines = dynamic.lines().filter(|it| it.contains("(NEEDED)"));
    Ok(lines.filter_map(|it| Some(it.split_once('[')?.1.split_once(']')?.0.to_owned())).collect())
}

/// A file of that name anywhere below a folder.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else if entry.file_name() == name {
                return path.canonicalize().ok();
            }
        }
    }
    None
}

/// All certificates of authorities that Debian trusts, in one text.
fn certificates(packages: &Path) -> Result<String> {
    let folder = packages.join("usr/share/ca-certificates/mozilla");
    let what = || Error::io(format!("reading {}", folder.display()));
    let entries = std::fs::read_dir(&folder).map_err(what())?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|it| it.path()).collect();
    files.sort();
    files.iter().map(|it| std::fs::read_to_string(it).map_err(what())).collect()
}

/// `SOURCE_DATE_EPOCH`, or the time of the last commit, or zero outside a repository.
fn created() -> u64 {
    let given = std::env::var("SOURCE_DATE_EPOCH").ok();
    let time = given.or_else(|| git(&["log", "-1", "--format=%ct"]));
    time.and_then(|it| it.trim().parse().ok()).unwrap_or(0)
}

fn git(arguments: &[&str]) -> Option<String> {
    oci::run(Command::new("git").args(arguments).current_dir(paths::workspace())).ok()
}

fn labels(component: Component, version: &str, created: u64) -> BTreeMap<String, String> {
    let revision = git(&["rev-parse", "HEAD"]).unwrap_or_default().trim().to_owned();
    let changed = git(&["status", "--porcelain"]).is_some_and(|it| !it.is_empty());
    let revision = if changed { format!("{revision}-changed") } else { revision };
    [
        ("title", component.name.to_owned()),
        ("description", component.description.to_owned()),
        ("version", version.to_owned()),
        ("revision", revision),
        ("created", oci::rfc3339(created)),
        ("licenses", env!("CARGO_PKG_LICENSE").to_owned()),
        ("source", env!("CARGO_PKG_REPOSITORY").to_owned()),
    ]
    .map(|(name, value)| (format!("org.opencontainers.image.{name}"), value))
    .into()
}
