//! The level `guarded`: on the machine as it is, and in what a container's runtime makes of it, where no user namespace
//! can be had and parts of /proc are covered.

use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::deadline::{PATIENCE, poll};
use crate::support::place::{self, User, clients, users};
use crate::support::remains::Remains;
use crate::support::{Run, Upstream, fresh_key, requirement};

fn guarded() -> Run {
    Run::new().flags(["--isolation", "guarded"])
}

/// Starts the program as a container's runtime would: no further user namespaces, /proc partly covered.
fn contained(run: Run) -> Run {
    let script = "exec unshare --user --map-root-user --mount sh -c '
        echo 0 >/proc/sys/user/max_user_namespaces &&
        mount --bind /dev/null /proc/keys &&
        mount -t tmpfs none /proc/irq && mount --bind /proc/sys /proc/sys && exec \"$@\"' sh PROGRAM \"$@\"";
    run.stand_in(&script.replace("PROGRAM", place::agentsecrets().to_str().unwrap()))
}

#[test]
fn where_nothing_can_be_sealed_a_run_refuses_and_says_what_mends_it() {
    let finished = contained(Run::new()).unobserved().shell("echo ran").run().ended_with(125);
    assert_eq!(finished.stdout(), "");
    for text in ["cannot seal", "max_user_namespaces", "--isolation guarded", "agentsecrets doctor"] {
        assert!(finished.stderr().contains(text), "{text}: {}", finished.stderr());
    }
    // The control: the same place with the level that it can give.
    let finished = contained(guarded()).shell("echo ran").run().succeeded();
    assert_eq!(finished.stdout(), "ran\n");
    assert!(finished.stderr().contains("guarded, not sealed"), "{}", finished.stderr());
}

/// What a client says when it got through, on the machine and in the container, as root and as an ordinary user.
fn drive(command: &[&str], says: &str) {
    let missing = (!clients().join("python/bin/python").exists()).then_some("not installed; tests/run does it");
    if !requirement::met("clients", missing) {
        return;
    }
    for user in users() {
        for start in [|run: Run| run, contained] {
            let key = fresh_key("sk-proj-");
            let upstream = Upstream::start(["api.openai.com"]).accepting("api.openai.com", &key);
            let run = start(guarded()).user(*user).secret("OPENAI_API_KEY", &key).upstream(&upstream);
            let finished = run.args(command).run();
            let context = format!("{user:?} {command:?}\n{}\n{}", finished.stdout(), finished.stderr());
            assert_eq!(finished.code(), 0, "{context}\nupstream: {:#?}", upstream.seen());
            assert!(finished.stdout().contains(says), "{context}");
            for request in upstream.seen() {
                assert_eq!(request.header("authorization"), Some(format!("Bearer {key}").as_str()));
                assert_eq!(request.header("proxy-authorization"), None);
            }
        }
    }
}

#[test]
fn curl() {
    let script = "curl -sS --fail -H \"Authorization: Bearer $OPENAI_API_KEY\" https://api.openai.com/v1/models";
    drive(&["/bin/sh", "-c", script], "a-model");
}

#[test]
fn python() {
    let (program, script) = (clients().join("python/bin/python"), clients().join("client.py"));
    let (program, script) = (program.to_str().unwrap(), script.to_str().unwrap());
    for mode in [&["requests", "https://api.openai.com/v1/models"][..], &["httpx", "https://api.openai.com/v1/models"]]
    {
        drive(&[&[program, script], mode].concat(), "200");
    }
    drive(&[program, script, "openai_streamed"], "hello from upstream");
}

