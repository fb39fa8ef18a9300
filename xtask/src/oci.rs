//! Container images as OCI layouts in one tar file: one layer, made of a folder.
//!
//! The same folder gives the same file, byte for byte. `ctr images import`, `podman load`, `skopeo`
//! and `docker load` (25 and later) read it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::{Error, Result, wait};

/// The kind of machine that an image is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Architecture {
    /// x86-64
    #[default]
    Amd64,
    /// AArch64
    Arm64,
}

impl Architecture {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Amd64, Self::Arm64];

    /// That of this machine.
    ///
    /// # Errors
    /// When it is neither.
    pub fn host() -> Result<Self> {
        let here = std::env::consts::ARCH;
        let found = Self::ALL.into_iter().find(|it| it.machine() == here);
        found.ok_or_else(|| Error::Unsupported(format!("there are no images for {here}")))
    }

    /// As images and Debian call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// As compilers call it.
    pub const fn machine(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }
}

/// What an image says of itself.
#[derive(Debug, Clone, Default)]
pub struct Image {
    /// With which it is loaded: `REGISTRY/REPOSITORY:TAG`.
    pub name: String,
    /// What it runs on.
    pub architecture: Architecture,
    /// The program and its first arguments.
    pub entrypoint: Vec<String>,
    /// `USER:GROUP`, in numbers.
    pub user: String,
    /// `org.opencontainers.image.*` and others.
    pub labels: BTreeMap<String, String>,
    /// Variables with their values, besides those of every image.
    pub environment: Vec<(String, String)>,
    /// Ports as in `30000/udp`.
    pub ports: Vec<String>,
    /// Folders below the image's root that belong to [`user`](Self::user).
    pub owned: Vec<String>,
    /// Seconds since 1970 that all times in it are.
    pub created: u64,
}

/// A written image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// `sha256:…` of its manifest.
    pub digest: String,
    /// Bytes of its files.
    pub unpacked: u64,
    /// Bytes that a registry sends.
    pub packed: u64,
}

/// A blob in the layout.
struct Blob {
    digest: String,
    size: u64,
}

impl Image {
    /// Writes the image of the folder `root` to the file `out`; a folder beside `out` is used
    /// meanwhile.
    ///
    /// # Errors
    /// When files cannot be written, or `tar`, `gzip` or `sha256sum` fail.
    pub fn write(&self, root: &Path, out: &Path) -> Result<Written> {
        let folder = out.with_extension("layout");
        let _ = std::fs::remove_dir_all(&folder);
        let blobs = folder.join("blobs/sha256");
        std::fs::create_dir_all(&blobs)
            .map_err(Error::io(format!("making {}", blobs.display())))?;
        let layer = folder.join("layer");
        self.pack(root, &layer)?;
        let unpacked = size(&layer)?;
        let content = sum(&layer)?;
        run(Command::new("gzip").args(["--no-name", "-9"]).arg(&layer))?;
        let layer = keep(&blobs, &folder.join("layer.gz"))?;
        let config = self.config(&content);
        let config = keep_json(&blobs, &folder, &config)?;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config.descriptor("application/vnd.oci.image.config.v1+json"),
            "layers": [layer.descriptor("application/vnd.oci.image.layer.v1.tar+gzip")],
            "annotations": self.labels,
        });
        let manifest = keep_json(&blobs, &folder, &manifest)?;
        let mut entry = manifest.descriptor("application/vnd.oci.image.manifest.v1+json");
        let tag = self.name.rsplit_once(':').map_or("latest", |(_, tag)| tag);
        entry["annotations"] = json!({
            "io.containerd.image.name": self.name,
            "org.opencontainers.image.ref.name": tag,
        });
        entry["platform"] = json!({ "os": "linux", "architecture": self.architecture.name() });
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [entry],
        });
        write(&folder.join("index.json"), &index)?;
        write(&folder.join("oci-layout"), &json!({ "imageLayoutVersion": "1.0.0" }))?;
        let _ = std::fs::remove_file(out);
        let mut tar = self.tar("--create", &folder, out);
        run(tar.args(["--owner=0", "--group=0", "blobs", "index.json", "oci-layout"]))?;
        std::fs::remove_dir_all(&folder)
            .map_err(Error::io(format!("removing {}", folder.display())))?;
        Ok(Written { digest: format!("sha256:{}", manifest.digest), unpacked, packed: layer.size })
    }

    /// Puts the files of the folder into a tar file, always in the same way.
    fn pack(&self, root: &Path, layer: &Path) -> Result<()> {
        let mut tar = self.tar("--create", root, layer);
        tar.args(["--owner=0", "--group=0", "--mode=a+rX,u+w,go-w"]);
        tar.args(self.owned.iter().map(|it| format!("--exclude=./{it}")));
        run(tar.arg("."))?;
        if !self.owned.is_empty() {
            let (user, group) = self.user.split_once(':').unwrap_or((&self.user, "0"));
            let mut tar = self.tar("--append", root, layer);
            tar.args([format!("--owner={user}"), format!("--group={group}")]);
            tar.args(["--mode=u=rwX,go="]);
            run(tar.args(self.owned.iter().map(|it| format!("./{it}"))))?;
        }
        Ok(())
    }

    fn tar(&self, what: &str, folder: &Path, file: &Path) -> Command {
        let mut tar = Command::new("tar");
        tar.args([what, "--format=gnu", "--sort=name", "--numeric-owner"]);
        tar.arg(format!("--mtime=@{}", self.created));
        tar.arg("--directory").arg(folder).arg("--file").arg(file);
        tar
    }

    fn config(&self, content: &str) -> Value {
        let ports: BTreeMap<&String, Value> = self.ports.iter().map(|it| (it, json!({}))).collect();
        let created = rfc3339(self.created);
        let mut environment = vec![
            "PATH=/usr/bin".to_owned(),
            "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt".to_owned(),
        ];
        environment.extend(self.environment.iter().map(|(name, value)| format!("{name}={value}")));
        json!({
            "created": created,
            "os": "linux",
            "architecture": self.architecture.name(),
            "config": {
                "User": self.user,
                "Entrypoint": self.entrypoint,
                "WorkingDir": "/",
                "Env": environment,
                "ExposedPorts": ports,
                "Labels": self.labels,
            },
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{content}")] },
            "history": [{ "created": created, "created_by": "cargo xtask image" }],
        })
    }
}

