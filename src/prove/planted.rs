//! What is planted: for each batch of attacks a home, a project, a configuration and a state directory with the canary in
//! every place that a run masks or hides, and a socket in each place that a run cuts off.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV6};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::attack::{self, Aim, HELPER, Keychain};
use crate::world::World;

use super::host::Host;
use super::keeper::Keeper;
use super::{ProveError, fresh};

/// The name of the variable that the canary is in.
pub(super) const VARIABLE: &str = "CANARY_TOKEN";
/// What editors and people leave beside a `.env`: copies and swap files.
const BACKUPS: [&str; 5] = [".env.bak", ".env~", ".env.swp", "#.env#", ".#env"];
/// The description of the key in the kernel's keyring.
const KEY: &str = "agentsecrets-prove";

/// Where all of it is; everything goes with the value.
#[derive(Debug)]
pub(super) struct Ground {
    place: PathBuf,
    /// What every batch has in common.
    aim: Aim,
    secret: String,
    /// Why nothing is in a keychain.
    no_keychain: Option<String>,
    /// Last: it removes the place.
    _keeper: Keeper,
}

/// What one batch works on.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) aim: Aim,
    /// The file that says where the attacks aim.
    pub(super) aim_file: PathBuf,
    pub(super) project: PathBuf,
}