#[test]
fn a_project_that_shows_a_secret_is_refused_unless_told_otherwise() {
    let key = fresh_key("sk-proj-");
    let line = format!("OPENAI_API_KEY={key}\n");
    let run = || guarded().unobserved().project_file("deep/.env.local", &line).dotenv(&line);
    let refused = run().declare("OPENAI_API_KEY", &key).shell("echo ran").run().ended_with(125);
    assert_eq!(refused.stdout(), "");
    for text in ["deep/.env.local`", "project/.env`", "move each file out", "--allow-readable-dotenv"] {
        assert!(refused.stderr().contains(text), "{text}: {}", refused.stderr());
    }
    // What was allowed is named, and true.
    let script = "grep -c OPENAI_API_KEY=sk-proj- .env deep/.env.local";
    let allowed = run().flag("--allow-readable-dotenv").shell(script).run().succeeded();
    assert_eq!(allowed.stdout(), ".env:1\ndeep/.env.local:1\n");
    assert!(allowed.stderr().contains("can read the secrets in 2 of the project's files"), "{}", allowed.stderr());
    // One without secrets harms nothing.
    guarded().dotenv("COLOUR=red\n").shell("grep -q red .env").run().succeeded();
}

#[test]
fn what_holds_credentials_is_closed_and_the_rest_works() {
    let key = fresh_key("");
    for user in users() {
        let run = guarded().user(*user).declare("KEY", &key).home_file(".ssh/id_ed25519", &key);
        let run =
            run.home_file(".aws/credentials", &key).home_file(".aws/notes", "mine\n").home_file(".cache/x", "x\n");
        let script = "cat ~/.ssh/id_ed25519 ~/.aws/credentials; ls ~/.ssh; cat $XDG_STATE_HOME/agentsecrets/runs/*
            true >~/new; true >~/.aws/notes; mv ~/.cache/x ~/y
            cat ~/.aws/notes && echo 1 >new && mkdir -p a/b && mv new a/b && echo 2 >~/.cache/x && : >/dev/null && cat a/b/new";
        let finished = run.shell(script).run().succeeded();
        assert_eq!(finished.stdout(), "mine\n1\n", "{user:?}: {}", finished.stderr());
        let changed: Vec<&Path> =
            finished.changed().iter().filter_map(|path| path.strip_prefix(finished.world().home()).ok()).collect();
        assert_eq!(changed, [Path::new(".cache/x")], "{user:?}");
    }
}

/// Landlock takes nothing away inside a granted directory: what a tool of the host's would obey is reported.
#[test]
fn a_changed_hook_is_reported() {
    let script = "echo evil >.git/hooks/post-checkout";
    let finished = guarded().project_file(".git/hooks/README", "none\n").shell(script).run().succeeded();
    assert!(finished.stderr().contains(".git/hooks/post-checkout: your own tools obey that"), "{}", finished.stderr());
    let finished = guarded().project_file(".git/hooks/README", "none\n").shell("git status; echo x >y").run();
    assert!(!finished.stderr().contains("your own tools"), "{}", finished.stderr());
}

#[test]
fn status_and_signals_are_the_commands() {
    for code in [0, 1, 77, 255] {
        let finished = guarded().unobserved().flag("--quiet").shell(&format!("exit {code}")).run();
        assert_eq!((finished.code(), finished.stderr().as_str()), (code, ""));
    }
    assert_eq!(guarded().unobserved().shell("kill -9 $$").run().code(), 137);
    assert_eq!(guarded().unobserved().args(["no-such-command"]).run().code(), 127);
    assert_eq!(guarded().unobserved().args(["/etc/passwd"]).run().code(), 126);
    let script = "trap 'echo caught; exit 42' TERM; echo ready; while :; do read line || :; done";
    let running = guarded().shell(script).input("").start();
    running.wait_for("ready");
    running.signal(Signal::SIGTERM);
    assert_eq!(running.finish().code(), 42);
}

/// A child that leaves daemons, each with a parent of its own that is gone.
const DAEMONS: &str = "for n in 1 2 3; do (setsid sh -c '(tail -f /dev/null >/dev/null 2>&1 &)' &); done
    while [ $(ps -eo args= | grep -c '[t]ail -f /dev/null') -lt 3 ]; do :; done; echo ready; read x";