impl Blob {
    fn descriptor(&self, kind: &str) -> Value {
        json!({
            "mediaType": kind,
            "digest": format!("sha256:{}", self.digest),
            "size": self.size,
        })
    }
}

/// Moves a file to where its digest says.
fn keep(blobs: &Path, file: &Path) -> Result<Blob> {
    let blob = Blob { digest: sum(file)?, size: size(file)? };
    let place: PathBuf = blobs.join(&blob.digest);
    std::fs::rename(file, &place).map_err(Error::io(format!("moving {}", file.display())))?;
    Ok(blob)
}

fn keep_json(blobs: &Path, folder: &Path, value: &Value) -> Result<Blob> {
    let file = folder.join("part.json");
    write(&file, value)?;
    keep(blobs, &file)
}

fn write(path: &Path, value: &Value) -> Result<()> {
    std::fs::write(path, value.to_string())
        .map_err(Error::io(format!("writing {}", path.display())))
}

fn size(path: &Path) -> Result<u64> {
    std::fs::metadata(path).map(|it| it.len()).map_err(Error::io(path.display().to_string()))
}

fn sum(path: &Path) -> Result<String> {
    let output = run(Command::new("sha256sum").arg("--binary").arg(path))?;
    let digest = output.split_whitespace().next().unwrap_or_default();
    // A backslash says that the name is written in another way.
    Ok(digest.trim_start_matches('\\').to_owned())
}

/// Seconds since 1970 as a date and time, by way of `date`.
pub(crate) fn rfc3339(seconds: u64) -> String {
    let date = Command::new("date").args(["-u", "-d", &format!("@{seconds}"), "+%FT%TZ"]).output();
    date.map_or_else(|_| String::new(), |it| String::from_utf8_lossy(&it.stdout).trim().to_owned())
}

/// Runs a program to its end; gives what it printed.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let what = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(Error::io(format!("starting {what}")))?;
    if !output.status.success() {
        return Err(Error::Failed {
            what,
            status: output.status.to_string(),
            output: wait::tail(&String::from_utf8_lossy(&output.stderr), 20),
        });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::RunFolder;

    #[test]
    fn the_same_files_are_the_same_image() {
        let run = RunFolder::temporary("oci").unwrap();
        let image = Image {
            name: "example.org/a:1".into(),
            user: "7:8".into(),
            owned: vec!["data".into()],
            created: 86_400,
            ..Image::default()
        };
        let write = |name: &str, text: &str| {
            let root = run.path().join(name);
            std::fs::create_dir_all(root.join("data")).unwrap();
            std::fs::write(root.join("b"), text).unwrap();
            std::fs::write(root.join("a"), text).unwrap();
            let out = run.path().join(format!("{name}.tar"));
            let written = image.write(&root, &out).unwrap();
            (written, std::fs::read(out).unwrap())
        };
        let first = write("first", "x");
        assert!(first == write("second", "x"));
        assert_ne!(first.0.digest, write("third", "y").0.digest);
        assert!(first.0.digest.starts_with("sha256:") && first.0.packed > 0);
        let listing = run.path().join("first.tar");
        let names = super::run(Command::new("tar").arg("--list").arg("--file").arg(listing));
        assert!(names.unwrap().contains("index.json"));
        assert_eq!(rfc3339(86_400), "1970-01-02T00:00:00Z");
    }
}
