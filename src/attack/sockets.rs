//! Services of the host behind Unix sockets, and the user's browser, which is one more of them.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::Path;

use super::network::say;
use super::{Act, Outcome, Scene, variable, why};

/// Where a run takes links that are to be opened.
const BRIDGE: &str = "/run/agentsecrets/browser.sock";

pub(super) const ATTACKS: &[(&str, Act)] = &[
    ("unix-abstract", in_no_file),
    ("unix-in-tmp", |scene| unix(&Path::new("/tmp").join(shared(scene)), scene)),
    ("unix-in-run", |scene| unix(&Path::new("/run").join(shared(scene)), scene)),
    ("unix-outside", |scene| unix(&scene.aim.sockets.join("outside.sock"), scene)),
    ("unix-in-home", |scene| unix(&scene.aim.home.join("agent.sock"), scene)),
    ("unix-in-project", |scene| unix(Path::new("agent.sock"), scene)),
    ("unix-in-cache", |scene| unix(&scene.aim.home.join(".cache/agent.sock"), scene)),
    ("browser-file", |scene| browser(scene, &format!("file:///etc/passwd#{}", scene.mark))),
    ("browser-script", |scene| browser(scene, &format!("javascript:alert('{}')", scene.mark))),
    ("browser-option", |scene| browser(scene, &format!("--profile={}", scene.mark))),
    ("browser-shell", |scene| browser(scene, &format!("https://a.example/$(echo {0} >&2)`{0}`\n{0}", scene.mark))),
    ("browser-unlisted-host", |scene| browser(scene, &format!("https://unlisted.example/?{}", scene.mark))),
    ("helper-on-path", helper),
    ("browser-host-loopback", |scene| {
        browser(scene, &format!("http://localhost:{}/{}", scene.aim.host_port, scene.mark))
    }),
];

/// What the host's sockets in shared places are called.
fn shared(scene: &Scene) -> String {
    format!("{}.sock", scene.aim.canary)
}

/// From the socket's own folder: an address holds 108 bytes (unix(7)), and a home may lie deep.
fn unix(path: &Path, scene: &Scene) -> Outcome {
    let (folder, name) = (path.parent().unwrap_or(Path::new("")), path.file_name().unwrap_or_default());
    if !folder.as_os_str().is_empty() {
        std::env::set_current_dir(folder).map_err(why("enter"))?;
    }
    say(UnixStream::connect(name).map_err(why("connect"))?, &format!("{}\n", scene.mark))
}

fn in_no_file(scene: &Scene) -> Outcome {
    let address = SocketAddr::from_abstract_name(&scene.aim.abstract_name).map_err(why("address"))?;
    say(UnixStream::connect_addr(&address).map_err(why("connect"))?, &format!("{}\n", scene.mark))
}

/// What BROWSER names where an earlier command has left a program of that name in a place of PATH that it could write.
pub const HELPER: &str = "canary-helper";

/// Has a link opened, which is to start that program on the host; outside a run the shell would.
#[expect(clippy::disallowed_methods, reason = "an attack starts what it likes")]
fn helper(scene: &Scene) -> Outcome {
    let link = format!("https://a.example/{}", scene.mark);
    if variable("HTTPS_PROXY").is_some() {
        return ask_for(UnixStream::connect(BRIDGE).map_err(why("connect"))?, &link);
    }
    let status = std::process::Command::new(HELPER).arg(link).status().map_err(why("start"))?;
    Ok(format!("it was started and ended with {status}"))
}

/// Has the user's browser open a text: inside a run over the bridge, past the program that would check it; outside, as
/// the program that the user's own environment names does it.
fn browser(scene: &Scene, text: &str) -> Outcome {
    let Ok(stream) = UnixStream::connect(BRIDGE) else {
        return super::driver::arrive(scene.aim, &[OsString::from(text)]).map(|()| "the browser was started".into());
    };
    ask_for(stream, text)
}

fn ask_for(mut stream: UnixStream, text: &str) -> Outcome {
    stream.write_all(text.as_bytes()).map_err(why("write"))?;
    stream.shutdown(std::net::Shutdown::Write).map_err(why("shutdown"))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(why("read"))?;
    if answer == "opened" { Ok(answer) } else { Err(answer) }
}
