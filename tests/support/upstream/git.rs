//! Git's smart HTTP, answered by `git http-backend` as a CGI program; every repository asks for the site's key as a
//! Basic password or user.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bytes::Bytes;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};

use super::Site;
use super::answers::text;
use super::body::{Fed, whole};
use super::services::carries;

/// The repository's folder and the path inside it, when the request is for one.
pub(crate) fn repository_of(parts: &Parts, site: &Site) -> Option<String> {
    let path = parts.uri.path().trim_start_matches('/');
    let end = path.find(".git/")? + ".git".len();
    site.repositories.join(&path[..end]).is_dir().then(|| path.to_owned())
}

/// Runs the CGI program for one request.
pub(crate) async fn answer(parts: Parts, body: Bytes, site: &Site, path: String) -> Response<Fed> {
    if site.record.key(&site.host).is_some_and(|key| !carries(&parts.headers, &key)) {
        let mut refusal = text(StatusCode::UNAUTHORIZED, "credentials, please");
        refusal.headers_mut().insert(WWW_AUTHENTICATE, "Basic realm=\"git\"".parse().unwrap());
        return refusal;
    }
    let root = site.repositories.clone();
    let output = tokio::task::spawn_blocking(move || backend(&parts, &body, &root, &path)).await.unwrap();
    from_cgi(&output)
}

fn backend(parts: &Parts, body: &[u8], root: &Path, path: &str) -> Vec<u8> {
    let header = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_PROTOCOL", header(HeaderName::from_static("git-protocol")))
        .env("GIT_CONFIG_COUNT", "2")
        .env("GIT_CONFIG_KEY_0", "http.receivepack")
        .env("GIT_CONFIG_VALUE_0", "true")
        .env("GIT_CONFIG_KEY_1", "safe.directory")
        .env("GIT_CONFIG_VALUE_1", "*")
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("PATH_INFO", format!("/{path}"))
        .env("QUERY_STRING", parts.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", header(CONTENT_TYPE))
        .env("HTTP_CONTENT_ENCODING", header(CONTENT_ENCODING))
        .env("CONTENT_LENGTH", body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        // A backend that has read enough closes its end.
        scope.spawn(move || {
            let _ = stdin.write_all(body);
        });
        child.wait_with_output().unwrap().stdout
    })
}

/// CGI's header block becomes the response's head.
fn from_cgi(output: &[u8]) -> Response<Fed> {
    let end = output.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let mut response = Response::new(whole(output[end + 4..].to_vec()));
    for line in String::from_utf8_lossy(&output[..end]).lines() {
        let (name, value) = line.split_once(": ").unwrap();
        if name == "Status" {
            *response.status_mut() = value.split(' ').next().unwrap().parse().unwrap();
        } else {
            let name = HeaderName::try_from(name).unwrap();
            response.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
        }
    }
    response
}

/// A bare repository with one commit of `files` on `main`.
pub(crate) fn create(repository: &Path, files: &[(&str, &str)]) -> PathBuf {
    let work = tempfile::tempdir().unwrap();
    let git = |folder: &Path, arguments: &[&str]| {
        let identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "init.defaultBranch=main"];
        let output = Command::new("git").args(identity).args(arguments).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    for (name, content) in files {
        fs::write(work.path().join(name), content).unwrap();
    }
    git(work.path(), &["init", "--quiet"]);
    git(work.path(), &["add", "--all"]);
    git(work.path(), &["commit", "--quiet", "--message", "first"]);
    fs::create_dir_all(repository.parent().unwrap()).unwrap();
    git(work.path(), &["clone", "--quiet", "--bare", ".", repository.to_str().unwrap()]);
    repository.to_owned()
}
