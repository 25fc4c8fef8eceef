//! The command source: conformance, and what it never lets a program do.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Instant;

use super::super::conformance::{self, key};
use super::*;

const LONG: Duration = Duration::from_secs(20);

fn surroundings(path: &[&Path]) -> Surroundings {
    Surroundings {
        path: path.iter().map(|path| path.to_path_buf()).collect(),
        environment: vec![("PATH".into(), "/usr/bin:/bin".into()), ("GIVEN".into(), "yes".into())],
        distrusted: Vec::new(),
        redact: <[u8]>::to_vec,
    }
}

fn script(place: &Path, name: &str, text: &str) -> PathBuf {
    let path = place.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn shell(text: &str, deadline: Duration) -> CommandSource {
    let argv = ["/bin/sh", "-c", text].map(str::to_owned).to_vec();
    CommandSource::new(argv, surroundings(&[]), deadline)
}

fn fetch(source: &CommandSource) -> Result<String, SourceError> {
    source.fetch(&key("w", "X")).map(|value| String::from_utf8_lossy(value.expose()).into_owned())
}

/// One program for each name, as the suite asks one source for many.
#[derive(Debug)]
struct Programs(std::collections::BTreeMap<String, CommandSource>);

impl Source for Programs {
    fn title(&self) -> String {
        "commands".into()
    }

    fn fetch(&self, key: &Key) -> Result<Secret, SourceError> {
        let missing = || SourceError::Missing { name: key.name.to_string(), place: self.title() };
        self.0.get(key.name.as_str()).ok_or_else(missing)?.fetch(key)
    }
}

#[test]
fn conforms() {
    let place = tempfile::tempdir().unwrap();
    conformance::source(&|values| {
        let program = |(name, value): &(&str, &[u8])| {
            let file = place.path().join(name);
            fs::write(&file, value).unwrap();
            let argv = ["/bin/cat", file.to_str().unwrap()].map(str::to_owned).to_vec();
            ((*name).to_owned(), CommandSource::new(argv, surroundings(&[]), LONG))
        };
        Box::new(Programs(values.iter().map(program).collect()))
    });
}

#[test]
fn runs_without_shell_project_and_inherited_variables() {
    assert_eq!(
        fetch(&shell("pwd; env | sort | grep -v -e '^_=' -e '^PWD=' | tr '\\n' ,", LONG)).unwrap(),
        "/\nGIVEN=yes,PATH=/usr/bin:/bin,"
    );
    let argv = ["/bin/echo", "$HOME;`id`", "*"].map(str::to_owned).to_vec();
    assert_eq!(fetch(&CommandSource::new(argv, surroundings(&[]), LONG)).unwrap(), "$HOME;`id` *");
    assert_eq!(fetch(&shell("cat; echo; echo kept; echo", LONG)).unwrap(), "\nkept\n");
}

#[test]
fn prints_what_is_true_now_and_is_ended_when_nobody_waits_any_more() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("value");
    let source = shell(&format!("cat {}", file.display()), LONG);
    for value in ["one", "two"] {
        fs::write(&file, value).unwrap();
        assert_eq!(fetch(&source).unwrap(), value);
    }
    let begun = place.path().join("begun");
    let source = shell(&format!(": >{}; sleep 600", begun.display()), LONG);
    std::thread::scope(|scope| {
        let fetched = scope.spawn(|| fetch(&source));
        while !begun.exists() {
            std::thread::yield_now();
        }
        source.give_up();
        let error = fetched.join().unwrap().unwrap_err();
        assert!(error.to_string().ends_with("ended with signal 9"), "{error}");
    });
    assert!(source.running.lock().unwrap().is_empty());
}

#[test]
fn ends_at_its_deadline_with_all_it_started() {
    let place = tempfile::tempdir().unwrap();
    let mark = place.path().join("mark");
    // The grandchild holds standard output open and would leave a mark.
    let text = format!("(sleep 600; echo x >{}) & echo value; wait", mark.display());
    let started = Instant::now();
    let error = fetch(&shell(&text, Duration::from_millis(300))).unwrap_err();
    assert!(matches!(error, SourceError::Slow { .. }), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(10) && !mark.exists());
    // What comes without end is cut, and its program ended.
    let error = fetch(&shell("cat /dev/zero", LONG)).unwrap_err();
    assert!(matches!(error, SourceError::TooLarge { .. }), "{error:?}");
}

#[test]
fn says_why_a_program_failed_and_not_what_it_printed() {
    let text = "echo half-a-value-1234; echo \"bad token: half-a-value-1234\" >&2; exit 3";
    let error = fetch(&shell(text, LONG)).unwrap_err();
    assert_eq!(error.to_string(), "`/bin/sh` ended with status 3: bad token: [redacted]");
    assert!(!format!("{error:?}").contains("half-a"));
    let error = fetch(&shell("kill -9 $$", LONG)).unwrap_err();
    assert_eq!(error.to_string(), "`/bin/sh` ended with signal 9");
    assert!(matches!(fetch(&shell("true", LONG)), Err(SourceError::Empty)));
}

#[test]
fn a_program_is_found_only_where_others_cannot_put_one() {
    let trusted = tempfile::tempdir().unwrap();
    let open = tempfile::tempdir().unwrap();
    let project = tempfile::tempdir().unwrap();
    script(trusted.path(), "tool", "echo trusted");
    script(open.path(), "tool", "echo open");
    script(project.path(), "tool", "echo project");
    fs::set_permissions(open.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let run = |path: &[&Path], name: &str| {
        let surroundings = Surroundings { distrusted: vec![project.path().to_owned()], ..surroundings(path) };
        fetch(&CommandSource::new(vec![name.into()], surroundings, LONG)).map_err(|error| error.to_string())
    };
    let all = [Path::new("relative"), project.path(), open.path(), trusted.path()];
    assert_eq!(run(&all, "tool").unwrap(), "trusted");
    assert!(run(&all[..2], "tool").unwrap_err().contains("lies in the project"));
    assert!(run(&all[..3], "tool").unwrap_err().contains("writable"));
    assert!(run(&all, "no-such-tool").unwrap_err().contains("was not found in `PATH`"));
    assert!(run(&all, "./tool").unwrap_err().contains("relative path"));
    assert!(run(&all, "").unwrap_err().contains("is not the name"));
    let path = project.path().join("tool");
    assert!(run(&all, path.to_str().unwrap()).unwrap_err().contains("lies in the project"));
    // A link in a trusted directory leads where it leads.
    std::os::unix::fs::symlink(&path, trusted.path().join("link")).unwrap();
    assert!(run(&all, "link").unwrap_err().contains("lies in the project"));
}
