//! Links that the child opens: a login in the user's browser comes back to the child, and nothing else can be opened.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::support::place::users;
use crate::support::{Run, fresh_key};

/// The host's browser: notes its arguments, its environment and its directory, and follows the redirect of a login as a
/// browser would that has logged in.
const BROWSER: &str = "#!/bin/sh
folder=$(dirname \"$0\")
printf '%s\\n' \"$@\" >>\"$folder/opened\"
env >\"$folder/environment\"; grep SigBlk /proc/self/status >\"$folder/signals\"; pwd >\"$folder/directory\"
for link do :; done
back=$(printf %s \"$link\" | sed -n 's/.*redirect_uri=\\([^&]*\\).*/\\1/p' | sed 's/%3A/:/g; s/%2F/\\//g')
state=$(printf %s \"$link\" | sed -n 's/.*[?&]state=\\([^&]*\\).*/\\1/p')
[ -z \"$back\" ] || curl -s --max-time 20 -o \"$folder/page\" \"$back?code=the-code&state=$state\"
echo done >\"$folder/done\"
";

/// A login client: listens for the callback, opens the link by `sys.argv[1]`, and says which code came back.
const CLIENT: &str = "
import http.server, os, subprocess, sys, urllib.parse, webbrowser
class Callback(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.code = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)['code'][0]
        self.send_response(200); self.end_headers(); self.wfile.write(b'logged in')
    def log_message(self, *arguments): pass
server = http.server.HTTPServer((sys.argv[2], 0), Callback)
back = urllib.parse.quote(f'http://localhost:{server.server_port}/callback', safe='')
link = f'https://login.example/authorize?state=1&redirect_uri={back}'
if sys.argv[1] == 'webbrowser': print('opened', webbrowser.open(link))
else: print('status', subprocess.run([sys.argv[1], link]).returncode)
server.timeout = 30
server.handle_request(); print('code', getattr(server, 'code', None))
";

/// A run whose user has a display and a scripted browser in a place of his own.
pub(crate) fn with_browser(run: Run) -> (Run, PathBuf) {
    let folder = run.world().root().join("desktop");
    fs::create_dir_all(&folder).unwrap();
    let browser = folder.join("browser");
    fs::write(&browser, BROWSER).unwrap();
    fs::set_permissions(&browser, fs::Permissions::from_mode(0o755)).unwrap();
    (run.variable("BROWSER", &browser).variable("DISPLAY", ":99"), folder)
}

fn text(path: PathBuf) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn a_login_in_the_browser_comes_back_to_the_child() {
    for user in users() {
        for (how, address) in [("webbrowser", "127.0.0.1"), ("xdg-open", "localhost"), ("open", "0.0.0.0")] {
            let key = fresh_key("sk_live_");
            let (run, folder) = with_browser(Run::new().user(*user).secret("STRIPE_KEY", &key));
            let run = run.args(["python3", "-c", CLIENT, how, address]);
            let finished = run.run().succeeded();
            assert!(finished.stdout().contains("code the-code"), "{how}: {}{}", finished.stdout(), finished.stderr());
            assert!(finished.stdout().contains("opened True") || finished.stdout().contains("status 0"));
            assert!(finished.stderr().contains("opens in your browser: https://login.example/authorize?state=1&"));
            assert!(finished.stderr().contains("of the child is at http://127.0.0.1:"), "{}", finished.stderr());
            assert_eq!(text(folder.join("directory")).trim(), "/");
            assert_eq!(text(folder.join("signals")).trim(), "SigBlk:\t0000000000000000");
            let environment = text(folder.join("environment"));
            assert!(environment.contains("DISPLAY=:99") && !environment.contains("STRIPE_KEY"), "{environment}");
            let opened = finished.audit_of("decision").into_iter().find(|record| record["scheme"] == "browser");
            assert_eq!(opened.unwrap()["host"], "login.example");
        }
    }
}

#[test]
fn without_a_display_or_in_a_ci_job_a_link_is_only_shown() {
    for (variable, value, reason) in [("DISPLAY", "", "there is no display"), ("CI", "true", "this is a CI job")] {
        let (run, folder) = with_browser(Run::new());
        let run = run.variable(variable, value).shell("xdg-open https://a.example/login; echo status $?");
        let finished = run.run().succeeded();
        assert_eq!(finished.stdout(), "status 3\n", "{}", finished.stderr());
        let said = finished.stderr();
        assert!(said.contains(&format!("({reason}): https://a.example/login")), "{said}");
        assert!(!folder.join("opened").exists());
    }
}

#[test]
fn only_links_of_the_web_are_opened_and_not_too_many() {
    let (run, folder) = with_browser(Run::new());
    let script = "
        for link in file:///etc/passwd 'javascript:alert(1)' https://user@a.example/ 'https://a.example/ --flag'; do
            agentsecrets-open \"$link\"; echo status $?
        done
        xdg-open --version; echo status $?
        for n in 1 2; do xdg-open \"https://a.example/$n\"; echo status $?; done";
    let finished = run.shell(script).run().succeeded();
    let expected = "status 4\n".repeat(4) + "status 1\nstatus 0\nstatus 4\n";
    assert_eq!(finished.stdout(), expected, "{}", finished.stderr());
    assert!(finished.stderr().contains("more than 5 links in 30 seconds"), "{}", finished.stderr());
    crate::support::deadline::poll("the browser", || folder.join("done").exists().then_some(()));
    assert_eq!(text(folder.join("opened")), "https://a.example/1\n");
}

#[test]
fn the_browser_is_no_way_around_the_policy() {
    let (run, folder) = with_browser(Run::new().flags(["--egress", "allowlist", "--allow", "good.example"]));
    let script = "
        for link in https://evil.example/?data http://169.254.169.254/latest http://localhost:5432/ https://good.example/; do
            xdg-open $link; echo status $?
        done";
    let finished = run.shell(script).run().succeeded();
    assert_eq!(finished.stdout(), "status 3\nstatus 3\nstatus 3\nstatus 0\n", "{}", finished.stderr());
    assert!(finished.stderr().contains("`--allow evil.example:443` would let it"), "{}", finished.stderr());
    crate::support::deadline::poll("the browser", || folder.join("done").exists().then_some(()));
    assert_eq!(text(folder.join("opened")), "https://good.example/\n");
    let web = with_browser(Run::new()).0.shell("xdg-open http://10.0.0.1/; echo status $?");
    assert_eq!(web.run().succeeded().stdout(), "status 3\n");
}

#[test]
fn no_program_of_the_project_is_started() {
    let (run, folder) = with_browser(Run::new());
    let planted = run.world().project().join("bin/xdg-open");
    fs::create_dir_all(planted.parent().unwrap()).unwrap();
    fs::write(&planted, "#!/bin/sh\ntouch \"$(dirname \"$0\")/../ran\"\n").unwrap();
    fs::set_permissions(&planted, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}:/usr/bin:/bin", planted.parent().unwrap().display(), folder.display());
    fs::rename(folder.join("browser"), folder.join("xdg-open")).unwrap();
    let run = run.variable("PATH", path).variable("BROWSER", &planted);
    let finished = run.shell("xdg-open https://a.example/; echo status $?").run().succeeded();
    assert_eq!(finished.stdout(), "status 0\n", "{}", finished.stderr());
    crate::support::deadline::poll("the browser", || folder.join("done").exists().then_some(()));
    assert!(!finished.world().project().join("ran").exists());
}

#[test]
fn the_bridge_can_be_left_out() {
    let (run, folder) = with_browser(Run::new().flag("--no-browser"));
    let finished = run.shell("ls /run/agentsecrets; echo $PATH; echo $BROWSER").run().succeeded();
    let said = finished.stdout();
    assert!(!said.contains("browser.sock") && !said.contains("/run/agentsecrets/bin"), "{said}");
    assert!(said.ends_with(&format!("{}\n", folder.join("browser").display())), "{said}");
}