impl Ground {
    /// Makes the place and plants what all batches share.
    pub(super) fn new(world: &World, host: &Host) -> Result<Self, ProveError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| ProveError::Place { path, source }
        };
        let state = &world.state_directory;
        DirBuilder::new().recursive(true).mode(0o700).create(state).map_err(failed(state))?;
        let folder = tempfile::Builder::new().prefix("prove-").tempdir_in(state).map_err(failed(state))?;
        let place = folder.path().canonicalize().map_err(failed(folder.path()))?;
        let secret = fresh()?;
        let name = format!("agentsecrets-prove-{}", fresh()?);
        let (keychain, mut no_keychain) = keychain(world);
        let mut aim = Aim {
            backwards: secret.chars().rev().collect(),
            root: place.clone(),
            home: place.clone(),
            state: place.clone(),
            config: place.clone(),
            sockets: place.clone(),
            internet: host.internet,
            internet_v6: Ipv6Addr::LOCALHOST,
            link_local: SocketAddrV6::new(Ipv6Addr::LOCALHOST, host.other_port, 0, 0),
            lan: host.internet,
            metadata: Ipv4Addr::LOCALHOST,
            other_port: host.other_port,
            host_port: host.loopback_port,
            abstract_name: name.clone(),
            canary: format!(".{name}"),
            segment: segment(),
            key: KEY.to_owned(),
            terminal: None,
            window: 0,
            earlier_run: None,
            keychain: None,
        };
        let attributes = super::keeper::attributes(&aim).unwrap_or_default();
        aim.keychain = keychain.map(|address| Keychain { address, attributes });
        let aim_file = place.join("aim.json");
        aim.write(&aim_file).map_err(failed(&aim_file))?;
        // From here on the keeper removes the place, also where we are killed.
        let session = ["DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "HOME"];
        let session = session.map(|name| Some((name.into(), world.variable(name)?.to_owned())));
        let session: Vec<_> = session.into_iter().flatten().collect();
        let (keeper, failed_to_keep) = Keeper::start(&aim_file, &session).map_err(ProveError::Start)?;
        no_keychain = no_keychain.or(failed_to_keep);
        let _ = folder.keep();
        super::keeper::plant_key(KEY);
        let ground = Self { place, aim, secret, no_keychain, _keeper: keeper };
        ground.serve(host).map_err(ProveError::Listen)?;
        ground.browser(world).map_err(failed(&ground.place))?;
        Ok(ground)
    }

    /// Where everything is.
    pub(super) fn place(&self) -> &Path {
        &self.place
    }

    /// Why no keychain can be attacked.
    pub(super) fn no_keychain(&self) -> Option<&str> {
        self.no_keychain.as_deref()
    }

    /// The value that nobody inside may read.
    pub(super) fn secret(&self) -> &str {
        &self.secret
    }

    /// What stands for the user's browser.
    pub(super) fn browser_program(&self) -> PathBuf {
        self.place.join("browser")
    }

    fn serve(&self, host: &Host) -> io::Result<()> {
        host.serve_abstract(&self.aim.abstract_name)?;
        host.serve(&self.place.join("outside.sock"))?;
        let name = format!("{}.sock", self.aim.canary);
        host.serve(&Path::new("/tmp").join(&name))?;
        // An ordinary user has no place there; the attack is root's.
        let _ = host.serve(&Path::new("/run").join(&name));
        Ok(())
    }

    fn browser(&self, world: &World) -> io::Result<()> {
        let quoted = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', "'\\''"));
        let (program, aim) = (quoted(&world.executable), quoted(&self.place.join("aim.json")));
        let text = format!("#!/bin/sh\nexec {program} {} {aim} arrive \"$@\"\n", attack::ATTACK_VERB);
        fs::write(self.browser_program(), text)?;
        fs::set_permissions(self.browser_program(), Permissions::from_mode(0o700))
    }

    /// Plants the site of one batch; `has_dotenv` says whether its project shows the canary in files.
    pub(super) fn site(&self, name: &str, host: &Host, has_dotenv: bool) -> io::Result<Site> {
        let root = self.place.join(name);
        let [home, project, state, config] = ["home", "project", "state", "config"].map(|folder| root.join(folder));
        let line = format!("{VARIABLE}={}\n", self.secret);
        let write = |path: PathBuf, text: &str| {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::write(path, text)
        };
        if has_dotenv {
            write(project.join(".env"), &line)?;
            write(project.join("packages/deep/.env.local"), &line)?;
            for name in BACKUPS {
                write(project.join(name), &line)?;
            }
            symlink(".env", project.join("link-to-dotenv"))?;
            fs::hard_link(project.join(".env"), project.join("hard-link-to-dotenv"))?;
        }
        let configuration = "[core]\n\thooksPath = tools/hooks\n[include]\n\tpath = ../shared.gitconfig\n";
        for (path, text) in [
            ("packages/README", "none\n"),
            (".git/HEAD", "ref: refs/heads/main\n"),
            (".git/config", configuration),
            (".git/hooks/README", "none\n"),
            (".git/objects/README", "none\n"),
            (".git/refs/README", "none\n"),
            ("tools/hooks/README", "none\n"),
            ("bin/README", "none\n"),
            ("node_modules/.bin/README", "none\n"),
            ("shared.gitconfig", "# none\n"),
        ] {
            write(project.join(path), text)?;
        }
        // As a command of an earlier run would have left it.
        let helper = project.join("bin").join(HELPER);
        fs::copy(self.browser_program(), &helper)?;
        fs::set_permissions(helper, Permissions::from_mode(0o700))?;
        write(home.join(".aws/credentials"), &line)?;
        write(home.join(".ssh/id_ed25519"), &line)?;
        write(home.join(".bashrc"), "# mine\n")?;
        write(home.join(".cache/bin/tool"), "")?;
        write(state.join("agentsecrets/canary"), &line)?;
        write(config.join("agentsecrets/canary"), &line)?;
        for folder in [home.clone(), project.clone(), home.join(".cache")] {
            host.serve(&folder.join("agent.sock"))?;
        }
        let aim = Aim { root, home, state, config, ..self.aim.clone() };
        let site = Site { aim_file: project.join("aim.json"), project, aim };
        site.aim.write(&site.aim_file)?;
        Ok(site)
    }
}

/// The address of the bus on which an open keychain answers, or why there is none.
fn keychain(world: &World) -> (Option<String>, Option<String>) {
    let text = |name: &str| world.variable(name).and_then(|value| value.to_str());
    let Some(address) = attack::bus_address(text("DBUS_SESSION_BUS_ADDRESS"), text("XDG_RUNTIME_DIR").map(Path::new))
    else {
        return (None, Some("there is no session bus".into()));
    };
    match attack::is_unlocked(&address) {
        Ok(true) => (Some(address), None),
        Ok(false) => (None, Some("the keychain is locked".into())),
        Err(_) => (None, Some("no keychain answers on the session bus".into())),
    }
}

/// A key for a System V segment that nobody else is likely to use; a taken one makes its attack's control fail.
fn segment() -> i32 {
    0x6167_0000 | i32::try_from(std::process::id() & 0xffff).unwrap_or(0)
}