fn monitor_of(parent: Pid) -> Pid {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    Pid::from_raw(children.split_whitespace().next().unwrap().parse().unwrap())
}

fn wires_are_gone(state: &Path) {
    poll("the end of the run's own directory", || {
        let left = fs::read_dir(state.join("agentsecrets/wires")).map_or(0, Iterator::count);
        (left == 0).then_some(())
    });
}

#[test]
fn nothing_outlives_command_parent_or_monitor() {
    for user in [User::Tester, User::Ordinary] {
        for death in ["command", "parent", "monitor", "parent at the start"] {
            let run = guarded().user(user).own_temporary_folder().input("");
            let mut running = run.shell(DAEMONS).start();
            let remains = if death == "parent at the start" {
                Remains::wait_for_child(&running);
                Remains::of(&running)
            } else {
                running.wait_for("ready");
                Remains::of(&running)
            };
            match death {
                "command" => running.write(b"go\n"),
                "monitor" => kill(monitor_of(running.pid()), Signal::SIGKILL).unwrap(),
                _ => running.signal(Signal::SIGKILL),
            }
            let state = running.world().state();
            assert!(running.wait(PATIENCE).is_some(), "{death}");
            remains.assert_none();
            wires_are_gone(&state);
        }
    }
}

/// What a runtime leaves in a container, or a kernel says of itself, tells how the container is to be started.
#[test]
fn the_mend_is_that_of_the_machine() {
    for (machine, expected) in [
        ("", "start the container with: docker run --security-opt systempaths=unconfined"),
        ("touch /run/.containerenv", "start the container with: podman run --security-opt unmask=ALL"),
        ("mkdir -p /run/secrets/kubernetes.io", "in the container's securityContext: procMount: Unmasked"),
        ("say 'Linux version 4.4.0-19041-Microsoft (Microsoft@Microsoft.com) #1'", "wsl --set-version"),
        ("say 'Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016'", "--runtime=runc"),
    ] {
        let script = format!(
            "exec unshare --user --map-root-user --mount sh -c '
            say() {{ echo \"$1\" >version && mount --bind version /proc/version; }}
            mount --bind /dev/null /proc/keys && mount -t tmpfs none /proc/irq && mount --bind /proc/sys /proc/sys &&
            mount -t tmpfs none /run && {{ {}; }} && exec \"$@\"' sh PROGRAM \"$@\"",
            if machine.is_empty() { ":" } else { machine }.replace('\'', "'\\''")
        );
        let run = Run::new().stand_in(&script.replace("PROGRAM", place::agentsecrets().to_str().unwrap()));
        let refused = run.unobserved().shell("echo ran").run().ended_with(125);
        assert!(refused.stderr().contains(expected), "{machine}: {}", refused.stderr());
        assert_eq!(refused.stdout(), "", "{machine}");
    }
}

#[test]
fn doctor_names_the_level_and_prints_the_profile() {
    let finished = contained(Run::new().verb(["doctor"])).run().ended_with(1);
    let said = finished.stdout();
    assert!(said.starts_with("level      guarded: ") && said.contains("max_user_namespaces"), "{said}");
    assert!(said.contains("guarded    works, by version "), "{said}");
    let json = contained(Run::new().verb(["doctor", "--json"])).run().ended_with(1).stdout();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["level"], "guarded", "{json}");
    let profile = Run::new().verb(["doctor", "--apparmor"]).run().succeeded().stdout();
    let line = format!("profile agentsecrets \"{}\" flags=(unconfined)", place::agentsecrets().display());
    assert!(profile.contains(&line) && profile.contains("\n  userns,\n"), "{profile}");
}

/// Clients that take no proxy and know no certificate, by the route of their service.
#[test]
fn a_base_url_serves_what_takes_no_proxy() {
    let missing = (!clients().join("node/node_modules/@anthropic-ai/sdk").exists()).then_some("not installed");
    if !requirement::met("clients", missing) {
        return;
    }
    let script = clients().join("node/client.mjs");
    let node = format!("node {} anthropic_streamed", script.display());
    // As Claude Code does and as the AI SDK does: with the version in the path and without it.
    let curl = |path: &str| {
        format!(
            "curl -sS --fail --noproxy '*' -d '{{}}' -H \"x-api-key: $ANTHROPIC_API_KEY\" $ANTHROPIC_BASE_URL{path}"
        )
    };
    for level in ["guarded", "none", "sealed"] {
        for command in [node.clone(), curl("/messages"), curl("/v1/messages")] {
            let key = fresh_key("sk-ant-api03-");
            let upstream = Upstream::start(["api.anthropic.com"]).accepting("api.anthropic.com", &key);
            let run = Run::new().flags(["--isolation", level, "--base-urls", "anthropic"]).upstream(&upstream);
            let finished = run.secret("ANTHROPIC_API_KEY", &key).shell(&command).run();
            let context = format!("{level} {command}\n{}\n{}", finished.stdout(), finished.stderr());
            assert_eq!(finished.code(), 0, "{context}\nupstream: {:#?}", upstream.seen());
            assert!(finished.stdout().contains("hello from upstream"), "{context}");
            assert_eq!(upstream.only("/v1/messages").authority.trim_end_matches(":443"), "api.anthropic.com");
        }
    }
}

#[test]
fn a_base_url_takes_no_request_without_this_runs_placeholder() {
    let key = fresh_key("sk-ant-api03-");
    let upstream = Upstream::start(["api.anthropic.com"]);
    let run = guarded().flags(["--base-urls", "anthropic"]).secret("ANTHROPIC_API_KEY", &key).upstream(&upstream);
    let script = "for header in 'x-none: 1' 'x-api-key: guess' \"x-api-key: ${ANTHROPIC_API_KEY}x\" \"x-other: $ANTHROPIC_API_KEY\"; do
            curl -s -o /dev/null -w '%{http_code} ' -H \"$header\" $ANTHROPIC_BASE_URL/v1/models
        done
        curl -s -o /dev/null -w '%{http_code} ' -H \"x-api-key: $ANTHROPIC_API_KEY\" ${ANTHROPIC_BASE_URL%anthropic}openai/v1/models
        curl -s -o /dev/null -w '%{http_code}' -H 'Proxy-Authorization: Basic eDp5' -H \"x-api-key: $ANTHROPIC_API_KEY\" $ANTHROPIC_BASE_URL/v1/models";
    let finished = run.shell(script).run().succeeded();
    assert_eq!(finished.stdout(), "403 403 403 403 407 407", "{}", finished.stderr());
    assert_eq!(upstream.connections(), 0);
    let decisions = finished.audit_of("decision");
    let refused: Vec<&serde_json::Value> = decisions.iter().filter(|record| record["rule"] == "route_proof").collect();
    assert_eq!((refused.len(), decisions.len()), (4, 4), "{decisions:#?}");
    assert!(refused.iter().all(|record| record["decision"] == "refused" && record["path"] == "/anthropic/v1/models"));
    assert!(finished.stderr().contains("4 requests to 0 hosts; 4 refused"), "{}", finished.stderr());
}

#[test]
fn base_urls_are_set_where_asked_for_and_never_over_the_users() {
    let key = fresh_key("sk-proj-");
    let run = || guarded().secret("OPENAI_API_KEY", &key);
    assert_eq!(run().shell("true").run().succeeded().child_variable("OPENAI_BASE_URL"), None);
    let asked = run().flags(["--base-urls", "openai"]).shell("true").run().succeeded();
    assert!(asked.child_variable("OPENAI_BASE_URL").is_some_and(|url| url.ends_with("/openai")));
    let kept = run().flags(["--base-urls", "openai"]).variable("OPENAI_BASE_URL", "https://gateway.example/v1");
    let kept = kept.shell("true").run().succeeded();
    assert_eq!(kept.child_variable("OPENAI_BASE_URL").as_deref(), Some("https://gateway.example/v1"));
    assert!(kept.stderr().contains("set already"), "{}", kept.stderr());
    let refused = guarded().unobserved().flags(["--base-urls", "opnai"]).shell("true").run().ended_with(125);
    assert!(refused.stderr().contains("those are anthropic, gemini"), "{}", refused.stderr());
}

#[test]
fn explain_lists_what_is_set_for_clients_that_take_no_proxy() {
    let key = fresh_key("sk-proj-");
    let explain = |level: &str| {
        let run =
            Run::at(level).verb(["explain"]).secret("OPENAI_API_KEY", &key).variable("NODE_OPTIONS", "--no-warnings");
        let run = run.flags(["--base-urls", "openai", "--hook", "node", "--hook", "python"]);
        run.args(["true"]).run().succeeded().stdout()
    };
    let said = explain("guarded");
    for line in [
        "OPENAI_BASE_URL: set to http://127.0.0.1:PORT/openai; ",
        "[--base-urls openai]",
        "NODE_OPTIONS: set to '--require \"RUN/node.cjs\"'; ",
        "[--hook node]",
        "PYTHONPATH: set to RUN/python; ",
        "[--hook python]",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    let sealed = explain("sealed");
    assert!(sealed.contains("OPENAI_BASE_URL: set to") && !sealed.contains("PYTHONPATH: set"), "{sealed}");
}

/// Clients that no variable leads to the broker, or makes trust it. Without its hook each fails: that is the control.
#[test]
fn hooks_lead_what_no_variable_does() {
    let missing = (!clients().join("python/bin/python").exists()).then_some("not installed");
    if !requirement::met("clients", missing) {
        return;
    }
    let python = format!("{0}/python/bin/python {0}/client.py stripe", clients().display());
    let node = |rest: &str| format!("node {}/node/client.mjs {rest}", clients().display());
    let (fetch, sdk) = (node("fetch https://api.openai.com/v1/models"), node("anthropic_streamed"));
    for (hook, host, variable, prefix, command, says) in [
        ("python", "api.stripe.com", "STRIPE_API_KEY", "sk_test_", python, "4242"),
        ("node", "api.openai.com", "OPENAI_API_KEY", "sk-proj-", fetch, "200"),
        ("node", "api.anthropic.com", "ANTHROPIC_API_KEY", "sk-ant-api03-", sdk, "hello from upstream"),
    ] {
        for (level, with_hook) in [("guarded", true), ("none", true), ("guarded", false)] {
            let key = fresh_key(prefix);
            let upstream = Upstream::start([host]).accepting(host, &key);
            let mut run = Run::new().flags(["--isolation", level]).secret(variable, &key).upstream(&upstream);
            if with_hook {
                run = run.flags(["--hook", hook]);
            }
            // One that cannot get through tries again and again.
            let patience = if with_hook { 60 } else { 6 };
            let finished = run.shell(&format!("timeout {patience} {command}")).run();
            let context = format!("{level} {command}\n{}\n{}", finished.stdout(), finished.stderr());
            assert_eq!(finished.code() == 0 && finished.stdout().contains(says), with_hook, "{context}");
            assert_eq!(upstream.seen().is_empty(), !with_hook, "{context}");
        }
    }
}

#[test]
fn unix_sockets_are_made_where_asked_for() {
    let script =
        "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"s\"); print(\"bound\")' 2>&1 | tail -n 1
        python3 -c 'import multiprocessing as m; print(sum(m.Pool(2).map(abs, [1, -2])))'";
    let closed = guarded().shell(script).run().succeeded().stdout();
    assert!(closed.contains("not supported") && closed.ends_with("3\n"), "{closed}");
    assert_eq!(guarded().flag("--unix-sockets").shell(script).run().succeeded().stdout(), "bound\n3\n");
}
